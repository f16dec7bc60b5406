"""System checks: each problem is reported with its id."""

import sys
from importlib import import_module
from types import ModuleType
from typing import Any
from unittest.mock import Mock

import django
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from django.conf import settings as django_settings
from django.core import checks
from django.core.checks import CheckMessage
from django.core.checks.registry import registry
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.urls import include, path

from resend_confirmation.checks import urls
from resend_confirmation.clients import Client, Signing
from resend_confirmation.dialects.base import mounted_dialects

from .mailers import through

pytestmark = pytest.mark.django

BASE = "https://site.example"

#: All keys of the setting.
KEYS = [
    "ACCOUNTS",
    "AUTHORIZATION_CODE_ISSUER",
    "BACKLOG",
    "BASE_URL",
    "CARRIER",
    "CLIENTS",
    "COOLDOWN",
    "EXPIRE",
    "FROM_EMAIL",
    "HOURLY_BUDGET",
    "LINK_LIFETIME",
    "LINK_POLICY",
    "MAILER",
    "OPENAPI_ANSWERS",
    "QUIET",
    "QUIET_REQUESTS_PER_NETWORK",
    "REPLY_TO",
    "RETENTION",
    "SEND_DEADLINE",
    "SITE_NAME",
    "THROTTLE",
    "TRUSTED_PROXIES",
]

#: A URLconf without our URLs.
urlpatterns: list = []


def without_dialects():
    """Return the test site's first client with its ids, but without a signing key."""
    ours: dict[str, Any] = django_settings.RESEND_CONFIRMATION
    client = ours["CLIENTS"][0]
    return {name: client[name] for name in ("name", "ids", "redirects")}


def run_checks(**given):
    """Run the checks, leaving out W033 (no client has an id), which is tested elsewhere."""
    found = registry.run_checks(**given)
    return [message for message in found if message.id != "resend_confirmation.W033"]


@pytest.fixture
def ids(settings):
    """Return a function that runs the checks with these settings and returns the sorted ids."""

    def run(deploy=False, **given):
        settings.RESEND_CONFIRMATION = {
            "BASE_URL": BASE,
            "CLIENTS": [{"name": "default"}],
            "CARRIER": "none",
            **given,
        }
        return sorted(
            str(message.id).removeprefix("resend_confirmation.")
            for message in run_checks(
                tags=["resend_confirmation"], include_deployment_checks=deploy, databases=[]
            )
        )

    return run


def test_smallest_useful_setting(settings):
    """A BASE_URL and a client with a name are enough, except for dialects that need ids."""
    settings.RESEND_CONFIRMATION = {"BASE_URL": BASE, "CLIENTS": [{"name": "default"}]}
    found = registry.run_checks(tags=["resend_confirmation"])
    assert [message.id for message in found] == ["resend_confirmation.W033"] * 2


def test_e001_mistyped_key(ids):
    """E001: a key does not exist. Other errors are reported as well."""
    assert ids(BASEURL=BASE) == ["E001"]
    assert ids(BASEURL=BASE, BASE_URL="") == ["E001", "E003"]


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("BASEURL", "Did you mean 'BASE_URL'?"),
        ("carier", "Did you mean 'CARRIER'?"),
        ("PIGEONS", f"Its keys are: {', '.join(KEYS)}."),
        (5, f"Its keys are: {', '.join(KEYS)}."),
    ],
)
def test_e001_hint(settings, key, hint):
    """E001: the hint suggests a similar key, or lists all keys."""
    clients = [{"name": "default"}]
    settings.RESEND_CONFIRMATION = {"BASE_URL": BASE, "CLIENTS": clients, key: BASE}
    (message,) = run_checks(tags=["resend_confirmation"])
    assert (message.id, message.hint) == ("resend_confirmation.E001", hint)


def test_e002_wrong_value(ids):
    """E002: a value has the wrong type; each one is reported."""
    assert ids(COOLDOWN="a minute") == ["E002"]
    assert ids(COOLDOWN="a minute", QUIET="acme") == ["E002", "E002"]


def test_e002_not_a_dict(settings):
    """E002: the setting is not a dict."""
    settings.RESEND_CONFIRMATION = "https://site.example"
    found = run_checks(tags=["resend_confirmation"])
    assert [message.id for message in found] == ["resend_confirmation.E002"]


