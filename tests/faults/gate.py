"""A TCP proxy that can be shut and opened, as if the server were stopped and started."""

import select
import socket
import threading
from contextlib import suppress


class Gate:
    """Forwards connections to ``target``; while shut, it refuses new ones."""

    def __init__(self, target):
        self.target = target
        self._sockets = set()
        self._lock = threading.Lock()
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        self._server = None
        self._flows = threading.Event()
        self._flows.set()

    def freeze(self):
        """Go silent: connections stay open and are accepted, and nothing gets through."""
        self._flows.clear()

    def thaw(self):
        """Let new connections through; those from the silent time stay silent."""
        self._flows.set()

    def open(self):
        """Let connections through."""
        self._server = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, args=[self._server], daemon=True).start()

    def shut(self):
        """Cut every connection and refuse new ones."""
        server, self._server = self._server, None
        if server is not None:
            # Wakes the thread that waits in accept, which closing alone does not.
            with suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
            server.close()
        with self._lock:
            for open_socket in self._sockets:
                with suppress(OSError):
                    open_socket.shutdown(socket.SHUT_RDWR)

    def _accept(self, server):
        while True:
            try:
                near, _ = server.accept()
                far = socket.create_connection(self.target)
            except OSError:
                return
            threading.Thread(target=self._forward, args=[near, far], daemon=True).start()

    def _forward(self, near, far):
        pair = {near: far, far: near}
        with self._lock:
            self._sockets |= set(pair)
        with suppress(OSError):
            while True:
                readables = select.select(list(pair), [], [])[0]
                if not self._flows.is_set():
                    threading.Event().wait()  # For ever, on a thread that holds up nothing.
                for readable in readables:
                    data = readable.recv(65536)
                    if not data:
                        raise OSError
                    pair[readable].sendall(data)
        with self._lock:
            self._sockets -= set(pair)
        for end in pair:
            end.close()
