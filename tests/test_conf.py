"""Settings: a dict with typed keys and defaults, which is parsed once."""

from dataclasses import FrozenInstanceError
from datetime import timedelta

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from resend_confirmation import conf
from resend_confirmation.checks.settings import check_settings
from resend_confirmation.conf import Backend, Cooldown, Retention

MINUTE = timedelta(seconds=60)

DEFAULTS: dict[str, object] = {
    "BASE_URL": "",
    "CLIENTS": (),
    "ACCOUNTS": "resend_confirmation.accounts.ConfirmationStore",
    "QUIET": frozenset(),
    "CARRIER": Backend("thread"),
    "SITE_NAME": "",
    "MAILER": "default",
    "FROM_EMAIL": None,
    "LINK_LIFETIME": timedelta(hours=24),
    "LINK_POLICY": "reuse",
    "COOLDOWN": Cooldown(gap=MINUTE, per_hour=5, per_day=12),
    "THROTTLE": {"default": "60/m"},
    "TRUSTED_PROXIES": None,
    "BACKLOG": 10000,
    "QUIET_REQUESTS_PER_NETWORK": "1000/d",
    "RETENTION": Retention(timedelta(days=90), timedelta(days=7)),
    "SEND_DEADLINE": timedelta(seconds=30),
    "OPENAPI_ANSWERS": "vendor",
    "AUTHORIZATION_CODE_ISSUER": None,
}


@pytest.mark.parametrize(("name", "value"), DEFAULTS.items(), ids=DEFAULTS)
def test_defaults(settings, name, value):
    """Each setting has this default."""
    settings.RESEND_CONFIRMATION = {}
    assert getattr(conf.get(), name) == value


def test_without_the_setting(settings):
    """Without RESEND_CONFIRMATION the defaults apply."""
    del settings.RESEND_CONFIRMATION
    assert conf.get() == conf.Settings()


GOOD = [
    ("BASE_URL", "https://site.example/", "https://site.example"),
    ("BASE_URL", "http://localhost:8000", "http://localhost:8000"),
    ("CLIENTS", [{"name": "a"}], [{"name": "a"}]),
    ("CLIENTS", "host.clients", "host.clients"),
    ("OPENAPI_ANSWERS", "all", "all"),
    ("QUIET", "all", "all"),
    ("QUIET", [], frozenset()),
    ("QUIET", ["acme"], frozenset({"acme"})),
    ("SITE_NAME", " Café ☕ \u0645\u06cc\u200c\u062e ", "Café ☕ \u0645\u06cc\u200c\u062e"),
    ("FROM_EMAIL", "a@site.example", "a@site.example"),
    ("LINK_LIFETIME", 3600, timedelta(hours=1)),
    ("LINK_LIFETIME", timedelta(days=2), timedelta(days=2)),
    ("LINK_LIFETIME", timedelta(days=3660), timedelta(days=3660)),
    ("SEND_DEADLINE", 1, timedelta(seconds=1)),
    ("RETENTION", {}, Retention(timedelta(days=90), timedelta(days=7))),
    ("RETENTION", {"ended": 0}, Retention(timedelta(0), timedelta(days=7))),
    ("RETENTION", {"ignored": MINUTE}, Retention(timedelta(days=90), MINUTE)),
    ("CARRIER", "shop.Carrier", Backend("shop.Carrier")),
    ("CARRIER", {"BACKEND": "tasks"}, Backend("tasks")),
    (
        "CARRIER",
        {"BACKEND": "tasks", "OPTIONS": {"queue": "mail"}},
        Backend("tasks", {"queue": "mail"}),
    ),
    ("LINK_POLICY", "newest", "newest"),
    ("COOLDOWN", [], Cooldown()),
    ("COOLDOWN", ["1/60s"], Cooldown(gap=MINUTE)),
    ("COOLDOWN", ("12/d", "1/m", "5/h"), Cooldown(gap=MINUTE, per_hour=5, per_day=12)),
    ("COOLDOWN", ["1/h", "5/24h"], Cooldown(gap=timedelta(hours=1), per_day=5)),
    ("COOLDOWN", ["1/3660d"], Cooldown(gap=timedelta(days=3660))),
    ("THROTTLE", None, {"default": None}),
    ("THROTTLE", "10/5m", {"default": "10/5m"}),
    ("THROTTLE", {"acme": "5/s", "default": None}, {"acme": "5/s", "default": None}),
    ("TRUSTED_PROXIES", 0, 0),
    ("TRUSTED_PROXIES", 2, 2),
]