def test_e003_base_url(ids):
    """E003: BASE_URL is missing, so links cannot be built."""
    assert ids(BASE_URL="") == ["E003"]


def test_e003_and_e004_without_the_setting(settings):
    """Without the setting the checks report the two keys that are required."""
    del settings.RESEND_CONFIRMATION
    found = run_checks(tags=["resend_confirmation"])
    assert [message.id for message in found] == [
        "resend_confirmation.E003",
        "resend_confirmation.E004",
    ]


def test_e004_no_clients(ids):
    """E004: without clients all requests are refused."""
    assert ids(CLIENTS=[]) == ["E004"]


def test_e005_wrong_client(ids):
    """E005: an entry is not a valid client; each one is reported."""
    assert ids(CLIENTS=[{"name": "a"}, {}, {"name": "b", "id": 5}]) == ["E005", "E005"]
    assert [message.msg for message in run_checks(tags=["resend_confirmation"])] == [
        "CLIENTS: client number 2: it needs a 'name'",
        "CLIENTS: client 'b': unknown key 'id'; did you mean 'ids'?",
    ]


@pytest.mark.parametrize(
    ("key", "value", "id_"),
    [
        ("title", 5, "E005"),
        ("from_email", "the shop", "E005"),
        ("reply_to", "the shop", "E005"),
        ("accent", "green", "E005"),
        ("logo", "/logo.png", "E009"),
        ("support_url", "/help", "E009"),
    ],
)
def test_e005_and_e009_of_the_looks(ids, key, value, id_):
    """E005 and E009: a name, sender, colour, logo or support page cannot be used."""
    assert ids(CLIENTS=[{"name": "a", key: value}]) == [id_]


def test_e006_two_clients_of_a_name(ids):
    """E006: two clients have the same name, which stored rows refer to."""
    assert ids(CLIENTS=[{"name": "a"}, {"name": "b"}, {"name": "a"}]) == ["E006"]


@pytest.mark.parametrize(
    "given",
    [
        {"ACCOUNTS": "nowhere.Store"},
        {"ACCOUNTS": "resend_confirmation.accounts.NoStore"},
        {"CARRIER": "pigeon"},
        {"CARRIER": "nowhere.Carrier"},
        {"AUTHORIZATION_CODE_ISSUER": "nowhere.code"},
        {"EXPIRE": "nowhere.after_expiry"},
        {"EXPIRE": "resend_confirmation.outcomes.ENDINGS"},
        {"CLIENTS": "nowhere.clients"},
    ],
)
def test_e007_dotted_paths(ids, given):
    """E007: a dotted path cannot be imported, or names something that cannot be called."""
    assert ids(**given) == ["E007"]


def test_e007_and_the_carriers_own_checks(ids):
    """E007: a carrier that cannot be loaded is reported once, also with deployment checks."""
    found = ids(deploy=True, CARRIER="nowhere.Carrier")
    assert [id_ for id_ in found if id_[0] == "E" or id_ == "W015"] == ["E007"]


def only_message():
    """Return the only message of the checks."""
    (message,) = run_checks(tags=["resend_confirmation"])
    return message


def tasks(queue):
    """Return the value of CARRIER for tasks in ``queue``."""
    return {"BACKEND": "tasks", "OPTIONS": {"queue": queue}}


def test_e007_a_queue_that_is_not_there(ids, monkeypatch):
    """E007: the task backend does not have the queue."""
    # The queue is only looked up when the module is imported.
    monkeypatch.setattr(import_module("resend_confirmation.deliveries.wake"), "_carriers", {})
    monkeypatch.delitem(sys.modules, "resend_confirmation.carriers.tasks", raising=False)
    monkeypatch.delattr("resend_confirmation.carriers.tasks", raising=False)
    assert ids(CARRIER=tasks("nowhere")) == ["E007"]
    assert only_message().hint == "Correct it, or install the package that it needs."
    assert ids(CARRIER=tasks("default")) == []


def test_e007_an_option_that_is_not_there(ids):
    """E007: the carrier does not accept the option."""
    assert ids(CARRIER={"BACKEND": "thread", "OPTIONS": {"queue": "mail"}}) == ["E007"]
    assert only_message().hint == (
        "OPTIONS are keyword arguments of the carrier's class, which does not accept these."
    )


