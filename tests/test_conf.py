"""Settings: one dict, typed, with defaults, parsed once per dict and read when asked for."""

from dataclasses import FrozenInstanceError
from datetime import timedelta

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from resend_confirmation import conf

DEFAULTS: dict[str, object] = {
    "BASE_URL": "",
    "CLIENTS": (),
    "ACCOUNTS": "resend_confirmation.accounts.ConfirmationStore",
    "QUIET": frozenset(),
    "CARRIER": "thread",
    "MAILER": "default",
    "FROM_EMAIL": None,
    "LINK_LIFETIME": timedelta(hours=24),
    "LINK_POLICY": "reuse",
    "COOLDOWN": timedelta(seconds=60),
    "COOLDOWN_PER_HOUR": 5,
    "COOLDOWN_PER_DAY": 12,
    "THROTTLE": {"default": "60/m"},
    "TRUSTED_PROXIES": None,
    "MAX_BODY": 16384,
    "BACKLOG": 10000,
    "SEND_DEADLINE": timedelta(seconds=30),
    "OPENAPI_ANSWERS": "vendor",
    "AUTHORIZATION_CODE": None,
    "JWT_ISSUER": None,
    "JWT_LIFETIME": timedelta(hours=24),
}


@pytest.mark.parametrize(("name", "value"), DEFAULTS.items(), ids=DEFAULTS)
def test_defaults(settings, name, value):
    """Each setting has this default."""
    settings.RESEND_CONFIRMATION = {}
    assert getattr(conf.get(), name) == value


def test_no_dict_at_all(settings):
    """A host without the setting gets the defaults, and the checks tell it the rest."""
    del settings.RESEND_CONFIRMATION
    assert conf.get() == conf.Settings()


GOOD = [
    ("BASE_URL", "https://site.example/", "https://site.example"),
    ("BASE_URL", "http://localhost:8000", "http://localhost:8000"),
    ("CLIENTS", [{"name": "a"}], [{"name": "a"}]),
    ("CLIENTS", "host.clients", "host.clients"),
    ("OPENAPI_ANSWERS", "all", "all"),
    ("QUIET", "all", True),
    ("QUIET", True, True),
    ("QUIET", False, False),
    ("QUIET", ["acme"], frozenset({"acme"})),
    ("FROM_EMAIL", "a@site.example", "a@site.example"),
    ("LINK_LIFETIME", 3600, timedelta(hours=1)),
    ("LINK_LIFETIME", timedelta(days=2), timedelta(days=2)),
    ("LINK_LIFETIME", timedelta(days=3660), timedelta(days=3660)),
    ("JWT_LIFETIME", 1, timedelta(seconds=1)),
    ("SEND_DEADLINE", 1, timedelta(seconds=1)),
    ("RETENTION", 0, timedelta(0)),
    ("RETENTION_IGNORED", 0, timedelta(0)),
    ("LINK_POLICY", "newest", "newest"),
    ("COOLDOWN", 0, timedelta(0)),
    ("COOLDOWN", 0.5, timedelta(milliseconds=500)),
    ("COOLDOWN_PER_HOUR", 0, 0),
    ("THROTTLE", None, {"default": None}),
    ("THROTTLE", "10/5m", {"default": "10/5m"}),
    ("THROTTLE", {"acme": "5/s", "default": None}, {"acme": "5/s", "default": None}),
    ("TRUSTED_PROXIES", 0, 0),
    ("TRUSTED_PROXIES", 2, 2),
    ("MAX_BODY", 1, 1),
]


@pytest.mark.parametrize(("name", "value", "read"), GOOD)
def test_values(settings, name, value, read):
    """A host's own value is read into its type."""
    settings.RESEND_CONFIRMATION = {name: value}
    assert getattr(conf.get(), name) == read
    assert list(conf.problems({name: value})) == []


