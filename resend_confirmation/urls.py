"""Everything at once: the confirm pages under ``confirm/``, and every dialect of the package.

Each can be included alone: ``resend_confirmation.views`` and each module of
``resend_confirmation.dialects`` is a URLconf itself.
"""

from importlib import import_module
from pkgutil import iter_modules

from django.urls import include, path

from . import dialects

urlpatterns = [path("confirm/", include("resend_confirmation.views"))]

for _module in iter_modules(dialects.__path__):
    _dialect = import_module(f"{dialects.__name__}.{_module.name}")
    if hasattr(_dialect, "urlpatterns"):
        urlpatterns.append(path("", include(_dialect)))