@pytest.mark.parametrize("carrier", ["celery", "tasks"])
def test_e007_an_extra_that_is_not_installed(ids, monkeypatch, carrier):
    """E007: if a built-in carrier lacks its extra, the hint names the extra."""
    monkeypatch.setattr(import_module("resend_confirmation.deliveries.wake"), "_carriers", {})
    monkeypatch.delitem(sys.modules, f"resend_confirmation.carriers.{carrier}", raising=False)
    monkeypatch.delattr(f"resend_confirmation.carriers.{carrier}", raising=False)
    for needed in ("celery", "django_tasks", "django.tasks"):
        monkeypatch.setitem(sys.modules, needed, None)
    assert ids(CARRIER=carrier) == ["E007"]
    message = only_message()
    assert message.msg.startswith(f"CARRIER names '{carrier}', which cannot be loaded: ")
    assert message.hint == (
        f'Install the extra: pip install "django-resend-confirmation[{carrier}]".'
    )


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        (
            {"CARRIER": "nope"},
            (
                "Use one of 'thread', 'tasks', 'celery', 'none', or the dotted path of a class "
                "with a method wake()."
            ),
        ),
        ({"CARRIER": "nowhere.Carrier"}, "Correct it, or install the package that it needs."),
        ({"ACCOUNTS": "nowhere.Store"}, "Correct it, or install the package that it needs."),
        (
            {"ACCOUNTS": "ConfirmationStore"},
            "Use a dotted path, such as 'shop.confirmations.name'.",
        ),
        ({"CLIENTS": "clients"}, "Use a dotted path, such as 'shop.confirmations.name'."),
    ],
)
def test_e007_suggests_a_valid_value(ids, given, hint):
    """E007: the hint lists the built-in names, or shows a dotted path."""
    assert ids(**given) == ["E007"]
    assert only_message().hint == hint


@pytest.mark.parametrize(
    ("given", "app"),
    [
        ({"ACCOUNTS": "resend_confirmation.contrib.allauth.AllauthStore"}, "allauth.account"),
        (
            {"AUTHORIZATION_CODE_ISSUER": "resend_confirmation.contrib.oauth_toolkit.issue_code"},
            "oauth2_provider",
        ),
    ],
)
def test_e022_app_of_an_extra(change, given, app):
    """E022: an integration's app is not in INSTALLED_APPS."""
    change(**given)
    ((name, path),) = given.items()
    found = run_checks(tags=["resend_confirmation"])
    assert [(m.id, m.msg) for m in found if not m.is_silenced()] == [
        ("resend_confirmation.E022", f"{name} names {path!r}, which needs the app {app!r}")
    ]


def test_e008_pages_not_mounted(ids, settings):
    """E008: the confirm pages are not mounted, so messages cannot link to them."""
    settings.ROOT_URLCONF = "tests.test_checks"
    assert ids() == ["E008"]


def test_e008_mounted_anywhere(ids, settings):
    """The confirm pages may be mounted at any path."""
    settings.ROOT_URLCONF = "tests.test_checks"
    urlpatterns.append(path("a/b/", include("resend_confirmation.views")))
    try:
        assert ids() == []
    finally:
        urlpatterns.clear()


def test_e009_names_the_client(ids):
    """E009: the message names the client that has the URL."""
    ids(CLIENTS=[{"name": "a"}, {"name": "b", "redirects": ["https:///callback"]}])
    (message,) = run_checks(tags=["resend_confirmation"])
    assert message.msg == "CLIENTS: client 'b': 'https:///callback' has no host"


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", "/callback"])
def test_e009_unusable_url(ids, url):
    """E009: the URL of a redirect or page is not allowed."""
    assert ids(CLIENTS=[{"name": "a", "redirects": [url]}]) == ["E009"]
    assert ids(CLIENTS=[{"name": "a", "pages": {"failed": url}}, {}]) == ["E005", "E009"]
    assert ids(CLIENTS=[{"name": "a", "redirects": ["mygame://done"]}]) == []


@pytest.fixture
def lacks(ids):
    """Return a function that returns the ids of deployment checks for dialects' needs."""

    def run(**given):
        assert ids(**given) == []
        return [id_ for id_ in ids(deploy=True, **given) if id_ in {"W001", "W002", "W012"}]

    return run