@pytest.mark.parametrize(("name", "value", "read"), GOOD)
def test_values(settings, name, value, read):
    """A host's value is converted to the key's type."""
    settings.RESEND_CONFIRMATION = {name: value}
    assert getattr(conf.get(), name) == read
    assert list(conf.problems({name: value})) == []


QUIET_FORMS = 'takes "all" or a list of dialects; write "all" for True, [] for False'
RATES = 'takes a list of rates such as ["1/60s", "5/h", "12/d"]'
LIMITS = "takes '1/<period>', '<n>/h' and '<n>/d', each at most once"

OPTIONS = 'takes a dict of keyword arguments as "OPTIONS"'

BAD = [
    ("BASE_URL", None, "takes a string"),
    ("BASE_URL", "site.example", "takes the site's address, such as 'https://site.example'"),
    ("CLIENTS", {"name": "a"}, "takes a list of dicts, or the dotted path of a callable"),
    ("CLIENTS", None, "takes a list of dicts, or the dotted path of a callable"),
    ("ACCOUNTS", object, "takes a string"),
    ("QUIET", "acme", 'takes "all" or a list of dialects'),
    ("QUIET", [1], 'takes "all" or a list of dialects'),
    ("QUIET", True, QUIET_FORMS),
    ("QUIET", False, QUIET_FORMS),
    ("CARRIER", None, "takes a string"),
    ("CARRIER", {}, 'takes a string, or {"BACKEND": …, "OPTIONS": {…}}'),
    ("CARRIER", {"BACKEND": "tasks", "QUEUE": "x"}, 'takes a string, or {"BACKEND": …'),
    ("CARRIER", {"BACKEND": 5}, 'takes a string as "BACKEND"'),
    ("CARRIER", {"BACKEND": "x", "OPTIONS": []}, OPTIONS),
    (
        "CARRIER",
        {"BACKEND": "x", "OPTIONS": {5: 5}},
        OPTIONS,
    ),
    ("SITE_NAME", None, "takes a string"),
    ("SITE_NAME", "Site\nBcc: x@evil.example", "takes one line of text"),
    ("SITE_NAME", "Site\ue000link\ue000", "takes one line of text"),
    ("FROM_EMAIL", 5, "takes a string"),
    ("LINK_LIFETIME", "1 day", "takes seconds or a timedelta"),
    ("LINK_LIFETIME", True, "takes seconds or a timedelta"),
    ("LINK_LIFETIME", -1, "takes seconds or a timedelta"),
    ("LINK_LIFETIME", timedelta(seconds=-1), "takes seconds or a timedelta"),
    ("LINK_LIFETIME", float("inf"), "takes seconds or a timedelta"),
    ("LINK_LIFETIME", float("nan"), "takes seconds or a timedelta"),
    ("LINK_LIFETIME", 10**30, "takes seconds or a timedelta"),
    ("COOLDOWN", 60, f"{RATES}, not 60"),
    ("COOLDOWN", "1/60s", f"{RATES}, not '1/60s'"),
    ("COOLDOWN", None, f"{RATES}, not None"),
    ("COOLDOWN", [60], f"{LIMITS}, not 60"),
    ("COOLDOWN", ["3/10m"], f"{LIMITS}, not '3/10m'"),
    ("COOLDOWN", ["1/s", "1/h"], f"{LIMITS}, not '1/h'"),
    ("COOLDOWN", ["5/h", "6/h"], f"{LIMITS}, not '6/h'"),
    ("COOLDOWN", ["0/h"], f"{LIMITS}, not '0/h'"),
    ("COOLDOWN", ["1/0.5s"], f"{LIMITS}, not '1/0.5s'"),
    ("COOLDOWN", ["1/3661d"], f"{LIMITS}, not '1/3661d'"),
    ("COOLDOWN", [f"1/{10**30}d"], LIMITS),
    ("RETENTION", 7776000, 'takes {"ended": seconds, "ignored": seconds}, not 7776000'),
    ("RETENTION", {"sent": 5}, 'takes {"ended": seconds, "ignored": seconds}, not {\'sent\': 5}'),
    ("RETENTION", {"ended": -1}, "takes seconds or a timedelta, from 0 to ten years"),
    ("LINK_LIFETIME", 0, "takes seconds or a timedelta, from one second to ten years"),
    ("LINK_LIFETIME", timedelta(0), "takes seconds or a timedelta, from one second to ten years"),
    ("LINK_LIFETIME", 0.9, "takes seconds or a timedelta, from one second to ten years"),
    ("SEND_DEADLINE", 0, "takes seconds or a timedelta, from one second to ten years"),
    ("SEND_DEADLINE", 0.2, "takes seconds or a timedelta, from one second to ten years"),
    ("OPENAPI_ANSWERS", "some", "takes 'vendor', 'all' or 'none'"),
    ("LINK_POLICY", "oldest", "takes 'reuse' or 'newest'"),
    ("HOURLY_BUDGET", -1, "takes a whole number, 0 or more"),
    ("HOURLY_BUDGET", 1.5, "takes a whole number, 0 or more"),
    ("HOURLY_BUDGET", True, "takes a whole number, 0 or more"),
    ("HOURLY_BUDGET", None, "takes a whole number, 0 or more"),
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
    ("QUIET_REQUESTS_PER_NETWORK", "1000", "takes a rate such as '1000/d', or None, not '1000'"),
    ("QUIET_REQUESTS_PER_NETWORK", 5, "takes a rate such as '1000/d', or None, not 5"),
    ("TRUSTED_PROXIES", "1", "takes a whole number, 0 or more"),
    ("BACKLOG", 0, "takes a whole number above 0"),
    ("AUTHORIZATION_CODE_ISSUER", 5, "takes a string"),
]


