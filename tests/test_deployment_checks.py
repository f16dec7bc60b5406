"""Deployment checks, by their ids."""

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import django
import pytest
from anymail.webhooks.mailgun import MailgunTrackingWebhookView
from anymail.webhooks.postmark import PostmarkInboundWebhookView, PostmarkTrackingWebhookView
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.core import checks, mail
from django.core.cache.backends.base import BaseCache
from django.core.checks import CheckMessage, run_checks
from django.urls import include, path

from resend_confirmation.conf import Backend
from resend_confirmation.deliveries.wake import carrier

from .factories import PendingFactory, queued
from .mailers import SMTP, through
from .new_project import NewProject
from .test_docs import blocks, page

GOOD: dict[str, Any] = {
    "BASE_URL": "https://site.example",
    "CLIENTS": [
        {
            "name": "default",
            "ids": {"xsolla-oauth2": 57, "xsolla-jwt": "57"},
            "redirects": ["https://site.example/callback"],
            "signing": {"key": "the secret of the site and its servers, 32 bytes or more"},
        }
    ],
    "AUTHORIZATION_CODE_ISSUER": "secrets.token_hex",
    "CARRIER": "none",
    "QUIET": [],
    "TRUSTED_PROXIES": 1,
}

#: A URLconf to which tests add views.
urlpatterns: list = []


@pytest.fixture
def production(settings):
    """The settings of a site without warnings, which tests change."""
    settings.SECRET_KEY = "0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz"
    backend = "django.core.cache.backends.redis.RedisCache"
    settings.CACHES = {"default": {"BACKEND": backend, "LOCATION": "redis://127.0.0.1:1"}}
    through(settings, SMTP)
    yield settings
    del settings.CACHES


@pytest.fixture
def found(production) -> Callable[..., list[CheckMessage]]:
    """Return a function that returns the messages of the deployment checks for settings."""

    def run(**given: object) -> list[CheckMessage]:
        production.RESEND_CONFIRMATION = GOOD | given
        plain = run_checks(tags=["resend_confirmation"])
        messages = run_checks(
            tags=["resend_confirmation"], include_deployment_checks=True, databases=[]
        )
        # Deployment checks do not run without ``--deploy``.
        assert plain == [], plain
        return messages

    return run


@pytest.fixture
def ids(found) -> Callable[..., list[str]]:
    """Return a function that returns the ids of the deployment checks' messages."""

    def run(**given: object) -> list[str]:
        return sorted(str(m.id).removeprefix("resend_confirmation.") for m in found(**given))

    return run


@pytest.fixture
def mount(settings, monkeypatch):
    """Return a function that mounts these views and the confirm pages instead of the usual ones."""
    # Without ids, since W013 would report dialects that are not mounted.
    monkeypatch.setitem(GOOD, "CLIENTS", [{"name": "default"}])

    def put(*patterns):
        urlpatterns[:] = [path("confirm/", include("resend_confirmation.views")), *patterns]
        settings.ROOT_URLCONF = "tests.test_deployment_checks"

    yield put
    urlpatterns.clear()


def test_a_good_site(ids):
    """The checks report nothing about a good site."""
    assert ids() == []


def test_w003_http(ids):
    """W003: links are not https, so they can be read in transit."""
    assert ids(BASE_URL="http://site.example") == ["W003"]


def test_w004_quiet_not_decided(found, production):
    """W004: dialects reveal whether an account exists, and QUIET is not set."""
    given = {k: v for k, v in GOOD.items() if k != "QUIET"}
    production.RESEND_CONFIRMATION = given
    messages = run_checks(
        tags=["resend_confirmation"], include_deployment_checks=True, databases=[]
    )
    (message,) = messages
    assert message.id == "resend_confirmation.W004"
    # quiva never reveals it.
    assert message.msg.endswith(": backendless, strapi, strapi-v4, xsolla-jwt, xsolla-oauth2")