BAD = [
    ("BASE_URL", None, "takes a string"),
    ("BASE_URL", "site.example", "takes the site's address, such as 'https://site.example'"),
    ("CLIENTS", {"name": "a"}, "takes a list of dicts, or the dotted path of a callable"),
    ("CLIENTS", None, "takes a list of dicts, or the dotted path of a callable"),
    ("ACCOUNTS", object, "takes a string"),
    ("QUIET", "acme", "takes 'all', True, False or a list of dialects"),
    ("QUIET", [1], "takes 'all', True, False or a list of dialects"),
    ("CARRIER", None, "takes a string"),
    ("FROM_EMAIL", 5, "takes a string"),
    ("LINK_LIFETIME", "1 day", "takes seconds, or a timedelta"),
    ("LINK_LIFETIME", True, "takes seconds, or a timedelta"),
    ("LINK_LIFETIME", -1, "takes seconds, or a timedelta"),
    ("LINK_LIFETIME", timedelta(seconds=-1), "takes seconds, or a timedelta"),
    ("LINK_LIFETIME", float("inf"), "takes seconds, or a timedelta"),
    ("LINK_LIFETIME", float("nan"), "takes seconds, or a timedelta"),
    ("COOLDOWN", 10**30, "takes seconds, or a timedelta"),
    ("LINK_LIFETIME", 0, "takes seconds, or a timedelta, of one second to ten years"),
    ("LINK_LIFETIME", timedelta(0), "takes seconds, or a timedelta, of one second to ten years"),
    ("JWT_LIFETIME", 0.9, "takes seconds, or a timedelta, of one second to ten years"),
    ("SEND_DEADLINE", 0, "takes seconds, or a timedelta, of one second to ten years"),
    ("SEND_DEADLINE", 0.2, "takes seconds, or a timedelta, of one second to ten years"),
    ("COOLDOWN", -1, "takes seconds, or a timedelta, of 0 to ten years"),
    ("OPENAPI_ANSWERS", "some", "takes 'vendor', 'all' or 'none'"),
    ("LINK_POLICY", "oldest", "takes 'reuse' or 'newest'"),
    ("COOLDOWN_PER_HOUR", -1, "takes a whole number, 0 or more"),
    ("COOLDOWN_PER_HOUR", 1.5, "takes a whole number, 0 or more"),
    ("COOLDOWN_PER_DAY", True, "takes a whole number, 0 or more"),
    ("COOLDOWN_PER_DAY", None, "takes a whole number, 0 or more"),
    ("THROTTLE", 60, "takes a rate such as '60/m', None, or a dict of dialect to rate"),
    ("THROTTLE", {"acme": 60}, "takes a rate such as '60/m', None, or a dict of dialect to rate"),
    ("THROTTLE", {5: "60/m"}, "takes a rate such as '60/m', None, or a dict of dialect to rate"),
    ("THROTTLE", "60", "takes a rate such as '60/m', not '60'"),
    ("THROTTLE", "60/", "takes a rate such as '60/m', not '60/'"),
    ("THROTTLE", "60/minute", "takes a rate such as '60/m', not '60/minute'"),
    ("THROTTLE", "-1/m", "takes a rate such as '60/m', not '-1/m'"),
    ("THROTTLE", "0/m", "takes a rate such as '60/m', not '0/m'"),
    ("THROTTLE", "60/0m", "takes a rate such as '60/m', not '60/0m'"),
    ("THROTTLE", "\u00b2/m", "takes a rate such as '60/m', not '\u00b2/m'"),
    ("TRUSTED_PROXIES", "1", "takes a whole number, 0 or more"),
    ("MAX_BODY", 0, "takes a whole number above 0"),
    ("BACKLOG", 0, "takes a whole number above 0"),
    ("JWT_ISSUER", 5, "takes a string"),
]


@pytest.mark.parametrize(("name", "value", "text"), BAD)
def test_wrong_values(settings, name, value, text):
    """A value of the wrong kind is a problem for the check, and raises where it is read."""
    (problem,) = conf.problems({name: value})
    assert problem.key == name
    assert problem.known
    assert problem.text.startswith(f"RESEND_CONFIRMATION['{name}'] {text}")
    settings.RESEND_CONFIRMATION = {name: value}
    with pytest.raises(ImproperlyConfigured, match=f"^RESEND_CONFIRMATION.'{name}'. takes"):
        conf.get()


def test_mistyped_key(settings):
    """A key that does not exist is a problem for the check, and otherwise left alone."""
    settings.RESEND_CONFIRMATION = {"COOLDOWNS": 5, "COOLDOWN": 30}
    (problem,) = conf.problems(settings.RESEND_CONFIRMATION)
    assert (problem.key, problem.known) == ("COOLDOWNS", False)
    used = conf.get().COOLDOWN
    assert used == timedelta(seconds=30)


@pytest.mark.parametrize("raw", [[], "x", 5, {("a", "b")}])
def test_no_dict(settings, raw):
    """Anything but a dict is a problem."""
    assert list(conf.problems(raw)) == [conf.Problem(None, "RESEND_CONFIRMATION takes a dict")]
    settings.RESEND_CONFIRMATION = raw
    with pytest.raises(ImproperlyConfigured, match="takes a dict"):
        conf.get()


def test_parsed_once(settings):
    """The same dict is parsed once, so that a request parses nothing; an equal one is another."""
    settings.RESEND_CONFIRMATION = {"COOLDOWN": 5}
    first = conf.get()
    assert conf.get() is first
    settings.RESEND_CONFIRMATION = {"COOLDOWN": 5}
    assert conf.get() is not first


def test_override_settings():
    """``override_settings`` works, and ends."""
    before = conf.get().COOLDOWN
    with override_settings(RESEND_CONFIRMATION={"COOLDOWN": 5}):
        between = conf.get().COOLDOWN
    after = conf.get().COOLDOWN
    assert [before.seconds, between.seconds, after.seconds] == [60, 5, 60]


def test_frozen():
    """Nobody changes a setting by hand."""
    with pytest.raises(FrozenInstanceError):
        conf.get().COOLDOWN = timedelta(0)  # type: ignore[misc]


@pytest.mark.parametrize(
    ("quiet", "acme", "other"),
    [
        ([], False, False),
        (["acme"], True, False),
        ("all", True, True),
        (True, True, True),
        (False, False, False),
    ],
)
def test_is_quiet(settings, quiet, acme, other):
    """QUIET silences the dialects it lists, or all."""
    settings.RESEND_CONFIRMATION = {"QUIET": quiet}
    assert (conf.get().is_quiet("acme"), conf.get().is_quiet("other")) == (acme, other)


@pytest.mark.parametrize(
    ("throttle", "acme", "other"),
    [
        ("5/m", "5/m", "5/m"),
        (None, None, None),
        ({"acme": "5/m"}, "5/m", None),
        ({"acme": None, "default": "9/h"}, None, "9/h"),
    ],
)
def test_throttle(settings, throttle, acme, other):
    """A dialect has its own rate, else the default's, else no limit."""
    settings.RESEND_CONFIRMATION = {"THROTTLE": throttle}
    assert (conf.get().throttle("acme"), conf.get().throttle("other")) == (acme, other)
