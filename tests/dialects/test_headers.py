"""The headers of every answer of every dialect, in full, under a host's middlewares and alone."""

import pytest
from django.urls import path

from resend_confirmation.testing.dialects import Headers
from tests.sessions import MIDDLEWARE, OF_THE_HOST

from .cases import first_cases

pytestmark = pytest.mark.django


class TestHeaders(Headers):
    """The contract, under a middleware that reports access to the session."""

    cases = first_cases()

    @pytest.fixture(params=["host", "bare"])
    def added(self, request, site):
        """Parts that the host adds: its middlewares, with a logged-in browser, or nothing."""
        site.settings.MIDDLEWARE = MIDDLEWARE if request.param == "host" else []
        return OF_THE_HOST if request.param == "host" else {}


def touch(request):
    """A view of the host's that reads the session."""
    request.session.get("cart")
    raise LookupError("and then fails")


urlpatterns = [path("touch/", touch)]


def test_session_access_is_detected(client, settings, db):
    """A view that reads the session is detected, so the tests above can fail."""
    settings.MIDDLEWARE = MIDDLEWARE
    settings.ROOT_URLCONF = "tests.dialects.test_headers"
    client.raise_request_exception = False
    response = client.get("/touch/")
    assert list(response.cookies) == ["touched"]
    assert "Cookie" in response["Vary"]
