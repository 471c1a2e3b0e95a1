"""A relay in front of a server that counts the requests for parts that pass through it."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

PART = b"PUT /api/2.0/mlflow-artifacts/mpu/part/"


class Relay(socketserver.ThreadingTCPServer):
    """Passes bytes on, both ways.

    Attributes:
        parts: requests for parts so far; addresses of parts lead here too, as the server goes by ``Host``.
    """

    daemon_threads = True

    def __init__(self, url: str) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        parts = urlsplit(url)
        self.target = (str(parts.hostname), int(parts.port or 80))
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.parts = 0
        self.lock = threading.Lock()


@contextlib.contextmanager
def relay(url: str) -> Iterator[Relay]:
    """A relay to a server for the length of a ``with`` block."""
    with Relay(url) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class _Connection(socketserver.BaseRequestHandler):
    server: Relay

    def handle(self) -> None:
        with contextlib.suppress(OSError), socket.create_connection(self.server.target) as target:
            back = threading.Thread(target=self._back, args=(target,), daemon=True)
            back.start()
            tail = b""
            while block := self.request.recv(1 << 16):
                seen = tail + block
                with self.server.lock:
                    self.server.parts += seen.count(PART)
                tail = seen[1 - len(PART) :]
                target.sendall(block)
            target.shutdown(socket.SHUT_WR)
            back.join()

    def _back(self, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while block := target.recv(1 << 16):
                self.request.sendall(block)
            self.request.shutdown(socket.SHUT_WR)
