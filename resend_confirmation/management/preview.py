"""``resend_confirmation preview``: the message of each client in each language."""

from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from django.core.management import CommandError

from .. import clients, languages
from ..addresses import Address
from ..clients import Client
from ..courier import sample
from ..email_backend import Message
from .console import Console, printable
from .run import USAGE

PREVIEW = """\
Print the confirmation message, write it into files, or send it as a test. Its data is invented,
and its link does not work.

Without --output it is the message of one client in one language: by default, of the default
client in LANGUAGE_CODE. With --output it is that of every client in every language of LANGUAGES
that has a translation, unless --client or --language names one.

The exit code is 1 if a test could not be sent, and 2 for invalid arguments."""


class Kind(NamedTuple):
    """A client and a language."""

    client: Client | None
    language: str


def add_to(add: Callable[[str, str, str], ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = add("preview", "show or test the message", PREVIEW)
    parser.add_argument("--client", metavar="NAME", help="only the message of this client")
    parser.add_argument("--language", metavar="CODE", help="only the message in this language")
    parser.add_argument(
        "--format",
        choices=("html", "text"),
        help="only this part (default: text; with --output and --json both)",
    )
    parser.add_argument("--code", action="store_true", help="with a code next to the link")
    ways = parser.add_mutually_exclusive_group()
    ways.add_argument(
        "--output",
        metavar="DIR",
        type=Path,
        help="write a file for each part: the text, and the HTML in light and in dark",
    )
    ways.add_argument("--send-to", metavar="ADDRESS", help="send it there, marked as a test")


def preview(options: dict[str, Any], client: Client | None, console: Console) -> str:
    """Print, write or send messages; return why one could not be sent, or an empty string."""
    language = _language(options["language"])
    if options["output"]:
        every = [client] if client else clients.registry().clients
        codes = [language] if language else list(languages.offered())
        for kind in (Kind(each, code) for each in every for code in codes):
            _write(kind, options, console)
        return ""
    kind = Kind(client or clients.default(), language or languages.site_language())
    if options["send_to"]:
        return _send(kind, options, console)
    _print(kind, options, console)
    return ""


def _language(code: str | None) -> str:
    if code and code not in (known := languages.offered()):
        text = f"No translation into {code!r} in LANGUAGES. Known: {', '.join(known)}."
        raise CommandError(text, returncode=USAGE)
    return code or ""


def _print(kind: Kind, options: dict[str, Any], console: Console) -> None:
    mail = sample.write(*kind, with_code=options["code"])
    wanted = options["format"]
    if console.as_json:
        parts = {"text": str(mail.body), "html": sample.html(mail)}
        console.put(
            "",
            **_facts(kind),
            subject=mail.subject,
            from_email=mail.from_email,
            reply_to=mail.reply_to,
            **{name: part for name, part in parts.items() if wanted in {None, name}},
        )
        return
    # Unlike input, the host's own texts are printed with their line breaks.
    console.out.write(sample.html(mail) if wanted == "html" else sample.text(mail))


def _write(kind: Kind, options: dict[str, Any], console: Console) -> None:
    mail = sample.write(*kind, with_code=options["code"])
    folder: Path = options["output"]
    name = f"{quote(kind.client.name if kind.client else '', safe='')}.{kind.language}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for ending, part in _parts(mail, options["format"]):
            path = folder / f"{name}.{ending}"
            path.write_text(part, encoding="utf-8")
            console.put(str(path), **_facts(kind), path=str(path))
    except OSError as error:
        raise CommandError(printable(f"{folder}: {error.strerror}")) from None


def _parts(mail: Message, wanted: str | None) -> Iterator[tuple[str, str]]:
    if wanted != "html":
        yield "txt", sample.text(mail)
    if wanted != "text":
        yield from ((f"{scheme}.html", sample.html(mail, scheme)) for scheme in sample.SCHEMES)


def _send(kind: Kind, options: dict[str, Any], console: Console) -> str:
    if Address.parse(options["send_to"]) is None:
        raise CommandError("--send-to takes one address.", returncode=USAGE)
    mail = sample.write(*kind, with_code=options["code"], address=options["send_to"])
    result = sample.send(mail)
    error = f"{result.error_class} {result.error_code}".strip() or None
    if result.failure is None:
        console.put(f"Sent: {mail.subject}", **_facts(kind), result="sent")
        return ""
    if console.as_json:
        console.put("", **_facts(kind), result="failed", error=error)
    return f"The test was not sent ({error})."


def _facts(kind: Kind) -> dict[str, str]:
    return {"client": kind.client.name if kind.client else "", "language": kind.language}