@pytest.mark.parametrize("quiet", ["all", [], ["strapi"]], ids=repr)
def test_w004_any_decision(ids, quiet):
    """W004 is not reported if QUIET is set, to any value."""
    assert ids(QUIET=quiet) == []


def test_w004_nothing_to_decide(production, mount):
    """W004 is not reported if all mounted dialects conceal whether an account exists."""
    mount(path("", include("resend_confirmation.dialects.quiva")))
    production.RESEND_CONFIRMATION = {k: v for k, v in GOOD.items() if k != "QUIET"}
    messages = run_checks(
        tags=["resend_confirmation"], include_deployment_checks=True, databases=[]
    )
    assert messages == []


CACHE = "django.core.cache.backends"


@pytest.mark.parametrize(
    "options",
    [
        {"BACKEND": f"{CACHE}.locmem.LocMemCache"},
        {"BACKEND": f"{CACHE}.dummy.DummyCache"},
        {"BACKEND": f"{CACHE}.filebased.FileBasedCache", "LOCATION": "/nowhere"},
    ],
    ids=["memory", "dummy", "files"],
)
def test_w005_cache(ids, production, options):
    """W005: processes do not share the cache in which the throttle counts."""
    production.CACHES = {"default": options}
    assert ids() == ["W005"]
    assert ids(THROTTLE={"strapi": "5/m"}) == ["W005"]
    assert ids(THROTTLE=None) == []
    assert ids(THROTTLE={"default": None}) == []


def test_w005_another_cache(ids, production):
    """W005: the check considers the cache that RATELIMIT_USE_CACHE names."""
    memory = {"BACKEND": f"{CACHE}.locmem.LocMemCache"}
    production.CACHES = {**production.CACHES, "memory": memory}
    assert ids() == []
    production.RATELIMIT_USE_CACHE = "memory"
    assert ids() == ["W005"]


def test_w029_a_database_cache_that_forgets(ids, production):
    """W029: a database cache with a low limit of entries would drop the throttle's counts."""
    options = {"BACKEND": f"{CACHE}.db.DatabaseCache", "LOCATION": "cached"}
    production.CACHES = {"default": options}
    assert ids() == ["W029"]
    assert ids(THROTTLE=None) == []
    production.CACHES = {"default": {**options, "OPTIONS": {"MAX_ENTRIES": 100_000}}}
    assert ids() == []


@pytest.mark.parametrize(
    ("backend", "library", "why"),
    [
        ("redis.RedisCache", "redis", "ModuleNotFoundError: "),
        ("memcached.PyMemcacheCache", "pymemcache", "ModuleNotFoundError: "),
        ("pigeons.PigeonCache", "pigeons", "InvalidCacheBackendError: Could not find backend "),
    ],
)
def test_w005_a_missing_library(found, production, monkeypatch, backend, library, why):
    """W005: the cache cannot be loaded."""
    monkeypatch.setitem(sys.modules, library, None)
    production.CACHES = {"default": {"BACKEND": f"{CACHE}.{backend}", "LOCATION": "127.0.0.1:1"}}
    (message,) = found()
    assert message.id == "resend_confirmation.W005"
    start = f"THROTTLE uses a cache that cannot be loaded: 'default' ({why}"
    assert message.msg.startswith(start)
    assert library in message.msg
    assert found(THROTTLE=None) == []


def test_w005_a_cache_that_does_not_exist(found, production):
    """W005: RATELIMIT_USE_CACHE names a cache that is not in CACHES."""
    production.RATELIMIT_USE_CACHE = "nowhere"
    (message,) = found()
    assert message.id == "resend_confirmation.W005"
    assert "'nowhere' (InvalidCacheBackendError: " in message.msg


