"""Large files between our client and real servers: equal, resumed, not sent twice."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import jupyter_tracking as tracking
from jupyter_tracking.client.artifact_paths import address, proxy_path
from jupyter_tracking.client.artifacts import Artifacts
from jupyter_tracking.client.client import TrackingClient
from jupyter_tracking.client.credentials import Credentials, bearer
from jupyter_tracking.client.progress import Told
from jupyter_tracking.client.retries import Retries
from jupyter_tracking.client.sources import FileChanged
from jupyter_tracking.client.transport import HttpRequest, RequestsTransport
from jupyter_tracking.protocol import runs
from jupyter_tracking.tracker import tracker
from tests.client.relay import relay
from tests.compat.environments import program
from tests.kernels import kernel
from tests.servers import ONE_WORKER, Server, start_standalone, start_stock_mlflow

MIB = 2**20
SIZE = 100 * MIB
PART = 4 * MIB
PARTS = SIZE // PART
HELD = """
import sys, threading
import jupyter_tracking as tracking

def progress(path, done, total):
    if done > total // 2:
        print("half", flush=True)
        threading.Event().wait()

tracking.start_run(run_id=sys.argv[1])
tracking.log_artifact(sys.argv[2], progress=progress)
"""
"""Uploads half a file and stops there."""


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE", str(PART))


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("big") / "big.bin"
    with path.open("wb") as file:
        for _ in range(SIZE // MIB):
            file.write(os.urandom(MIB))
    return path


@pytest.fixture
def run_id(tracked: Server) -> Iterator[str]:
    with tracking.start_run() as run:
        yield run.run_id


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def test_what_goes_up_comes_down(run_id: str, big: Path, tmp_path: Path) -> None:
    tracking.log_artifact(big, "in")
    with tracker.artifacts(run_id).open("in/big.bin", 1) as reply:
        assert reply.headers["ETag"] == f'"{sha256(big)}"'
    down = tracking.download_artifacts(artifact_path="in/big.bin", dst_path=tmp_path / "down")
    assert sha256(Path(down)) == sha256(big)


def test_after_the_process_was_killed_only_missing_parts_are_sent(
    tracked: Server, run_id: str, big: Path
) -> None:
    client = subprocess.Popen(
        [sys.executable, "-c", HELD, run_id, str(big)], stdout=subprocess.PIPE, text=True
    )
    assert client.stdout is not None
    assert client.stdout.readline() == "half\n"
    client.kill()
    client.communicate()
    with relay(tracked.url) as counting:
        transport = RequestsTransport(counting.url, bearer(tracked.token or ""))
        location = tracker.client.run(run_id).info.artifact_uri
        Artifacts(TrackingClient(transport), run_id, location).upload(big)
        # Half of it was sent; up to four parts of that were not there whole.
        assert PARTS // 2 <= counting.parts <= PARTS // 2 + 5
    with tracker.artifacts(run_id).open("big.bin", 1) as reply:
        assert reply.headers["ETag"] == f'"{sha256(big)}"'


INTERRUPTED = """
import threading, time
import jupyter_tracking as tracking

def slowly(path, done, total):
    if done > total // 2:
        print("half", flush=True)
        time.sleep(0.1)

tracking.start_run(run_id={run_id!r})
tracking.log_artifact({big!r}, progress=slowly)
"""
THREADS = """
for thread in threading.enumerate():
    if thread.name.startswith("jupyter-tracking"):
        thread.join(30)
        print(thread.is_alive())
