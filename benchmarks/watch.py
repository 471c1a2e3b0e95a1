"""What a server uses while it is at work: memory, temporary disk and CPU, sampled from outside."""

from __future__ import annotations

import contextlib
import os
import stat
import threading
from pathlib import Path

from tests.servers import session_memory, session_processes

EVERY = 0.1
"""Seconds between samples."""
_TICKS = os.sysconf("SC_CLK_TCK")


class Watch:
    """Watches a server's session during a `with` block.

    Args:
        session: the server's process id, which is its session's.
        folder: below it lie all files that the server may make.

    Attributes:
        memory: bytes by which the processes' proportional shares together exceeded what they had before.
        disk: bytes by which files below the folder, and deleted ones held open, exceeded what there was.
        cpu: seconds that the processes used.
    """

    def __init__(self, session: int, folder: Path) -> None:
        self._session = session
        self._folder = folder
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self.memory = 0
        self.disk = 0
        self.cpu = 0.0

    def __enter__(self) -> Watch:
        self._rest = session_memory(self._session)
        self._files = self._disk()
        self._used = self._cpu()
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._done.set()
        self._thread.join()
        self.cpu = self._cpu() - self._used

    def _sample(self) -> None:
        while not self._done.wait(EVERY):
            self.memory = max(self.memory, session_memory(self._session) - self._rest)
            self.disk = max(self.disk, self._disk() - self._files)

    def _disk(self) -> int:
        sizes: dict[tuple[int, int], int] = {}
        # Not rglob, which stumbles over a folder that goes while it looks.
        found = [Path(parent, name) for parent, _, names in os.walk(self._folder) for name in names]
        for pid in session_processes(self._session):
            with contextlib.suppress(OSError):
                found += Path(f"/proc/{pid}/fd").iterdir()
        for path in found:
            with contextlib.suppress(OSError):
                # Through /proc also files that have no name any more.
                status = path.stat()
                if stat.S_ISREG(status.st_mode) and not path.name.endswith((".log", ".db", ".db-wal")):
                    sizes[status.st_dev, status.st_ino] = status.st_blocks * 512
        return sum(sizes.values())

    def _cpu(self) -> float:
        ticks = 0
        for pid in session_processes(self._session):
            with contextlib.suppress(OSError):
                # After the command's closing parenthesis, from the state on: user time, system time.
                fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
                ticks += int(fields[11]) + int(fields[12])
        return ticks / _TICKS