def test_w001_no_issuer_of_codes(lacks):
    """W001: a client's dialect redirects with authorization codes, but there is no issuer."""
    client = without_dialects() | {"signing": {"key": "a secret"}}
    assert lacks(CLIENTS=[client]) == ["W001"]
    assert lacks(CLIENTS=[client], AUTHORIZATION_CODE_ISSUER="secrets.token_hex") == []


def test_w002_no_key_to_sign_with(lacks):
    """W002: a client's dialect redirects with signed tokens, but the client has no key."""
    client = without_dialects()
    assert lacks(CLIENTS=[client], AUTHORIZATION_CODE_ISSUER="secrets.token_hex") == ["W002"]
    signing = client | {"signing": {"key": "a secret"}}
    assert lacks(CLIENTS=[signing], AUTHORIZATION_CODE_ISSUER="secrets.token_hex") == []


def test_w012_no_redirect(lacks):
    """W012: a client's dialect redirects after confirming, but the client has no redirect."""
    client = without_dialects() | {"redirects": [], "signing": {"key": "a secret"}}
    code = {"AUTHORIZATION_CODE_ISSUER": "secrets.token_hex"}
    assert lacks(CLIENTS=[client], **code) == ["W012", "W012"]
    own_page = client | {"pages": {"confirmed": "https://game.example/thanks"}}
    assert lacks(CLIENTS=[own_page], **code) == []
    assert lacks(CLIENTS=[client]) == ["W001", "W012", "W012"]


def test_e016_databases(ids, settings):
    """E016: a model is stored in another database than users; each one is reported."""
    settings.DATABASE_ROUTERS = ["tests.host_projects.routing.ApartRouter"]
    assert ids() == ["E016"] * 7
    texts = {message.msg for message in run_checks(tags=["resend_confirmation"])}
    assert "Confirmation is stored in database 'default', users in 'people'" in texts


@pytest.mark.parametrize("name", ["PeopleRouter", "CopyRouter"])
def test_e016_together(ids, settings, name):
    """Any database is allowed if users are stored there too, and a replica for reading."""
    settings.DATABASE_ROUTERS = [f"tests.host_projects.routing.{name}"]
    assert ids() == []


@pytest.mark.parametrize(
    ("forced", "base", "found"),
    [
        ("/shop", f"{BASE}/shop", ["W017"]),
        ("/shop/", f"{BASE}/shop/", ["W017"]),
        ("/shop", BASE, []),
        ("/op", f"{BASE}/shop", []),
        (None, f"{BASE}/shop", []),
        ("", f"{BASE}/shop", []),
        ("/", f"{BASE}/shop", []),
    ],
)
def test_w017_prefix_twice(ids, settings, forced, base, found):
    """W017: BASE_URL repeats FORCE_SCRIPT_NAME, which links contain anyway."""
    settings.FORCE_SCRIPT_NAME = forced
    assert ids(BASE_URL=base) == found


@pytest.mark.parametrize(
    "given",
    [
        {"CLIENTS": [{"name": "a", "ids": {"acme": 1}}]},
        {"CLIENTS": [{"name": "a", "keys": {"acme": ["a key"]}}]},
        {"QUIET": ["acme"]},
        {"THROTTLE": {"default": "60/m", "acme": "5/m"}},
    ],
    ids=["ids", "keys", "QUIET", "THROTTLE"],
)
def test_w013_unknown_dialect(ids, given):
    """W013: a setting names a dialect that is not mounted."""
    assert "acme" not in mounted_dialects()
    assert ids(**given) == ["W013"]


def test_w013_known_dialects(ids):
    """W013 is not reported for dialects that are mounted."""
    name = min(mounted_dialects())
    client = {"name": "a", "ids": {name: 1}, "keys": {name: ["a key"]}, "redirects": ["app://a"]}
    assert ids(CLIENTS=[client], QUIET=[name], THROTTLE={name: None, "default": "5/m"}) == []
    assert ids(QUIET="all") == []


class Issuer:
    """An issuer of authorization codes that reads an id from a client."""

    id_names = ("acme-codes",)

    def __call__(self, account: Any, client: Any, redirect_url: str, state: str) -> str:
        return ""


issue_code = Issuer()


