"""An SMTP server for tests, on a port that stays reserved in the meantime."""

import asyncio
import socket
import threading
from contextlib import suppress

from aiosmtpd.controller import Controller


class Server(Controller):
    """A mail server on a port that the system chooses."""

    def __init__(self, handler, hostname="127.0.0.1", port=0, **options):
        # Five seconds, its own limit for starting, are not always enough on a busy machine.
        super().__init__(handler, hostname=hostname, port=port, ready_timeout=60, **options)

    def _trigger_server(self):
        assert isinstance(self.server, asyncio.Server)
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


class Talker:
    """A mail server that says to each command what a test laid out, and counts bodies.

    ``said`` has the reply to a command, by its first four letters; "body" is after the final dot.
    None cuts the session, "" leaves the client waiting. ``most`` is how many messages a session
    may carry before MAIL is answered 421.
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
        """End all sessions."""
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
