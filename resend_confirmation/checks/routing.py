"""Checks of where rows are, and of what stands before the site's paths."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core import checks
from django.core.checks import CheckMessage, Error
from django.db import router
from django.http.request import split_domain_port, validate_host
from django.urls import NoReverseMatch

from .. import clients, conf
from ..courier import links
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


@bind()
def check_hosts(**_: Any) -> Iterator[CheckMessage]:
    """Django answers a link under another host by itself, and mails it to ADMINS with its token."""
    if settings.DEBUG:
        return
    refused = {host for url in _bases() if not _is_allowed(host := urlsplit(url).netloc)}
    for host in sorted(refused):
        yield checks.Warning(
            f"Links lead to {host}, which ALLOWED_HOSTS does not have",
            hint="Add it to ALLOWED_HOSTS, or correct BASE_URL or the client's 'base_url' or page.",
            id=f"{ID}.W027",
        )


def _bases() -> Iterator[str]:
    """Yield what links to our page begin with; a page of a client's own may be on any server."""
    yield conf.get().BASE_URL
    if not isinstance(conf.get().CLIENTS, list | tuple):
        return  # A host's table may not exist yet while checks run.
    for client in clients.registry().clients:
        yield client.base_url
        page = client.pages.get("confirm", "")
        # Where nothing is mounted E008 says so.
        with suppress(NoReverseMatch):
            if page and urlsplit(page).path == urlsplit(links.page("", client)).path:
                yield page


def _is_allowed(host: str) -> bool:
    name, _ = split_domain_port(host)
    return not host or validate_host(name, settings.ALLOWED_HOSTS)