def test_w005_reveals_no_secret(found, production):
    """W005: the message does not contain an error's text that may have secrets."""
    options = {"BACKEND": "tests.test_deployment_checks.Telltale", "LOCATION": "secret"}
    production.CACHES = {"default": options}
    (message,) = found()
    assert message.id == "resend_confirmation.W005"
    assert message.msg.endswith(" 'default' (ValueError)")
    assert "secret" not in str(message)


class Telltale(BaseCache):
    """A cache that raises an error with its location."""

    def __init__(self, location: str, params: dict[str, object]) -> None:
        super().__init__(params)
        raise ValueError(location)


def test_w005_nothing_is_throttled(ids, production, mount):
    """W005 is not reported if no dialect is mounted, since nothing is throttled."""
    production.CACHES = {"default": {"BACKEND": f"{CACHE}.locmem.LocMemCache"}}
    mount()
    assert ids() == []


MAIL = "django.core.mail.backends"


@pytest.mark.parametrize("name", ["console", "dummy", "filebased", "locmem"])
def test_w006_mail_backend(ids, production, name):
    """W006: the e-mail backend does not send messages."""
    through(production, f"{MAIL}.{name}.EmailBackend")
    assert ids() == ["W006"]


@pytest.mark.django
def test_w006_another_mailer(ids, production):
    """W006: only the mailer that MAILER names is checked; without BACKEND it is Django's SMTP."""
    if django.VERSION < (6, 1):
        assert ids(MAILER="other") == []
        return
    console = {"BACKEND": f"{MAIL}.console.EmailBackend"}
    production.MAILERS = {"default": {"BACKEND": SMTP}, "other": console, "bare": {}}
    assert ids() == []
    assert ids(MAILER="bare") == []
    assert ids(MAILER="other") == ["W006"]


@pytest.mark.django
def test_w006_before_mailers(ids, production):
    """W006: without MAILERS the check reads EMAIL_BACKEND, without a deprecation warning."""
    if django.VERSION >= (6, 1):
        del production.MAILERS
    assert ids() == []


def test_w007_webhooks_without_a_secret(found, production, mount):
    """W007: webhooks without a secret would accept a bounce report from anyone."""
    mount(path("anymail/", include("anymail.urls")))
    (message,) = found()
    assert message.id == "resend_confirmation.W007"
    # Anymail's signed webhooks, which refuse requests without a key, are not listed.
    names = set(message.msg.partition(": ")[2].split(", "))
    # Amazon's webhook is only listed if boto3 is installed.
    assert names - {"Amazon SES"} == {
        "Brevo",
        "Mailjet",
        "Mailtrap",
        "Postmark",
        "Resend",
        "SendGrid",
        "SendinBlue",
        "SparkPost",
    }
    production.ANYMAIL = {"WEBHOOK_SECRET": "user:password"}
    assert found() == []


def test_w007_webhooks_that_are_signed(ids, production, mount):
    """W007 is not reported for webhooks that verify the provider's signature."""
    mount(path("hook/", MailgunTrackingWebhookView.as_view()))
    assert ids() == []
    production.ANYMAIL = {"MAILGUN_WEBHOOK_SIGNING_KEY": "a key"}
    assert ids() == []


def test_w007_given_in_the_url(ids, mount):
    """W007 is not reported if the URLconf has the secret, or for inbound mail."""
    mount(
        path("hook/", PostmarkTrackingWebhookView.as_view(basic_auth=["user:password"])),
        path("inbound/", PostmarkInboundWebhookView.as_view()),
    )
    assert ids() == []
    mount(path("hook/", PostmarkTrackingWebhookView.as_view()))
    assert ids() == ["W007"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SECURE_PROXY_SSL_HEADER", ("HTTP_X_FORWARDED_PROTO", "https")),
        ("USE_X_FORWARDED_HOST", True),
        ("USE_X_FORWARDED_PORT", True),
    ],
)
def test_w008_proxies(ids, production, name, value):
    """W008: the settings trust a proxy's headers, but TRUSTED_PROXIES is not set."""
    setattr(production, name, value)
    assert ids(TRUSTED_PROXIES=None) == ["W008"]
    assert ids(TRUSTED_PROXIES=0) == []
    assert ids(TRUSTED_PROXIES=2) == []


