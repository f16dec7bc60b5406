"""SMTP servers for tests, on ports that the system chooses."""

import asyncio
import socket
import threading
from contextlib import suppress

from aiosmtpd.controller import Controller


class Server(Controller):
    """A mail server on a port that the system chooses."""

    def __init__(self, handler, hostname="127.0.0.1", port=0, **options):
        # The default limit for starting, 5 seconds, is not always enough on a busy machine.
        super().__init__(handler, hostname=hostname, port=port, ready_timeout=60, **options)

    def _trigger_server(self):
        assert isinstance(self.server, asyncio.Server)
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


class Talker:
    """A mail server that replies to each command as the test specifies, and keeps the bodies.

    ``said`` maps the first four letters of a command to its reply; "body" is the reply after the
    final dot. None closes the connection, and "" leaves the client waiting. ``most`` is the number
    of messages in a session after which the reply to MAIL is 421.
    """

    def __init__(self, **said: str | None):
        self.said: dict[str, str | None] = {"data": "354 go on", **said}
        self.most = 1000
        self.bodies: list[bytes] = []
        self.sessions = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def stop(self):
        """Close all connections."""
        for each in [self._listener, *self._open]:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self._thread.join(30)

    def _accept(self):
        with suppress(OSError):
            while True:
                session, _ = self._listener.accept()
                self.sessions += 1
                self._open.append(session)
                threading.Thread(target=self._talk, args=[session], daemon=True).start()

    def _talk(self, session):
        carried = 0
        with suppress(OSError), session, session.makefile("rb") as lines:
            session.sendall(b"220 here\r\n")
            for line in lines:
                verb = line[:4].decode().lower().strip()
                reply = self.said.get(verb, "250 fine")
                if verb == "mail" and carried >= self.most:
                    reply = "421 too many messages"
                if not self._say(session, reply):
                    return
                if reply and reply.startswith("354"):
                    body = b"".join(iter(lines.readline, b".\r\n"))
                    carried += 1
                    reply = self.said.get("body", "250 taken")
                    if not (reply or "").startswith(("4", "5")):
                        self.bodies.append(body)
                    if not self._say(session, reply):
                        return

    def _say(self, session, reply):
        if reply is None:
            return False
        if reply:
            session.sendall(reply.encode() + b"\r\n")
        return not reply.startswith(("221", "421"))
