"""Act as a WSGI server: pass a request to the site's application, byte for byte."""

import io
from typing import Any
from urllib.parse import unquote_to_bytes

from django.core.wsgi import get_wsgi_application

from resend_confirmation.testing.dialects import Reply, Request
from resend_confirmation.testing.dialects.asgi import visiting
from resend_confirmation.testing.dialects.case import relevant_headers


def over_wsgi(request: Request, script_name: str = "") -> Reply:
    """Return the response over WSGI (PEP 3333), with the site mounted at ``script_name``."""
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": script_name,
        "PATH_INFO": unquote_to_bytes(request.path).decode("latin-1"),
        "QUERY_STRING": request.query,
        "CONTENT_TYPE": request.content_type,
        "CONTENT_LENGTH": str(len(request.body)),
        "REMOTE_ADDR": "127.0.0.1",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(request.body),
        "wsgi.errors": io.StringIO(),
    }
    environ |= {
        f"HTTP_{n.upper().replace('-', '_')}": value for n, value in request.headers.items()
    }
    started: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        started[:] = [int(status.split(maxsplit=1)[0]), dict(headers)]

    with visiting():
        response = get_wsgi_application()(environ, start_response)
        body = b"".join(response)
        getattr(response, "close", lambda: None)()
    status, headers = started
    return Reply(status, body, relevant_headers(headers))