def test_w008_no_proxy(ids):
    """W008 is not reported if the settings do not trust a proxy's headers."""
    assert ids(TRUSTED_PROXIES=None) == []


FIFTY = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMN"


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (FIFTY, []),
        (FIFTY.encode(), []),
        (FIFTY[1:], ["W009"]),
        (FIFTY[1:].encode(), ["W009"]),
        ("abcd" * 20, ["W009"]),
        ("abcde" * 20, []),
        (f"django-insecure-{FIFTY}", ["W009"]),
    ],
)
def test_w009_secret_key(ids, production, key, expected):
    """W009: SECRET_KEY or a fallback is weak, so links could be forged."""
    production.SECRET_KEY = key
    assert ids() == expected
    production.SECRET_KEY = FIFTY
    production.SECRET_KEY_FALLBACKS = [FIFTY[::-1], key]
    assert ids() == expected


def test_w009_names_the_key_without_its_value(found, production):
    """W009: the message names the setting, but does not contain the key."""
    production.SECRET_KEY_FALLBACKS = [FIFTY, "hunter2"]
    (message,) = found()
    assert message.msg.startswith("SECRET_KEY_FALLBACKS[1] is weak")
    assert "hunter2" not in str(message)


def test_w010_unusable_key(production):
    """W010 is not reported for an unusable key, which is E014."""
    (client,) = GOOD["CLIENTS"]
    signing = {"key": "x" * 32, "algorithm": "RS256"}
    production.RESEND_CONFIRMATION = GOOD | {"CLIENTS": [{**client, "signing": signing}]}
    messages = run_checks(
        tags=["resend_confirmation"], include_deployment_checks=True, databases=[]
    )
    assert [message.id for message in messages] == ["resend_confirmation.E014"]


def private(bits: int) -> str:
    """Return an RSA key in PEM format."""
    key = rsa.generate_private_key(65537, bits)
    form, none = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, form, none).decode()


@pytest.mark.parametrize(
    ("algorithm", "key", "expected"),
    [
        ("HS256", "x" * 31, ["W010"]),
        ("HS256", "x" * 32, []),
        ("HS256", "é" * 16, []),
        ("RS256", private(1024), ["W010"]),
        ("RS256", private(2048), []),
    ],
)
def test_w010_weak_key(ids, algorithm, key, expected):
    """W010: a signing key has fewer bytes than RFC 7518 requires."""
    (client,) = GOOD["CLIENTS"]
    signing = {"key": key, "algorithm": algorithm}
    assert ids(CLIENTS=[{**client, "signing": signing}]) == expected


TASKS = "django.tasks" if django.VERSION >= (6, 0) else "django_tasks"


@pytest.mark.django
@pytest.mark.parametrize(
    ("backend", "expected"),
    [
        (f"{TASKS}.backends.immediate.ImmediateBackend", ["sends within the request"]),
        (f"{TASKS}.backends.dummy.DummyBackend", ["runs no tasks"]),
        ("django_tasks_db.DatabaseBackend", []),
    ],
)
def test_w016_tasks_for_development(found, production, backend, expected):
    """W016: the task backend runs tasks in the request, or never."""
    production.TASKS = {"default": {"BACKEND": backend, "QUEUES": ["default"]}}
    messages = found(CARRIER="tasks")
    assert [str(m.id) for m in messages] == ["resend_confirmation.W016"] * len(expected)
    for message, text in zip(messages, expected, strict=True):
        assert text in message.msg


@pytest.mark.django
def test_options_of_tasks(settings):
    """The options ``backend`` and ``queue`` decide where the task is enqueued."""
    dummy = f"{TASKS}.backends.dummy.DummyBackend"
    settings.TASKS = {
        "default": {"BACKEND": dummy},
        "other": {"BACKEND": dummy, "QUEUES": ["mail"]},
    }
    carrier(Backend("tasks", {"backend": "other", "queue": "mail"})).wake()
    (result,) = import_module(TASKS).task_backends["other"].results
    assert result.task.queue_name == "mail"


