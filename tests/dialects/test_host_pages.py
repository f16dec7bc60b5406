"""Paths that both the host and a dialect use."""

import pytest
from django.contrib.auth.decorators import login_not_required
from django.core.checks import run_checks
from django.http import HttpRequest, HttpResponse
from django.urls import include, path, re_path, reverse

pytestmark = pytest.mark.django

OURS = path("", include("resend_confirmation.urls"))


@login_not_required
def page(request: HttpRequest, **_: str) -> HttpResponse:
    """Return the route of the host's page."""
    assert request.resolver_match
    return HttpResponse(f"page {request.resolver_match.route}")


async def asynchronous(request: HttpRequest) -> HttpResponse:
    """Respond as an asynchronous page of the host that requires a login."""
    return HttpResponse("asynchronous")


@pytest.fixture
def mount(settings):
    """Return a function that sets the site's URL patterns."""

    def put(*patterns):
        settings.ROOT_URLCONF = patterns

    return put


def told():
    """Return the messages of W034."""
    return [m.msg for m in run_checks() if m.id == "resend_confirmation.W034"]


def test_get_falls_through(client, mount):
    """GET and HEAD go to the host's page with the same path; other methods to the dialect."""
    mount(OURS, re_path("^accounts/resend-confirmation$", page))
    answer = client.get("/accounts/resend-confirmation")
    assert answer.content == b"page ^accounts/resend-confirmation$"
    assert client.head("/accounts/resend-confirmation").status_code == 200
    answer = client.post("/accounts/resend-confirmation", {}, "application/json")
    assert answer.json() == {"error": "Email is required"}
    assert client.delete("/accounts/resend-confirmation").status_code == 405
    assert told() == [
        (
            "The site's pattern '^accounts/resend-confirmation$' gets no POST requests: "
            "/accounts/resend-confirmation matches first"
        )
    ]


def test_get_of_a_page_with_a_slash(client, mount, settings):
    """With APPEND_SLASH a GET is redirected to the host's page with a trailing slash."""
    mount(OURS, path("accounts/resend-confirmation/", page))
    answer = client.get("/accounts/resend-confirmation?a=1")
    assert (answer.status_code, answer["Location"]) == (301, "/accounts/resend-confirmation/?a=1")
    settings.APPEND_SLASH = False
    assert client.get("/accounts/resend-confirmation").status_code == 405


def test_get_of_a_dialect(client, mount):
    """If the dialect's call is a GET, it is not passed to the host's page."""
    mount(OURS, path("auth/email-confirmation", page))
    answer = client.get("/auth/email-confirmation", {"confirmation": "x"})
    assert (answer.status_code, answer.json()["message"]) == (400, "token.invalid")


@pytest.mark.parametrize(
    "general", [re_path(r"^.*$", page), path("accounts/<slug:name>", page), path("a", page)]
)
def test_get_without_a_page(client, mount, general):
    """Without a page at exactly that path a GET gets the vendor's 405."""
    mount(OURS, general)
    answer = client.get("/accounts/resend-confirmation")
    assert (answer.status_code, answer.json()) == (405, {"error": "Method not allowed"})
    assert told() == []


def test_login_wall(client, mount, settings, admin_client):
    """The host's page may be asynchronous, and can require a login."""
    settings.MIDDLEWARE = [
        *settings.MIDDLEWARE,
        "django.contrib.auth.middleware.LoginRequiredMiddleware",
    ]
    mount(OURS, path("accounts/confirm-email", asynchronous))
    answer = client.get("/accounts/confirm-email")
    assert (answer.status_code, answer["Location"]) == (
        302,
        "/accounts/login/?next=/accounts/confirm-email",
    )
    assert admin_client.get("/accounts/confirm-email").content == b"asynchronous"
    assert client.post("/accounts/confirm-email").status_code == 400


def test_w034_stands_before(mount):
    """W034: a pattern of the site comes before ours and matches some of our paths."""
    mount(
        path("api/", include([path("users/<path:rest>", page), re_path("^auth/", page)])),
        OURS,
        path("confirm/", page),
    )
    assert told() == [
        (
            "The site's pattern 'api/users/<path:rest>' comes before paths of this package: "
            "/api/users/resendconfirmation/1"
        ),
        (
            "The site's pattern 'api/^auth/' comes before paths of this package: "
            "/api/auth/send-email-confirmation, /api/auth/send-email-confirmation/, "
            "/api/auth/email-confirmation, /api/auth/email-confirmation/"
        ),
        "The site's pattern 'confirm/' gets no POST requests: /confirm/ matches first",
    ]


def test_names(mount):
    """URL names are in the app's namespace, or in the dialect's if it is mounted separately."""
    mount(OURS, path("mine", page, name="strapi"))
    assert reverse("strapi") == "/mine"
    assert reverse("resend_confirmation:strapi") == "/auth/send-email-confirmation"
    assert reverse("resend_confirmation:confirm") == "/confirm/"
    mount(
        path("confirm/", include("resend_confirmation.views")),
        path("v1/", include("resend_confirmation.dialects.strapi")),
    )
    assert reverse("resend_confirmation_strapi:strapi") == "/v1/auth/send-email-confirmation"
    assert reverse("resend_confirmation:confirm") == "/confirm/"
