"""The hosts: what each sets, and how requests come to the site under it."""

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
    """Ask through Django's test client, which knows no mounting."""
    assert not mounted
    return to_reply(Site.send(request))


def by_asgi(request: Request, mounted: str) -> Reply:
    """Ask an ASGI server that has the site at ``mounted``."""
    return over_asgi(request, [request.body], mounted)


def behind_proxy(request: Request, mounted: str) -> Reply:
    """Call a WSGI server through a proxy that strips ``mounted`` from the path without a header."""
    return over_wsgi(request)


@dataclass(frozen=True, kw_only=True)
class Host:
    """What one host sets, beside the test site's settings.

    ``database`` goes into the default one's settings, ``api`` is what DRF's defaults put on its
    views, ``ours`` goes into our own dict. ``below`` stands before every path within the site;
    ``mounted`` is where the server has the site. ``adds`` are headers of the host's own, on every
    answer of its site. ``every_way`` says whether it matters by which of a dialect's paths it is
    asked.
    """

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    database: Mapping[str, Any] = field(default_factory=dict)
    api: Mapping[str, Any] = field(default_factory=dict)
    ours: Mapping[str, Any] = field(default_factory=dict)
    below: str = ""
    mounted: str = ""
    adds: Mapping[str, str] = field(default_factory=dict)
    every_way: bool = False
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


#: Before Django 6.0 the middleware reads the user from every request's session, for every view.
LOOKED_AT = {"Vary": "Cookie"} if django.VERSION < (6, 0) else {}

#: Those that can be had in this process.
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
    Host(name="no APPEND_SLASH", settings={"APPEND_SLASH": False}, every_way=True),
    Host(
        name="below a path",
        settings={"ROOT_URLCONF": "tests.host_projects.urls_below"},
        below="/login/v2",
        every_way=True,
    ),
    Host(
        name="FORCE_SCRIPT_NAME",
        settings={"FORCE_SCRIPT_NAME": "/shop"},
        mounted="/shop",
        every_way=True,
        serve=behind_proxy,
    ),
    Host(
        name="script name",
        ours={"BASE_URL": "https://site.example/shop"},
        mounted="/shop",
        every_way=True,
        serve=over_wsgi,
    ),
    Host(
        name="root path",
        ours={"BASE_URL": "https://site.example/shop"},
        mounted="/shop",
        every_way=True,
        serve=by_asgi,
    ),
    Host(
        name="i18n_patterns",
        every_way=True,
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

#: Those that the settings of another process make.
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


#: The endings that look at the account, the clock and the body, each asked of one vendor.
ELSEWHERE: list[Ending] = [
    Outcome.UNKNOWN,
    Outcome.CONFIRMED,
    Outcome.COOLING_DOWN,
    Refusal.MALFORMED,
]


def here() -> list[Host]:
    """Return the hosts that this process can be."""
    return SITES.get(getattr(settings, "HOST", ""), HOSTS)


def samples() -> list[Case]:
    """Return the first case of each vendor: one for each envelope, in path and in body."""
    vendors = {case.view.__module__.split(".")[2]: case for case in reversed(all_cases())}
    return list(vendors.values())[::-1]


def endings() -> list[tuple[Host, Case, Ending]]:
    """Return what is asked on each host.

    Every vendor's success, every other URL's too where the host changes paths, and each error
    of the first vendor that tells it.
    """
    others = [case for case in all_cases() if case not in samples()]
    found: list[tuple[Host, Case, Ending]] = []
    for host in here():
        cases = [*samples(), *(others if host.every_way else [])]
        found += [(host, case, Outcome.SENT) for case in cases]
        found += [(host, _teller(ending), ending) for ending in ELSEWHERE]
    return found


def _teller(ending: Ending) -> Case:
    """Return the first case that can come to an ending and tells it."""
    tell = (case for case in samples() if case.view.answers[ending] is not QUIET)
    return next(case for case in tell if case.field or ending is not Refusal.MALFORMED)


def messages() -> list[tuple[Host, Case]]:
    """Return each host with the case whose button leads on, and the one whose does not."""
    return [(host, case) for host in here() for case in (samples()[0], samples()[-1])]
