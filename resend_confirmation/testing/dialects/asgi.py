"""Requests over ASGI, with bodies in chunks and without a length."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote

from asgiref.sync import async_to_sync
from django.core.asgi import get_asgi_application
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.urls import get_script_prefix, set_script_prefix

from .case import Reply, Request, relevant_headers


@contextmanager
def visiting() -> Iterator[None]:
    """Keep the test's database connection open, as Django's test client does.

    The script prefix is restored at the end, since the ASGI handler sets it for the thread.
    """
    prefix = get_script_prefix()
    request_started.disconnect(close_old_connections)
    request_finished.disconnect(close_old_connections)
    try:
        yield
    finally:
        request_started.connect(close_old_connections)
        request_finished.connect(close_old_connections)
        set_script_prefix(prefix)


def over_asgi(request: Request, chunks: list[bytes], root_path: str = "") -> Reply:
    """Send ``request`` with the body ``chunks`` to a site at ``root_path`` and return the reply."""
    events = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    events.append({"type": "http.request", "body": b"", "more_body": False})
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        # No event follows the body: the client waits for the response.
        return events.pop(0) if events else await asyncio.Future()

    async def send(event: dict[str, Any]) -> None:
        sent.append(event)

    application: Any = get_asgi_application()
    with visiting():
        async_to_sync(application)(_scope(request, root_path), receive, send)
    start, *bodies = sent
    answered = {name.decode(): value.decode() for name, value in start["headers"]}
    return Reply(
        start["status"], b"".join(event["body"] for event in bodies), relevant_headers(answered)
    )


def _scope(request: Request, root_path: str) -> dict[str, Any]:
    path = request.path if isinstance(request.path, str) else request.path.decode("latin-1")
    path = root_path + path
    headers = {"host": "localhost", "transfer-encoding": "chunked"}
    headers |= {name.lower(): value for name, value in request.headers.items()}
    if request.content_type:
        headers["content-type"] = request.content_type
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": "http",
        "path": unquote(path, errors="replace"),
        "raw_path": path.encode("latin-1"),
        "root_path": root_path,
        "query_string": request.query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 80),
    }
