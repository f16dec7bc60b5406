"""Checks of RESEND_CONFIRMATION: its keys, its values, and the names in them."""

from collections.abc import Iterator
from dataclasses import fields
from difflib import get_close_matches
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.core import checks
from django.core.checks import CheckMessage, Error
from django.core.exceptions import ImproperlyConfigured
from django.db import router
from django.utils.module_loading import import_string

from .. import clients, conf, failures
from ..deliveries.wake import CARRIERS, carrier
from ..dialects.base import mounted_dialects
from .plugins import code_issuer
from .registry import ID, bind

#: Apps that our modules for other packages need.
NEEDED_APPS = {
    "resend_confirmation.contrib.allauth": "allauth.account",
    "resend_confirmation.contrib.oauth_toolkit": "oauth2_provider",
}


@bind()
def check_settings(**_: Any) -> list[CheckMessage]:
    """Return errors in the dict: its keys, its values, and the paths in them."""
    found = [_message(problem) for problem in conf.problems(conf.raw_settings())]
    if any(message.level >= Error("").level and message.id != f"{ID}.E001" for message in found):
        return found
    return [*found, *_base_url(), *_clients(), *_dotted_paths()]


def _message(problem: conf.Problem) -> CheckMessage:
    if not problem.known:
        hint = problem.hint or _meant(str(problem.key))
        return Error(problem.text, hint=hint, id=f"{ID}.E001")
    return Error(problem.text, id=f"{ID}.E002")


def _meant(key: str) -> str:
    known = sorted(field.name for field in fields(conf.Settings))
    for near in get_close_matches(key.upper(), known, n=1):
        return f"Did you mean {near!r}?"
    return f"Its keys are: {', '.join(known)}."


def _base_url() -> Iterator[CheckMessage]:
    if not conf.get().BASE_URL:
        yield Error(
            "BASE_URL is not set, so messages cannot have a working link",
            hint='Set RESEND_CONFIRMATION["BASE_URL"] to "https://<your site>".',
            id=f"{ID}.E003",
        )


def _clients() -> Iterator[CheckMessage]:
    raw = conf.get().CLIENTS
    if not isinstance(raw, list | tuple):
        return  # The table may not exist yet.
    if not raw:
        yield Error(
            "CLIENTS is empty, so every request is refused",
            hint='The shortest useful value is [{"name": "default"}].',
            id=f"{ID}.E004",
        )
    names: set[str] = set()
    for number, entry in enumerate(raw, start=1):
        if problem := clients.problem_of(entry):
            is_url = isinstance(problem, clients.UnusableURLError)
            text = f"CLIENTS: {clients.title(entry, number)}: {problem}"
            yield Error(text, id=f"{ID}.E009" if is_url else f"{ID}.E005")
            continue
        name = entry.name if isinstance(entry, clients.Client) else entry["name"]
        if name in names:
            yield Error(f"CLIENTS: two clients have the name {name!r}", id=f"{ID}.E006")
        names.add(name)


def _dotted_paths() -> Iterator[CheckMessage]:
    settings = conf.get()
    paths = {"ACCOUNTS": settings.ACCOUNTS, "CARRIER": settings.CARRIER.name}
    if settings.AUTHORIZATION_CODE_ISSUER:
        paths["AUTHORIZATION_CODE_ISSUER"] = settings.AUTHORIZATION_CODE_ISSUER
    if settings.EXPIRE:
        paths["EXPIRE"] = settings.EXPIRE
    if isinstance(settings.CLIENTS, str):
        paths["CLIENTS"] = settings.CLIENTS
    for name, path in paths.items():
        app = NEEDED_APPS.get(path.rpartition(".")[0])
        if app and not apps.is_installed(app):
            yield Error(
                f"{name} names {path!r}, which needs the app {app!r}",
                hint="Install the extra of the same name, and add the app to INSTALLED_APPS.",
                id=f"{ID}.E022",
            )
            continue
        try:
            found = carrier(settings.CARRIER) if name == "CARRIER" else import_string(path)
            if name == "EXPIRE" and not callable(found):
                raise ImproperlyConfigured("it cannot be called")
        except Exception as error:
            # Not only ImportError: an unknown queue or option raises another error.
            yield Error(
                f"{name} names {path!r}, which cannot be loaded: {failures.explain(error)}",
                hint=_hint(name, path, error),
                id=f"{ID}.E007",
            )


def _hint(name: str, path: str, error: Exception) -> str:
    is_ours = name == "CARRIER" and path in CARRIERS
    if is_ours and isinstance(error, ImportError):
        return f'Install the extra: pip install "django-resend-confirmation[{path}]".'
    if name == "CARRIER" and isinstance(error, TypeError):
        return "OPTIONS are keyword arguments of the carrier's class, which does not accept these."
    if is_ours or "." in path:
        return "Correct it, or install the package that it needs."
    if name == "CARRIER":
        known = ", ".join(repr(known) for known in CARRIERS)
        return f"Use one of {known}, or the dotted path of a class with a method wake()."
    return "Use a dotted path, such as 'shop.confirmations.name'."


@bind()
def check_names_of_dialects(**_: Any) -> Iterator[CheckMessage]:
    """Yield a warning for each dialect in the settings that is not mounted: probably a typo."""
    settings = conf.get()
    named = {("THROTTLE", name) for name in settings.THROTTLE if name != "default"}
    if settings.QUIET != "all":
        named |= {("QUIET", name) for name in settings.QUIET}
    if isinstance(settings.CLIENTS, list | tuple):
        theirs = set(getattr(code_issuer(), "id_names", ()))
        for client in clients.registry().clients:
            where = f"the client {client.name!r}"
            named |= {(where, name) for name in (*(client.ids.keys() - theirs), *client.keys)}
    mounted = mounted_dialects()
    for where, name in sorted(named):
        if name not in mounted:
            yield checks.Warning(
                f"{where} names the dialect {name!r}, which is not mounted",
                hint=f"Mounted dialects: {', '.join(sorted(mounted)) or 'none'}.",
                id=f"{ID}.W013",
            )


@bind()
def check_databases(**_: Any) -> Iterator[CheckMessage]:
    """Yield an error if users and our rows, which are joined, are in different databases."""
    users = router.db_for_write(get_user_model())
    for model in apps.get_app_config(ID).get_models():
        if (ours := router.db_for_write(model)) != users:
            yield Error(
                f"{model._meta.object_name} is stored in database {ours!r}, users in {users!r}",
                hint="Let DATABASE_ROUTERS write this app to the database of the users.",
                id=f"{ID}.E016",
            )