@pytest.mark.parametrize(("name", "value", "text"), BAD)
def test_wrong_values(settings, name, value, text):
    """An invalid value is reported by the check, and raises an error when it is read."""
    (problem,) = conf.problems({name: value})
    assert problem.key == name
    assert problem.known
    assert problem.text.startswith(f"RESEND_CONFIRMATION['{name}'] {text}")
    settings.RESEND_CONFIRMATION = {name: value}
    with pytest.raises(ImproperlyConfigured, match=f"^RESEND_CONFIRMATION.'{name}'. takes"):
        conf.get()


def test_mistyped_key(settings):
    """An unknown key is reported by the check, and otherwise ignored."""
    settings.RESEND_CONFIRMATION = {"COOLDOWNS": 5, "BACKLOG": 30}
    (problem,) = conf.problems(settings.RESEND_CONFIRMATION)
    assert (problem.key, problem.known) == ("COOLDOWNS", False)
    assert problem.hint is None
    used = conf.get().BACKLOG
    assert used == 30


MOVED = [
    ("ASKS_PER_NETWORK", "5/d", 'Rename it to "QUIET_REQUESTS_PER_NETWORK".'),
    ("AUTHORIZATION_CODE", "shop.code", 'Rename it to "AUTHORIZATION_CODE_ISSUER".'),
    (
        "CELERY_QUEUE",
        "mail",
        """Use "CARRIER": {"BACKEND": "celery", "OPTIONS": {"queue": 'mail'}}.""",
    ),
    (
        "COOLDOWN_PER_DAY",
        20,
        """Add '20/d' to "COOLDOWN", for example ["1/60s", "5/h", "12/d"].""",
    ),
    (
        "COOLDOWN_PER_HOUR",
        3,
        """Add '3/h' to "COOLDOWN", for example ["1/60s", "5/h", "12/d"].""",
    ),
    (
        "COOLDOWN_PER_HOUR",
        0,
        """Leave '<n>/h' out of "COOLDOWN", for example ["1/60s", "5/h", "12/d"].""",
    ),
    (
        "JWT_ISSUER",
        "https://site.example",
        (
            "Put \"issuer\" into 'signing' of each client that signs: "
            """{"key": …, "issuer": 'https://site.example'}."""
        ),
    ),
    (
        "JWT_LIFETIME",
        3600,
        (
            "Put \"lifetime\" into 'signing' of each client that signs: "
            """{"key": …, "lifetime": 3600}."""
        ),
    ),
    ("MAX_BODY", 4096, "Remove it: bodies are limited to 16384 bytes."),
    ("RETENTION_IGNORED", 604800, 'Use "RETENTION": {"ignored": 604800}.'),
    (
        "TASKS_BACKEND",
        "mail",
        """Use "CARRIER": {"BACKEND": "tasks", "OPTIONS": {"backend": 'mail'}}.""",
    ),
    (
        "TASKS_QUEUE",
        "mail",
        """Use "CARRIER": {"BACKEND": "tasks", "OPTIONS": {"queue": 'mail'}}.""",
    ),
]


