"""An SMTP server for tests, on a port that nobody else can take in the meantime."""

import asyncio

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
