"""All headers of all dialects' answers, with and without a host's middleware."""

import pytest
from django.urls import path

from resend_confirmation.testing.dialects import Headers
from tests.sessions import MIDDLEWARE, OF_THE_HOST

from .cases import first_cases

pytestmark = pytest.mark.django


class TestHeaders(Headers):
    """The contract, with a middleware that detects access to the session."""

    cases = first_cases()

    @pytest.fixture(params=["host", "bare"])
    def added(self, request, site):
        """Install the host's middleware, or none, and return the headers that it adds."""
        site.settings.MIDDLEWARE = MIDDLEWARE if request.param == "host" else []
        return OF_THE_HOST if request.param == "host" else {}


def touch(request):
    """Read the session, as a host's view might."""
    request.session.get("cart")
    raise LookupError("and then fails")


urlpatterns = [path("touch/", touch)]


def test_session_access_is_detected(client, settings, db):
    """The middleware detects a view that reads the session."""
    settings.MIDDLEWARE = MIDDLEWARE
    settings.ROOT_URLCONF = "tests.dialects.test_headers"
    client.raise_request_exception = False
    response = client.get("/touch/")
    assert list(response.cookies) == ["touched"]
    assert "Cookie" in response["Vary"]