@pytest.mark.parametrize(("name", "value", "hint"), MOVED)
def test_moved(name, value, hint):
    """The hint of E001 has the new form of a key that moved, with the host's value."""
    settings = {"BASE_URL": "https://site.example", "CLIENTS": [{"name": "a"}], name: value}
    with override_settings(RESEND_CONFIRMATION=settings):
        (message,) = check_settings()
    assert (message.id, message.msg, message.hint) == (
        "resend_confirmation.E001",
        f"RESEND_CONFIRMATION has no key {name!r}",
        hint,
    )


def test_every_moved_key_is_tested():
    """The table above has all keys that moved."""
    assert {name for name, *_ in MOVED} == set(conf.MOVED)


@pytest.mark.parametrize("raw", [[], "x", 5, {("a", "b")}])
def test_not_a_dict(settings, raw):
    """A value that is not a dict is an error."""
    assert list(conf.problems(raw)) == [conf.Problem(None, "RESEND_CONFIRMATION takes a dict")]
    settings.RESEND_CONFIRMATION = raw
    with pytest.raises(ImproperlyConfigured, match="takes a dict"):
        conf.get()


def test_parsed_once(settings):
    """A dict is parsed once, not for each request; an equal dict is parsed separately."""
    settings.RESEND_CONFIRMATION = {"BACKLOG": 5}
    first = conf.get()
    assert conf.get() is first
    settings.RESEND_CONFIRMATION = {"BACKLOG": 5}
    assert conf.get() is not first


def test_override_settings():
    """``override_settings`` works, and its effect ends with it."""
    before = conf.get().BACKLOG
    with override_settings(RESEND_CONFIRMATION={"BACKLOG": 5}):
        between = conf.get().BACKLOG
    after = conf.get().BACKLOG
    assert [before, between, after] == [10000, 5, 10000]


def test_repr(settings):
    """The repr, which error reports contain, shows no key of a client."""
    settings.RESEND_CONFIRMATION = {"CLIENTS": [{"name": "game", "signing": {"key": "hush"}}]}
    assert "hush" in str(conf.get().CLIENTS)
    assert "hush" not in repr(conf.get())


def test_frozen():
    """Settings are immutable."""
    with pytest.raises(FrozenInstanceError):
        conf.get().BACKLOG = 5  # type: ignore[misc]
    with pytest.raises(AttributeError):
        conf.get().COOLDOWN.per_hour = 0  # type: ignore[misc]


@pytest.mark.parametrize(
    ("quiet", "acme", "other"),
    [
        ([], False, False),
        (["acme"], True, False),
        ("all", True, True),
    ],
)
def test_is_quiet(settings, quiet, acme, other):
    """QUIET lists the quiet dialects, or is "all"."""
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
    """THROTTLE has a rate for each dialect, with an optional default."""
    settings.RESEND_CONFIRMATION = {"THROTTLE": throttle}
    assert (conf.get().throttle("acme"), conf.get().throttle("other")) == (acme, other)