"""


def test_after_an_interrupt_it_ends_at_once_and_goes_on_later(
    tracked: Server, run_id: str, big: Path, tmp_path: Path
) -> None:
    environment = {**tracked.client_environment, "MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE": str(PART)}
    with kernel(tmp_path, environment) as started:
        cell = INTERRUPTED.format(run_id=run_id, big=str(big))
        assert started.run(cell, interrupt_at="half").error == "KeyboardInterrupt"
        assert "True" not in started.run(THREADS).text
        assert tracking.list_artifacts(run_id) == []
        with relay(tracked.url) as counting:
            transport = RequestsTransport(counting.url, bearer(tracked.token or ""))
            location = tracker.client.run(run_id).info.artifact_uri
            Artifacts(TrackingClient(transport), run_id, location).upload(big)
            assert 1 <= counting.parts <= PARTS // 2 + 5


def test_what_is_there_is_not_sent_again(tracked: Server, run_id: str, big: Path) -> None:
    location = tracker.client.run(run_id).info.artifact_uri
    with relay(tracked.url) as counting:
        transport = RequestsTransport(counting.url, bearer(tracked.token or ""))
        artifacts = Artifacts(TrackingClient(transport), run_id, location)
        assert artifacts.upload(big).were_there == 0
        assert counting.parts == PARTS
        assert artifacts.upload(big).were_there == 1
        assert counting.parts == PARTS


def test_a_file_that_grows_meanwhile_is_refused(run_id: str, big: Path, tmp_path: Path) -> None:
    growing = tmp_path / "growing.bin"
    growing.write_bytes(big.read_bytes()[: 40 * MIB])

    def progress(path: str, done: int, total: int | None) -> None:
        with growing.open("ab") as file:
            file.write(b"x")

    with pytest.raises(FileChanged, match=r"growing\.bin changed while it was being uploaded"):
        tracking.log_artifact(growing, progress=progress)
    assert tracking.list_artifacts(run_id) == []
    tracking.log_artifact(growing)
    assert [entry.file_size for entry in tracking.list_artifacts(run_id)] == [growing.stat().st_size]


def at_half(do: Callable[[], None]) -> Told:
    """Do something once, when half a file has been moved."""
    done_it: list[bool] = []

    def progress(path: str, done: int, total: int | None) -> None:
        if done > (total or 0) // 2 and not done_it:
            done_it.append(True)
            do()

    return Told(progress)


def test_a_server_that_is_restarted_meanwhile_is_no_matter(big: Path, tmp_path: Path) -> None:
    servers = [start_standalone(tmp_path / "server")]
    port = int(servers[0].url.rpartition(":")[2])

    def restart() -> None:
        servers[0].kill()
        servers.append(start_standalone(tmp_path / "server", port=port))

    try:
        transport = RequestsTransport(servers[0].url, bearer(servers[0].token or ""))
        client = TrackingClient(transport, Retries(total=5, backoff=0.1, jitter=0))
        info = client.send(runs.create_run, runs.CreateRun()).run.info
        artifacts = Artifacts(client, info.run_id, info.artifact_uri, at_half(restart))
        artifacts.upload(big)
        assert len(servers) == 2
        artifacts.download("big.bin", tmp_path / "down")
        assert sha256(tmp_path / "down" / "big.bin") == sha256(big)
    finally:
        servers[-1].stop()


def test_a_download_goes_on_after_a_restart(big: Path, tmp_path: Path) -> None:
    servers = [start_standalone(tmp_path / "server")]
    port = int(servers[0].url.rpartition(":")[2])
    restarted_at: list[int] = []

    def restart() -> None:
        servers[0].kill()
        servers.append(start_standalone(tmp_path / "server", port=port))

    def progress(path: str, done: int, total: int | None) -> None:
        if done > SIZE // 2 and not restarted_at:
            restarted_at.append(done)
            restart()
        elif restarted_at and len(restarted_at) == 1:
            restarted_at.append(done)

    try:
        transport = RequestsTransport(servers[0].url, bearer(servers[0].token or ""))
        client = TrackingClient(transport, Retries(total=5, backoff=0.1, jitter=0))
        info = client.send(runs.create_run, runs.CreateRun()).run.info
        Artifacts(client, info.run_id, info.artifact_uri).upload(big)
        Artifacts(client, info.run_id, info.artifact_uri, Told(progress)).download("big.bin", tmp_path)
        assert len(servers) == 2
        assert restarted_at[1] > SIZE // 2, "it did not begin anew"
        assert sha256(tmp_path / "big.bin") == sha256(big)
    finally:
        servers[-1].stop()


@pytest.mark.peer
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_stock_server_gets_and_gives_the_same_bytes(big: Path, tmp_path: Path) -> None:
    with start_stock_mlflow(program("mlflow3", "mlflow"), tmp_path / "server", options=ONE_WORKER) as server:
        client = TrackingClient(RequestsTransport(server.url, Credentials()), Retries(total=1))
        request = runs.CreateRun(experiment_id="0")
        info = client.send(runs.create_run, request).run.info
        artifacts = Artifacts(client, info.run_id, info.artifact_uri)
        (tmp_path / "model" / "deep").mkdir(parents=True)
        (tmp_path / "model" / "big.bin").symlink_to(big)
        (tmp_path / "model" / "deep" / "empty").touch()
        assert artifacts.upload(tmp_path / "model").files == 2
        assert artifacts.upload(big).were_there == 0
        assert artifacts.upload(big).were_there == 0, "it knows no checksums"
        artifacts.download("", tmp_path / "down")
        for path in ("big.bin", "model/big.bin"):
            assert sha256(tmp_path / "down" / path) == sha256(big)
        assert (tmp_path / "down" / "model" / "deep" / "empty").read_bytes() == b""
        head = HttpRequest("HEAD", address(f"{proxy_path(info.artifact_uri, server.url)}/big.bin"))
        with client.transport.send(head) as reply:
            assert "Digest" not in reply.headers