@pytest.mark.database
@pytest.mark.django
@pytest.mark.django_db(transaction=True)
def test_the_task():
    """The task of django.tasks sends all due messages."""
    for _ in range(2):
        queued(PendingFactory.create())
    import_module("resend_confirmation.carriers.tasks").drain.call()
    assert len(mail.outbox) == 2


def test_w016_a_carrier_of_the_hosts(ids):
    """A host's carrier may have a method ``check``, which is optional."""
    assert ids(CARRIER="tests.test_deployment_checks.Pigeon") == ["shop.W001"]
    assert ids(CARRIER="resend_confirmation.carriers.none.NoCarrier") == []


class Pigeon:
    """A host's carrier."""

    def wake(self) -> None:
        """Do nothing."""

    def check(self) -> list[CheckMessage]:
        """Return a warning."""
        return [checks.Warning("It is night", id="shop.W001")]


# The documented site

INSTALL = (
    page("docs/how-to/install.md").partition("## Production settings")[2].partition("\n## ")[0]
)


def shop(tmp_path: Path, *more: str) -> NewProject:
    """Create a new project with the README's lines and ``more``."""
    project = NewProject(tmp_path)
    in_settings, in_urls, _ = blocks(page("README.md"), "python")
    project.append("settings.py", in_settings, *more)
    project.append("urls.py", in_urls)
    return project


def reported_ids(output: str) -> set[str]:
    """Return the ids of this package in the output of a command."""
    words = output.replace("(", " ").replace(")", " ").split()
    return {w.removeprefix("resend_confirmation.") for w in words if "resend_confirmation." in w}


@pytest.mark.server
@pytest.mark.django
def test_a_new_project_is_not_ready(tmp_path):
    """``manage.py check --deploy`` reports what a new project lacks."""
    done = shop(tmp_path).ask("manage.py", "check", "--deploy")
    found = reported_ids(done.stdout + done.stderr)
    # Since Django 6.1 a new project has a mail backend for development.
    mail = {"W006"} if django.VERSION >= (6, 1) else set()
    assert found == mail | {"W004", "W005", "W009", "W033"}


def production_settings() -> tuple[str, str]:
    """Return the documentation's blocks for this version of Django."""
    common, since_6_1, before = blocks(INSTALL, "python")
    return common, since_6_1 if django.VERSION >= (6, 1) else before


@pytest.mark.server
@pytest.mark.django
def test_production_settings_of_the_docs(tmp_path):
    """With the documentation's settings only W033 remains: no client has ids."""
    said = shop(tmp_path, *production_settings()).manage("check", "--deploy")
    assert "System check identified" in said
    assert reported_ids(said) == {"W033"}


@pytest.mark.server
@pytest.mark.django
def test_mail_server_of_the_docs(tmp_path, monkeypatch):
    """The documentation's settings read the mail server from the environment."""
    given = {
        "EMAIL_HOST": "smtp.site.example",
        "EMAIL_PORT": "2525",
        "EMAIL_HOST_USER": "site",
        "EMAIL_HOST_PASSWORD": "a password",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    ask = "mail.mailers['default']" if django.VERSION >= (6, 1) else "mail.get_connection()"
    look = (
        f"from django.core import mail; from django.conf import settings; to = {ask}\n"
        "print(to.host, to.port, to.username, to.password, to.use_tls, to.timeout)\n"
        "print(settings.DEFAULT_FROM_EMAIL)\n"
    )
    said = shop(tmp_path, *production_settings()).manage("shell", "-c", look)
    assert "smtp.site.example 2525 site a password True 10\n" in said
    assert "Site <hello@site.example>\n" in said
