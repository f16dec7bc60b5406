"""Checks of where rows are, and of what stands before the site's paths."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core import checks
from django.core.checks import CheckMessage, Error
from django.db import router

from .. import conf
from .binding import ID, bind


@bind()
def check_databases(**_: Any) -> Iterator[CheckMessage]:
    """Users and our rows are joined in one statement and written in one transaction."""
    users = router.db_for_write(get_user_model())
    for model in apps.get_app_config(ID).get_models():
        if (ours := router.db_for_write(model)) != users:
            yield Error(
                f"{model._meta.object_name} is in the database {ours!r}, users are in {users!r}",
                hint="Have DATABASE_ROUTERS write the app resend_confirmation where users are.",
                id=f"{ID}.E016",
            )


@bind()
def check_prefix(**_: Any) -> Iterator[CheckMessage]:
    """Links have FORCE_SCRIPT_NAME by themselves: BASE_URL need not have it."""
    prefix = (settings.FORCE_SCRIPT_NAME or "").strip("/")
    path = urlsplit(conf.get().BASE_URL).path
    if prefix and path.endswith(f"/{prefix}"):
        yield checks.Warning(
            f"BASE_URL ends with FORCE_SCRIPT_NAME, so that links have /{prefix} twice",
            hint="Take the path out of BASE_URL.",
            id=f"{ID}.W017",
        )
