"""The standalone server as a process: what it prints and leaves, whom it lets in, how it ends."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.http.conftest import Client, ask
from tests.servers import TOKEN_LINE, free_port, jupyter_environment, start_standalone

SEARCH = "/api/2.0/mlflow/experiments/search"


def wait_for(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.01)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A server that is expected to end by itself."""
    return subprocess.run(
        [sys.executable, "-m", "jupyter_tracking_server", "server", *arguments],
        env=jupyter_environment(folder),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@contextlib.contextmanager
def started(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A server whose standard output is read here; it is killed if the test fails."""
    process = subprocess.Popen(
        [sys.executable, "-m", "jupyter_tracking_server", "server", *arguments],
        env=jupyter_environment(folder),
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def test_the_two_lines_are_all_a_shell_needs(tmp_path: Path) -> None:
    with start_standalone(tmp_path) as server:
        printed = server.log.read_text()
        lines = printed.splitlines()
        assert lines == [
            f"export MLFLOW_TRACKING_URI={server.url}",
            f"export MLFLOW_TRACKING_TOKEN={server.token}",
        ]
        script = (
            f'{printed}\ncurl -sS -X POST "$MLFLOW_TRACKING_URI{SEARCH}" -H "Content-Type: application/json" '
            '-H "Authorization: Bearer $MLFLOW_TRACKING_TOKEN" -d "{}"'
        )
        reply = subprocess.run(["sh", "-c", script], capture_output=True, check=True, timeout=60)
        assert json.loads(reply.stdout)["experiments"][0]["name"] == "Default"


def test_the_token_is_made_once_and_private(tmp_path: Path) -> None:
    with start_standalone(tmp_path) as first:
        token = first.token
    kept = tmp_path / "data" / "tracking" / "token"
    assert kept.read_text().strip() == token
    assert mode(kept) == 0o600
    assert mode(kept.parent) == 0o700
    with start_standalone(tmp_path) as second:
        assert second.token == token


def test_a_token_file_may_be_named(tmp_path: Path) -> None:
    given = tmp_path / "secret" / "token"
    with start_standalone(tmp_path, options=["--token-file", str(given)]) as server:
        assert given.read_text().strip() == server.token
        assert mode(given) == 0o600


def test_clients_of_this_user_find_it_until_it_ends(tmp_path: Path) -> None:
    with start_standalone(tmp_path) as server:
        path = tmp_path / "runtime" / f"jptracking-{server.pid}.json"
        assert mode(path) == 0o600
        found = json.loads(path.read_text())
        assert found == {
            "url": server.url,
            "token": server.token,
            "pid": server.pid,
            "kind": "standalone",
            "root_dir": "",
            "certificate": "",
        }
        assert server.stop() == 0
    assert not path.exists()


def test_a_free_port_is_told(tmp_path: Path) -> None:
    with started(tmp_path, "--port", "0") as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip().removeprefix("export MLFLOW_TRACKING_URI=")
        assert TOKEN_LINE.match(process.stdout.readline())
        assert ask(url, "GET", "/health").body == b"OK"
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        assert process.stdout.read() == ""
    # The defaults: all of it below Jupyter's data folder.
    assert {path.name for path in (tmp_path / "data" / "tracking").iterdir()} >= {"tracking.db", "artifacts"}


def test_a_request_that_runs_at_the_signal_is_finished_and_kept(tmp_path: Path) -> None:
    server = start_standalone(tmp_path)
    body = b'{"name": "in flight"}'
    address = urlsplit(server.url)
    head = (
        "POST /api/2.0/mlflow/experiments/create HTTP/1.1\r\nHost: localhost\r\n"
        f"Content-Length: {len(body)}\r\n"
        f"Content-Type: application/json\r\nAuthorization: Bearer {server.token}\r\n\r\n"
    )
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=30) as connection:
        connection.sendall(head.encode() + body[:5])
        # Answered on another connection after the first was accepted: the first is being served by now.
        assert ask(server.url, "GET", "/health").status == 200
        server.process.terminate()
        wait_for(lambda: not _accepts(address.hostname or "", address.port or 0))
        connection.sendall(body[5:])
        assert connection.recv(65_536).startswith(b"HTTP/1.1 200")
    assert server.process.wait(30) == 0
    with start_standalone(tmp_path) as again:
        names = [found["name"] for found in Client(again).call("experiments/search", {})["experiments"]]
        assert "in flight" in names


def _accepts(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=5).close()
    except ConnectionError:
        return False
    return True


def test_no_acknowledged_write_is_lost_by_a_signal(tmp_path: Path) -> None:
    server = start_standalone(tmp_path)
    client = Client(server)
    acknowledged: list[str] = []

    def write(worker: int) -> None:
        for number in range(10_000):
            name = f"{worker}-{number}"
            try:
                answer = client.send("POST", "/api/2.0/mlflow/experiments/create", {"name": name})
            except OSError:
                return
            if answer.status != 200:
                return
            acknowledged.append(name)

    threads = [threading.Thread(target=write, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    wait_for(lambda: len(acknowledged) > 20)
    assert server.stop() == 0
    for thread in threads:
        thread.join()
    with start_standalone(tmp_path) as again:
        found = Client(again).call("experiments/search", {"max_results": 50_000})["experiments"]
        assert set(acknowledged) <= {experiment["name"] for experiment in found}


def test_a_local_server_tells_the_runtime_file_alone_and_ends_when_idle(tmp_path: Path) -> None:
    with started(tmp_path, "--local", "--idle-exit", "5") as process:
        path = tmp_path / "runtime" / f"jptracking-{process.pid}.json"
        wait_for(path.exists)
        found = json.loads(path.read_text())
        assert (found["kind"], mode(path)) == ("local", 0o600)
        headers = {"Authorization": f"Bearer {found['token']}", "Content-Type": "application/json"}
        assert ask(found["url"], "POST", SEARCH, b"{}", headers).status == 200
        assert ask(found["url"], "POST", SEARCH, b"{}", {"Content-Type": "application/json"}).status == 401
        assert process.wait(60) == 0
        assert process.stdout is not None
        assert process.stdout.read() == ""
    assert not path.exists()
    # Its token is its own, not the one that the standalone server keeps.
    assert not (tmp_path / "data" / "tracking" / "token").exists()


def test_an_open_server_takes_programs_but_not_foreign_pages(tmp_path: Path) -> None:
    with start_standalone(tmp_path, auth="none") as server:
        assert server.log.read_text().splitlines() == [f"export MLFLOW_TRACKING_URI={server.url}"]
        client = Client(server)
        assert client.send("POST", SEARCH, {}).status == 200
        own = f"http://localhost:{urlsplit(server.url).port}"
        assert client.send("POST", SEARCH, {}, Origin=own, Host=own[7:]).status == 200
        assert client.send("POST", SEARCH, {}, Sec_Fetch_Site="same-origin").status == 200
        for headers in (
            {"Sec_Fetch_Site": "cross-site"},
            {"Sec_Fetch_Site": "same-site"},
            {"Origin": "http://localhost:1"},
            {"Origin": "null"},
        ):
            answer = client.send("POST", SEARCH, {}, **headers)
            assert (answer.status, answer.error_code) == (403, "PERMISSION_DENIED")


def test_a_prefix_comes_before_everything(tmp_path: Path) -> None:
    port = free_port()
    with started(tmp_path, "--port", str(port), "--static-prefix", "/track.ing") as process:
        assert process.stdout is not None
        root, url = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{port}/track.ing"
        assert process.stdout.readline() == f"export MLFLOW_TRACKING_URI={url}\n"
        token = process.stdout.readline().partition("TOKEN=")[2].strip()
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        assert ask(url, "GET", "/health").body == b"OK"
        assert ask(url, "GET", "").status == 200
        assert ask(url, "POST", SEARCH, b"{}", headers).status == 200
        for place in ("/health", SEARCH, "/trackXing/health", "/track.ing-x/health", "/"):
            answer = ask(root, "GET", place, None, headers)
            assert (answer.status, answer.error_code) == (404, "ENDPOINT_NOT_FOUND")
        process.terminate()
        assert process.wait(30) == 0


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--auth", "none", "--host", "0.0.0.0"), "--auth token"),
        (("--allowed-hosts", "10.*"), "10.evil.example"),
        (("--backend-store-uri", "mysql://u:secret@h/d"), "neither sqlite"),
        (("--artifacts-destination", "gopher://x"), "gopher"),
        (("--port", "70000"), "65535"),
        (("--no-such-flag",), "--no-such-flag"),
    ],
)
def test_what_cannot_be_served_is_said_in_a_sentence(
    flags: tuple[str, ...], words: str, tmp_path: Path
) -> None:
    ended = run(tmp_path, *flags)
    assert ended.returncode == 2
    assert words in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "secret" not in ended.stderr
    assert ended.stdout == ""


def test_a_port_that_is_taken_is_said_in_a_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ended = run(tmp_path, "--port", str(taken.getsockname()[1]))
    assert ended.returncode == 2
    assert str(taken) not in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "--port" in ended.stderr


def test_a_database_of_mlflow_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE experiments (experiment_id INTEGER, lifecycle_stage VARCHAR(32))")
        database.execute("CREATE TABLE alembic_version (version_num VARCHAR(32))")
    before = path.read_bytes()
    ended = run(tmp_path, "--backend-store-uri", f"sqlite:///{path}")
    assert ended.returncode == 2
    assert "MLflow" in ended.stderr
    assert path.read_bytes() == before
    assert not list(tmp_path.glob("mlflow.db?*"))