def test_w013_ids_of_the_issuer(ids):
    """W013 is not reported for an id that the issuer of authorization codes reads."""
    client = {"name": "a", "ids": {"acme-codes": "57"}}
    issuer = {"AUTHORIZATION_CODE_ISSUER": "tests.test_checks.issue_code"}
    assert ids(CLIENTS=[client], **issuer) == []
    # This only applies to ids, to the issuer's own names, and if the issuer is configured.
    assert ids(CLIENTS=[client]) == ["W013"]
    assert ids(CLIENTS=[client], AUTHORIZATION_CODE_ISSUER="secrets.token_hex") == ["W013"]
    assert ids(CLIENTS=[{"name": "a", "ids": {"acme-kodes": "57"}}], **issuer) == ["W013"]
    assert ids(CLIENTS=[{"name": "a", "keys": {"acme-codes": ["a"]}}], **issuer) == ["W013"]
    assert ids(CLIENTS=[client], AUTHORIZATION_CODE_ISSUER="nowhere.code") == ["E007", "W013"]


def test_e010_one_id_twice(ids):
    """E010: two clients have the same id for a dialect; 5 and "5" are the same."""
    first, second = ({"name": name, "ids": {"acme": id_}} for name, id_ in [("a", 5), ("b", "5")])
    assert ids(CLIENTS=[first, second]) == ["E010", "W013", "W013"]
    assert ids(CLIENTS=[first, second | {"ids": {"acme": 6}}]) == ["W013", "W013"]


def test_e011_one_host_twice(ids):
    """E011: two clients have the same host; case does not matter."""
    clients = [
        {"name": "a", "hosts": ["a.example", "A.example"]},
        {"name": "b", "hosts": ["b.example"]},
    ]
    assert ids(CLIENTS=clients) == []
    assert ids(CLIENTS=[*clients, {"name": "c", "hosts": ["A.EXAMPLE"]}]) == ["E011"]


def test_e024_two_defaults(ids):
    """E024: more than one client is marked as default."""
    first, second = {"name": "a", "default": True}, {"name": "b", "default": True}
    assert ids(CLIENTS=[first, {"name": "c"}]) == []
    assert ids(CLIENTS=[{"name": "c"}, second, first]) == ["E024"]
    (message,) = run_checks(tags=["resend_confirmation"])
    assert message.msg == "CLIENTS: 'b', 'a' are marked 'default'; the first wins"


@pytest.mark.parametrize(
    ("client", "found"),
    [
        ({"name": "x" * 100}, []),
        ({"name": "x" * 101}, ["E012"]),
        ({"name": "a", "redirects": {"x" * 64: "https://a.example/"}}, []),
        ({"name": "a", "redirects": {"x" * 65: "https://a.example/"}}, ["E012"]),
    ],
)
def test_e012_longer_than_a_column(ids, client, found):
    """E012: a client's name or a redirect's id is longer than its database column."""
    assert ids(CLIENTS=[client]) == found


@pytest.mark.parametrize("algorithm", ["none", "None", "", "HS1", "hs256", "ES256", None, 5])
def test_e005_algorithm_of_a_client(ids, algorithm):
    """E005: a ``Client`` instance has an unknown signing algorithm."""
    signing = Signing(key="a secret of 32 bytes or more than that", algorithm=algorithm)
    assert ids(CLIENTS=[Client(name="a", signing=signing)]) == ["E005"]


def pem(key, format_=serialization.PrivateFormat.PKCS8):
    """Return a private key in PEM format."""
    no_password = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, format_, no_password).decode()


RSA_2048 = rsa.generate_private_key(65537, 2048)
PUBLIC = (
    RSA_2048.public_key()
    .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    .decode()
)


@pytest.mark.parametrize(
    ("algorithm", "key", "found"),
    [
        ("HS256", "hunter2", []),
        ("RS256", pem(RSA_2048), []),
        ("RS256", "hunter2", ["E014"]),
        ("RS256", PUBLIC, ["E014"]),
        ("RS256", pem(ec.generate_private_key(ec.SECP256R1())), ["E014"]),
        ("RS256", pem(ed25519.Ed25519PrivateKey.generate()), ["E014"]),
        ("HS256", PUBLIC, ["E014"]),
        ("HS256", pem(ec.generate_private_key(ec.SECP256R1())), ["E014"]),
        ("HS256", 27182818, ["E014"]),
    ],
)
def test_e014_key_that_cannot_sign(ids, algorithm, key, found, settings):
    """E014: the key does not fit the algorithm, or is a public key; it is not shown."""
    assert ids(CLIENTS=[{"name": "a", "signing": {"key": key, "algorithm": algorithm}}]) == found
    said = " ".join(str(message) for message in run_checks(tags=["resend_confirmation"]))
    assert str(key) not in said


