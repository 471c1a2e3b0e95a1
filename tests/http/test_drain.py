"""A server that is told to stop: whom it still answers, what it cuts off, and what is left of that."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from tests.http.conftest import Client, ask
from tests.http.test_standalone import wait_for
from tests.object_servers import S3Server
from tests.servers import Server, start_standalone

LONG = ("--drain-delay", "600")
SEARCH = "/api/2.0/mlflow/experiments/search"


@contextlib.contextmanager
def connected(server: Server) -> Iterator[socket.socket]:
    address = urlsplit(server.url)
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=60) as connection:
        yield connection


def search(server: Server, body: str = "{}", announced: int = 2) -> bytes:
    head = f"POST {SEARCH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    token = f"Authorization: Bearer {server.token}\r\n"
    return f"{head}{token}Content-Length: {announced}\r\n\r\n{body}".encode()


def answer(connection: socket.socket) -> str:
    """All that comes until the server closes; a reset fails the test."""
    found = b""
    while chunk := connection.recv(65_536):
        found += chunk
    return found.decode()


def accepts(server: Server) -> bool:
    try:
        with connected(server):
            return True
    except ConnectionError:
        return False


def health(server: Server) -> int:
    return ask(server.url, "GET", "/health").status


def test_a_lame_duck_serves_all_but_its_health(tmp_path: Path) -> None:
    with start_standalone(tmp_path, options=LONG) as server, connected(server) as kept:
        client = Client(server)
        kept.sendall(search(server))
        assert kept.recv(65_536).startswith(b"HTTP/1.1 200")
        server.process.terminate()
        wait_for(lambda: health(server) == 503)
        made = client.send("POST", "/api/2.0/mlflow/experiments/create", {"name": "late"})
        assert (made.status, made.headers["connection"]) == (200, "close")
        kept.sendall(search(server))
        assert "late" in answer(kept)
        assert server.process.poll() is None
        # A second signal is for who does not want to wait.
        server.process.terminate()
        assert server.process.wait(30) == -signal.SIGTERM


def test_what_comes_on_a_kept_connection_is_answered(tmp_path: Path) -> None:
    """One request holds the server; another comes by a connection from before, when no new ones are taken."""
    server = start_standalone(tmp_path)
    with connected(server) as holding, connected(server) as kept, connected(server) as idle:
        for connection in (kept, idle):
            connection.sendall(search(server))
            assert connection.recv(65_536).startswith(b"HTTP/1.1 200")
        holding.sendall(search(server, "{", announced=2))
        # Answered on a connection that was accepted after it.
        assert health(server) == 200
        server.process.terminate()
        wait_for(lambda: not accepts(server))
        kept.sendall(search(server))
        last = answer(kept)
        assert last.startswith("HTTP/1.1 200")
        assert "Connection: close" in last
        holding.sendall(b"}")
        assert answer(holding).startswith("HTTP/1.1 200")
        assert answer(idle) == ""
    assert server.process.wait(30) == 0


def test_no_connection_that_the_system_took_is_reset(tmp_path: Path) -> None:
    """The server is held while clients connect and send: it hears of the signal before it hears of them."""
    server = start_standalone(tmp_path)
    with contextlib.ExitStack() as stack:
        os.kill(server.pid, signal.SIGSTOP)
        waiting = [stack.enter_context(connected(server)) for _ in range(100)]
        for connection in waiting[:50]:
            connection.sendall(search(server))
        server.process.terminate()
        os.kill(server.pid, signal.SIGCONT)
        for connection in waiting[:50]:
            assert answer(connection).startswith("HTTP/1.1 200")
        assert server.process.wait(30) == 0
        for connection in waiting[50:]:
            assert answer(connection) == ""


def test_an_upload_longer_than_the_drain_leaves_nothing_and_can_be_sent_again(
    tmp_path: Path, s3_server: S3Server, s3_bucket: str
) -> None:
    options = ["--drain-timeout", "1", f"--artifacts-destination=s3://{s3_bucket}"]
    body = os.urandom(24 * 2**20)

    def start() -> Server:
        return start_standalone(tmp_path, options=options, variables=s3_server.environment)

    server = start()
    run = Client(server).call("runs/create", {"experiment_id": "0"})["run"]["info"]["run_id"]
    path = f"/api/2.0/mlflow-artifacts/artifacts/0/{run}/artifacts/big.bin"
    with connected(server) as connection, contextlib.closing(s3_server.client()) as store:
        head = f"PUT {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {server.token}\r\n"
        connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[: 20 * 2**20])
        wait_for(lambda: "Uploads" in store.list_multipart_uploads(Bucket=s3_bucket))
        assert server.stop() == 0
        assert "Uploads" not in store.list_multipart_uploads(Bucket=s3_bucket)
        assert store.list_objects_v2(Bucket=s3_bucket)["KeyCount"] == 0
    with start() as again:
        assert Client(again).send("PUT", path, body).status == 200
        assert Client(again).send("GET", path).body == body
