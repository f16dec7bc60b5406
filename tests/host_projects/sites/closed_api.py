"""A host whose DRF settings deny access and change all other defaults of views."""

from typing import Any

from tests.host_projects.sites.base import *  # noqa: F403
from tests.settings import DATABASES, MIDDLEWARE, REST_FRAMEWORK

HOST = "a closed API"
DATABASES["default"]["ATOMIC_REQUESTS"] = True
APPEND_SLASH = False
MIDDLEWARE = [*MIDDLEWARE, "django.contrib.auth.middleware.LoginRequiredMiddleware"]
_ours: dict[str, Any] = REST_FRAMEWORK
REST_FRAMEWORK = _ours | {
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.BasicAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAdminUser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "tests.host_projects.api.Nothing",
    "DEFAULT_METADATA_CLASS": None,
    "DEFAULT_VERSIONING_CLASS": "rest_framework.versioning.AcceptHeaderVersioning",
    "DEFAULT_THROTTLE_CLASSES": ["rest_framework.throttling.AnonRateThrottle"],
    "DEFAULT_THROTTLE_RATES": {"anon": "1/day"},
    "EXCEPTION_HANDLER": "tests.host_projects.api.handle",
    "NUM_PROXIES": 1,
    "COMPACT_JSON": False,
    "UNICODE_JSON": False,
    "STRICT_JSON": False,
    "NON_FIELD_ERRORS_KEY": "errors",
    "COERCE_DECIMAL_TO_STRING": False,
}
