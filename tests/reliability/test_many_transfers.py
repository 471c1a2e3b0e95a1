"""16 uploads and 16 downloads at once through one server, on a folder and on S3: its memory stays bounded.

The size of each is 64 MiB here; `JUPYTER_TRACKING_TRANSFER_MIB=256` is the full measure.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from tests.object_servers import S3Server
from tests.reliability.ledger import create_run
from tests.servers import Server, session_memory, start_standalone

MIB = 2**20
SIZE = int(os.environ.get("JUPYTER_TRACKING_TRANSFER_MIB", "64")) * MIB
AT_ONCE = 16
MEMORY_ALLOWED = 256 * MIB
NOISE = os.urandom(MIB)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.fixture(params=["file", "s3"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    options, variables = [], {}
    if request.param == "s3":
        s3_server: S3Server = request.getfixturevalue("s3_server")
        options = ["--artifacts-destination", f"s3://{request.getfixturevalue('s3_bucket')}"]
        variables = s3_server.environment
    with start_standalone(tmp_path / "server", options=options, variables=variables) as running:
        yield running


def test_memory_stays_bounded(server: Server) -> None:
    """All bytes equal, memory within 256 MiB over rest, and other calls answered meanwhile."""
    with requests.Session() as http:
        http.headers.update(server.headers)
        run = create_run(http, server)
    root = f"{server.url}/api/2.0/mlflow-artifacts/artifacts/0/{run}/artifacts"
    first = [f"{root}/first/{number}.bin" for number in range(AT_ONCE)]
    second = [f"{root}/second/{number}.bin" for number in range(AT_ONCE)]
    rest = session_memory(server.pid)
    peak, slowest, done = [rest], [0.0], threading.Event()

    def watch() -> None:
        while not done.wait(0.1):
            peak.append(session_memory(server.pid))
            reply = requests.get(f"{server.url}/health", timeout=60)
            slowest.append(reply.elapsed.total_seconds())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        with ThreadPoolExecutor(2 * AT_ONCE) as pool:
            expected = list(pool.map(lambda url: upload(server, url), first))
            downloads = [pool.submit(download, server, url) for url in first]
            uploads = [pool.submit(upload, server, url) for url in second]
            assert [task.result() for task in downloads] == expected
            assert len({task.result() for task in uploads}) == AT_ONCE
    finally:
        done.set()
        watcher.join()
    growth = max(peak) - rest
    print(f"{SIZE // MIB} MiB each: memory +{growth / MIB:.0f} MiB, slowest other call {max(slowest):.2f} s")
    assert growth < MEMORY_ALLOWED, f"{growth / MIB:.0f} MiB"


def upload(server: Server, url: str) -> str:
    """Store bytes that differ by their address; their hash."""
    sent = hashlib.sha256()

    def blocks() -> Iterator[bytes]:
        for number in range(SIZE // MIB):
            block = f"{url} {number}".encode().ljust(200) + NOISE[200:]
            sent.update(block)
            yield block

    requests.put(url, data=blocks(), headers=server.headers, timeout=600).raise_for_status()
    return sent.hexdigest()


def download(server: Server, url: str) -> str:
    """The hash of what comes."""
    found = hashlib.sha256()
    with requests.get(url, headers=server.headers, stream=True, timeout=600) as reply:
        reply.raise_for_status()
        for chunk in reply.iter_content(MIB):
            found.update(chunk)
    return found.hexdigest()
