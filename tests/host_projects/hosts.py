"""The hosts: their settings, and how requests reach their sites."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import django
from django.conf import settings

from resend_confirmation.dialects.base import QUIET
from resend_confirmation.outcomes import Ending, Outcome, Refusal
from resend_confirmation.testing.dialects import Site, over_asgi
from tests.dialects.cases import Case, Reply, Request, all_cases, to_reply
from tests.serving import over_wsgi
from tests.sessions import MIDDLEWARE as WITH_LANGUAGES

from . import api

SITE = "https://site.example"


def by_client(request: Request, mounted: str) -> Reply:
    """Send a request with Django's test client, which does not support a mount point."""
    assert not mounted
    return to_reply(Site.send(request))


def by_asgi(request: Request, mounted: str) -> Reply:
    """Send a request to an ASGI server that mounts the site at ``mounted``."""
    return over_asgi(request, [request.body], mounted)


def behind_proxy(request: Request, mounted: str) -> Reply:
    """Send a request to a WSGI server behind a proxy that removes ``mounted`` from the path."""
    return over_wsgi(request)


@dataclass(frozen=True, kw_only=True)
class Host:
    """A host's settings, in addition to those of the test site.

    ``database`` changes the default database, ``api`` the defaults of DRF's views, and ``package``
    RESEND_CONFIRMATION. ``below`` is a prefix of all paths of the site; ``mounted`` is where the
    server mounts the site. ``adds`` are the host's headers on each response. ``every_path`` is true
    if all paths of a dialect have to be tested.
    """

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    database: Mapping[str, Any] = field(default_factory=dict)
    api: Mapping[str, Any] = field(default_factory=dict)
    package: Mapping[str, Any] = field(default_factory=dict)
    below: str = ""
    mounted: str = ""
    adds: Mapping[str, str] = field(default_factory=dict)
    every_path: bool = False
    serve: Callable[[Request, str], Reply] = by_client

    def __str__(self) -> str:
        return self.name

    def send(self, request: Request) -> Reply:
        """Return the response to a request for the test site's path."""
        path = request.path if isinstance(request.path, str) else request.path.decode("latin-1")
        return self.serve(replace(request, path=f"{self.below}{path}"), self.mounted)

    def open(self, url: str, form: bytes | None = None) -> Reply:
        """Return the response to a browser that opens ``url`` or posts a form to it."""
        assert url.startswith(f"{SITE}{self.mounted}/")
        path, _, query = url.removeprefix(f"{SITE}{self.mounted}").partition("?")
        request = Request(path=path, query=query, method="GET", content_type="")
        if form is not None:
            kind = "application/x-www-form-urlencoded"
            request = replace(request, method="POST", body=form, content_type=kind)
        return self.serve(request, self.mounted)


def _middleware(path: str) -> list[str]:
    return [*settings.MIDDLEWARE, path]


#: Before Django 6.0 LoginRequiredMiddleware reads the session in every request.
LOOKED_AT = {"Vary": "Cookie"} if django.VERSION < (6, 0) else {}

#: Hosts that can be configured in this process.
HOSTS = [
    Host(
        name="LoginRequiredMiddleware",
        settings={
            "MIDDLEWARE": _middleware("django.contrib.auth.middleware.LoginRequiredMiddleware")
        },
        adds=LOOKED_AT,
    ),
    Host(name="ATOMIC_REQUESTS", database={"ATOMIC_REQUESTS": True}),
    Host(
        name="exception handler",
        settings={"REST_FRAMEWORK": {"EXCEPTION_HANDLER": "tests.host_projects.api.handle"}},
    ),
    Host(name="authentication", api={"authentication_classes": [api.Nobody]}),
    Host(name="permissions", api={"permission_classes": [api.Never]}),
    Host(name="renderers", api={"renderer_classes": [api.Loud]}),
    Host(name="parsers", api={"parser_classes": [api.Illiterate]}),
    Host(name="throttles", api={"throttle_classes": [api.Once]}),
    Host(name="APPEND_SLASH", settings={"APPEND_SLASH": True}),
    Host(name="no APPEND_SLASH", settings={"APPEND_SLASH": False}, every_path=True),
    Host(
        name="below a path",
        settings={"ROOT_URLCONF": "tests.host_projects.urls_below"},
        below="/login/v2",
        every_path=True,
    ),
    Host(
        name="FORCE_SCRIPT_NAME",
        settings={"FORCE_SCRIPT_NAME": "/shop"},
        mounted="/shop",
        every_path=True,
        serve=behind_proxy,
    ),
    Host(
        name="script name",
        package={"BASE_URL": "https://site.example/shop"},
        mounted="/shop",
        every_path=True,
        serve=over_wsgi,
    ),
    Host(
        name="root path",
        package={"BASE_URL": "https://site.example/shop"},
        mounted="/shop",
        every_path=True,
        serve=by_asgi,
    ),
    Host(
        name="i18n_patterns",
        every_path=True,
        settings={
            "ROOT_URLCONF": "tests.host_projects.urls_translated",
            "MIDDLEWARE": WITH_LANGUAGES,
        },
        below="/en",
        adds={"Content-Language": "en"},
    ),
    Host(
        name="pages that catch all below a language",
        settings={"ROOT_URLCONF": "tests.host_projects.urls_caught", "MIDDLEWARE": WITH_LANGUAGES},
        adds={"Content-Language": "en", "Vary": "Accept-Language"},
    ),
    Host(name="ASGI", serve=by_asgi),
]

#: Hosts that need other settings in a separate process.
SITES = {
    "users without a user name": [Host(name="users without a user name")],
    "users with a UUID for a key": [Host(name="users with a UUID for a key")],
    "USE_TZ=False": [Host(name="USE_TZ=False")],
    "two databases": [
        Host(name="two databases"),
        Host(
            name="reads from a copy",
            settings={"DATABASE_ROUTERS": ["tests.host_projects.routing.CopyRouter"]},
        ),
    ],
    "a closed API": [Host(name="a closed API", adds=LOOKED_AT)],
}


#: Endings that depend on the account, the clock and the body. One vendor is enough for each.
ELSEWHERE: list[Ending] = [
    Outcome.UNKNOWN,
    Outcome.CONFIRMED,
    Outcome.COOLING_DOWN,
    Refusal.MALFORMED,
]


def here() -> list[Host]:
    """Return the hosts that can be tested in this process."""
    return SITES.get(getattr(settings, "HOST", ""), HOSTS)


def samples() -> list[Case]:
    """Return the first case of each vendor."""
    vendors = {case.view.__module__.split(".")[2]: case for case in reversed(all_cases())}
    return list(vendors.values())[::-1]


def endings() -> list[tuple[Host, Case, Ending]]:
    """Return the cases and endings to test on each host.

    These are the success of each vendor, or of each URL if the host changes paths, and each error
    of the first vendor that reveals it.
    """
    others = [case for case in all_cases() if case not in samples()]
    found: list[tuple[Host, Case, Ending]] = []
    for host in here():
        cases = [*samples(), *(others if host.every_path else [])]
        found += [(host, case, Outcome.SENT) for case in cases]
        found += [(host, _teller(ending), ending) for ending in ELSEWHERE]
    return found


def _teller(ending: Ending) -> Case:
    """Return the first case that can reach an ending and reveals it."""
    tell = (case for case in samples() if case.view.answers[ending] is not QUIET)
    return next(case for case in tell if case.field or ending is not Refusal.MALFORMED)


def messages() -> list[tuple[Host, Case]]:
    """Return each host with a case whose button redirects, and one whose button does not."""
    return [(host, case) for host in here() for case in (samples()[0], samples()[-1])]
