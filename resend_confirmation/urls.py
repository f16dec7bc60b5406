"""All URLs: the confirm pages under ``confirm/``, and every dialect of the package.

Each can be included separately: ``resend_confirmation.views`` and each dialect in
``resend_confirmation.dialects`` is a URLconf with a namespace. Here all names are in the
namespace of the app.
"""

from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from django.urls import include, path

from . import dialects

app_name = "resend_confirmation"


def _patterns(module: str) -> list[Any]:
    found: list[Any] = getattr(import_module(module), "urlpatterns", [])
    return found


urlpatterns = [path("confirm/", include(_patterns(f"{app_name}.views")))]
for _module in iter_modules(dialects.__path__):
    urlpatterns += _patterns(f"{dialects.__name__}.{_module.name}")