@pytest.mark.skipif(django.VERSION < (6, 1), reason="Django has no MAILERS before 6.1")
def test_e015_mailer(ids, settings):
    """E015: MAILER is not an entry of MAILERS."""
    assert ids(MAILER="nobody") == ["E015"]
    settings.MAILERS = {**settings.MAILERS, "nobody": {}}
    assert ids(MAILER="nobody") == []


def test_e015_before_mailers(ids, settings):
    """E015 is not reported if Django is too old for MAILERS."""
    if django.VERSION >= (6, 1):
        del settings.MAILERS
        assert ids(MAILER="nobody") == ["E015"]
    else:
        assert ids(MAILER="nobody") == []
    assert ids(MAILER="default") == []


@pytest.mark.parametrize(
    ("backend", "why"),
    [
        ("nowhere.EmailBackend", "No module named 'nowhere'"),
        ("tests.mailers.NoBackend", 'does not define a "NoBackend" attribute'),
        ("smtp", "smtp doesn't look like a module path"),
        ("tests.failing_backend.EmailBackend", "this module needs what is not there"),
    ],
)
def test_e023_mail_backend(ids, settings, backend, why, monkeypatch):
    """E023: the e-mail backend cannot be imported."""
    monkeypatch.setitem(sys.modules, "tests.failing_backend", FailingModule("failing_backend"))
    through(settings, backend)
    assert ids() == ["E023"]
    (message,) = run_checks(tags=["resend_confirmation"])
    place = "MAILERS['default']" if django.VERSION >= (6, 1) else "EMAIL_BACKEND"
    assert message.msg.startswith(f"{place} names {backend!r}, which cannot be imported: ")
    assert why in message.msg
    assert message.hint == "Correct it, or install the package that it belongs to."


class FailingModule(ModuleType):
    """A module whose backend raises ImproperlyConfigured, as anymail's without its extras."""

    def __getattr__(self, name):
        raise ImproperlyConfigured("this module needs what is not there")


@pytest.mark.skipif(django.VERSION < (6, 1), reason="Django has no MAILERS before 6.1")
def test_e023_another_mailer(ids, settings):
    """E023: only the entry that MAILER names is checked; without BACKEND it is Django's SMTP."""
    settings.MAILERS = {**settings.MAILERS, "bare": {}, "other": {"BACKEND": "nowhere.Backend"}}
    assert ids() == []
    assert ids(MAILER="bare") == []
    assert ids(MAILER="other") == ["E023"]
    (message,) = run_checks(tags=["resend_confirmation"])
    assert message.msg.startswith("MAILERS['other'] names 'nowhere.Backend', ")


def test_w015_a_check_that_fails(ids, monkeypatch, settings):
    """W015: a check fails. The others still run, and the message has no secret."""

    def reverse(*args):
        raise RuntimeError("postgres://root:secret@db.example")

    monkeypatch.setattr(urls, "reverse", reverse)
    assert ids() == ["W015"]
    (message,) = run_checks(tags=["resend_confirmation"])
    assert message.msg == "check_pages could not run: RuntimeError"
    assert "secret" not in str(message)


def test_no_urls_at_all(ids, settings):
    """Without ROOT_URLCONF only E008 is reported."""
    del settings.ROOT_URLCONF
    assert ids() == ["E008"]


def test_clients_of_a_callable(settings):
    """Clients from a callable are only checked in database checks."""
    settings.RESEND_CONFIRMATION = {"BASE_URL": BASE, "CLIENTS": "tests.test_checks.twins"}
    assert run_checks(tags=["resend_confirmation"], databases=[]) == []
    asked = run_checks(tags=["resend_confirmation"], databases=["default"])
    assert [message.id for message in asked] == ["resend_confirmation.E011"]
    settings.RESEND_CONFIRMATION = {"BASE_URL": BASE, "CLIENTS": "tests.test_checks.nameless"}
    asked = run_checks(tags=["resend_confirmation"], databases=["default"])
    assert [message.id for message in asked] == ["resend_confirmation.E005"]


def twins():
    """Return two clients with the same host."""
    return [{"name": "a", "hosts": ["a.example"]}, {"name": "b", "hosts": ["a.example"]}]


