"""An artifact larger than any buffer goes through the embedded server: constant memory, no second copy.

The size is 2 GiB; `JUPYTER_TRACKING_BIG_ARTIFACT_MIB` makes a quick run smaller.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.reliability.ledger import create_run
from tests.servers import Server, start_embedded

MIB = 2**20
SIZE = int(os.environ.get("JUPYTER_TRACKING_BIG_ARTIFACT_MIB", "2048")) * MIB
MEMORY_ALLOWED = 64 * MIB
DISK_ALLOWED = 32 * MIB
"""What database, logs and runtime files may grow by while an artifact passes."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """An embedded server; its files are removed at the end, as pytest would keep them for three sessions."""
    folder = tmp_path / "jupyter"
    try:
        with start_embedded(folder) as running:
            yield running
    finally:
        shutil.rmtree(folder)


def test_two_gibibytes_up_and_down(server: Server, tmp_path: Path) -> None:
    """Equal bytes, memory within 64 MiB, and never more on disk than one copy."""
    with requests.Session() as http:
        http.headers.update(server.headers)
        run = create_run(http, server)
        url = f"{server.url}/api/2.0/mlflow-artifacts/artifacts/0/{run}/artifacts/deep/big.bin"
        content = Content(SIZE)
        with Watch(server, tmp_path / "jupyter") as up:
            reply = http.put(url, data=content, timeout=600)
            assert reply.status_code == 200, reply.text
        assert up.memory_growth < MEMORY_ALLOWED, f"{up.memory_growth / MIB:.0f} MiB"
        # The artifact and nothing else of its size, at any moment.
        assert SIZE <= up.largest_growth < SIZE + DISK_ALLOWED
        assert up.largest_elsewhere < DISK_ALLOWED

        received = hashlib.sha256()
        with Watch(server, tmp_path / "jupyter") as down, http.get(url, stream=True, timeout=600) as reply:
            assert reply.status_code == 200
            assert int(reply.headers["Content-Length"]) == SIZE
            for block in reply.iter_content(MIB):
                received.update(block)
        assert down.memory_growth < MEMORY_ALLOWED, f"{down.memory_growth / MIB:.0f} MiB"
        assert down.largest_growth < DISK_ALLOWED
        assert down.largest_elsewhere < DISK_ALLOWED
    assert received.hexdigest() == content.hash.hexdigest()
    print(f"{SIZE // MIB} MiB: memory +{up.memory_growth / MIB:.1f} up, +{down.memory_growth / MIB:.1f} down")


class Content:
    """A body of random, never repeating bytes that `requests` streams, with its length said beforehand."""

    def __init__(self, size: int) -> None:
        self.hash = hashlib.sha256()
        self._left = size
        self._size = size
        self._noise = os.urandom(MIB)

    def __len__(self) -> int:
        return self._size

    def read(self, _amount: int = -1) -> bytes:
        """The next mebibyte, whatever amount was asked for; empty at the end."""
        block = (self._left.to_bytes(8, "big") + self._noise)[: min(MIB, self._left)]
        self._left -= len(block)
        self.hash.update(block)
        return block


class Watch:
    """Watches a server during a `with` block: its peak memory and all files that grow by it.

    Attributes:
        memory_growth: bytes between its memory before and its peak.
        largest_growth: the most by which all files below `folder` together ever exceeded their size before.
        largest_elsewhere: the largest file seen open in the server outside `folder`, unlinked ones too.
    """

    def __init__(self, server: Server, folder: Path) -> None:
        self._process = Path(f"/proc/{server.pid}")
        self._folder = folder
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._sample)
        self.memory_growth = 0
        self.largest_growth = 0
        self.largest_elsewhere = 0

    def __enter__(self) -> Watch:
        # 5 makes the kernel forget the peak so far.
        (self._process / "clear_refs").write_text("5", encoding="ascii")
        self._memory_before = self._memory("VmRSS")
        self._disk_before = self._disk()
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._done.set()
        self._thread.join()
        self.memory_growth = self._memory("VmHWM") - self._memory_before
        self._look()

    def _sample(self) -> None:
        while not self._done.wait(0.05):
            self._look()

    def _look(self) -> None:
        self.largest_growth = max(self.largest_growth, self._disk() - self._disk_before)
        self.largest_elsewhere = max(self.largest_elsewhere, self._open_elsewhere())

    def _memory(self, field: str) -> int:
        found = re.search(
            rf"^{field}:\s+(\d+) kB", (self._process / "status").read_text("ascii"), re.MULTILINE
        )
        assert found
        return int(found[1]) * 1024

    def _disk(self) -> int:
        # By inode: a file that is renamed during the walk may be met under both names, and is one copy.
        sizes: dict[tuple[int, int], int] = {}
        for path in self._folder.rglob("*"):
            with contextlib.suppress(FileNotFoundError):
                status = path.lstat()
                if stat.S_ISREG(status.st_mode):
                    sizes[status.st_dev, status.st_ino] = status.st_size
        return sum(sizes.values())

    def _open_elsewhere(self) -> int:
        """The size of the largest file outside the folder that the server holds open."""
        largest = 0
        for descriptor in (self._process / "fd").iterdir():
            with contextlib.suppress(FileNotFoundError):
                status, target = descriptor.stat(), str(descriptor.readlink())
                inside = target.startswith(str(self._folder)) and not target.endswith("(deleted)")
                if stat.S_ISREG(status.st_mode) and not inside:
                    largest = max(largest, status.st_size)
        return largest