def nameless():
    """Return a client without a name."""
    return [{"hosts": ["a.example"]}]


#: Stands for a callable that reads clients from a table.
table = Mock(return_value=[{"name": "a"}])


@pytest.mark.parametrize("code", [None, "tests.test_checks.issuer_with_checks"])
def test_a_callable_is_not_called(settings, code):
    """Without database checks no check calls the callable, including deployment checks."""
    table.reset_mock()
    settings.RESEND_CONFIRMATION = {
        "BASE_URL": BASE,
        "CLIENTS": "tests.test_checks.table",
        "AUTHORIZATION_CODE_ISSUER": code,
    }
    found = run_checks(tags=["resend_confirmation"], include_deployment_checks=True, databases=[])
    assert "shop.W001" not in {message.id for message in found}
    assert not table.called
    found = run_checks(tags=["resend_confirmation"], databases=["default"])
    assert table.called
    assert [m.id for m in found] == ([] if code is None else ["shop.W001", "shop.W002"])


class IssuerWithChecks(Issuer):
    """An issuer with a check and a database check."""

    def check(self, client: Client) -> list[CheckMessage]:
        """Return a warning about the settings."""
        return [checks.Warning("It is night", id="shop.W001")]

    def check_rows(self, client: Client) -> list[CheckMessage]:
        """Return a warning about rows."""
        return [checks.Warning("It is dark", id="shop.W002")]


issuer_with_checks = IssuerWithChecks()


@pytest.mark.django_db
def test_no_statement(settings, django_assert_num_queries):
    """Checks do not query the database, including deployment checks."""
    with django_assert_num_queries(0):
        run_checks(tags=["resend_confirmation"], include_deployment_checks=True, databases=[])


def test_clients_that_cannot_be_read_yet(change):
    """A callable that fails does not stop the checks."""
    change(CLIENTS="tests.test_checks.no_table_yet")
    assert run_checks(tags=["resend_confirmation"], databases=["default"]) == []


def no_table_yet():
    """Fail as a host's callable might before the first migration."""
    raise RuntimeError("no such table")


def test_bound(settings):
    """``manage.py check`` runs the checks and fails on an error."""
    settings.RESEND_CONFIRMATION = {"BASE_URL": "", "CLIENTS": [{"name": "default"}]}
    with pytest.raises(CommandError, match=r"\(resend_confirmation\.E003\)"):
        call_command("check")


def test_test_site_is_sound(capsys):
    """``manage.py check`` reports nothing about the test site."""
    call_command("check")
    assert "no issues" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("base", "client", "found"),
    [
        ("https://site.example:8443", {}, []),
        ("https://www.site.example", {}, ["W027"]),
        (BASE, {"base_url": "https://b\xfccher.example"}, []),
        (BASE, {"base_url": "https://shop.example"}, ["W027"]),
        (BASE, {"pages": {"confirm": "https://shop.example/confirm/"}}, ["W027"]),
        (BASE, {"pages": {"confirm": "https://shop.example/a-front-end"}}, []),
    ],
)
def test_w027_a_host_that_is_not_allowed(ids, settings, base, client, found):
    """W027: the host of links is not in ALLOWED_HOSTS."""
    settings.ALLOWED_HOSTS = ["site.example", "xn--bcher-kva.example"]
    assert ids(BASE_URL=base, CLIENTS=[{"name": "default", **client}]) == found


def test_w027_in_development(ids, settings):
    """With DEBUG, hosts are not checked: Django accepts localhost then."""
    settings.DEBUG, settings.ALLOWED_HOSTS = True, ["site.example"]
    assert ids(BASE_URL="https://www.site.example", CLIENTS=[{"name": "default"}]) == []


@pytest.mark.parametrize(
    "base",
    [
        "https://site.example/?shop=1",
        "https://site.example/#x",
        "https://site.example ",
        "https://site .example",
        "https://user@site.example",
        "https://site.example\\@evil.example",
        "https://site.example:port",
        "https://",
        "https://-site.example",
    ],
)
def test_e002_invalid_base_url(ids, settings, base):
    """E002, or E009 for a client: a link cannot begin with this base URL."""
    assert ids(BASE_URL=base) == ["E002"]
    assert ids(CLIENTS=[{"name": "default", "base_url": base}]) == ["E009"]
