"""Who wants to know how far transfers are: a *watcher* hears of it, from any thread."""

from __future__ import annotations

import threading
from collections.abc import Callable

Progress = Callable[[str, int, int | None], None]
"""Called with a path, its bytes moved so far, and all its bytes if known; maybe from several threads."""


class Watcher:
    """Hears how far the transfers of one call are. This one keeps it to itself."""

    def begin(self, what: str, total: int | None) -> None:
        """It begins: what is moved, as people call it, and its bytes if they are known."""

    def checked(self, path: str, done: int, total: int) -> None:
        """So many bytes of a file have been read to take its checksum."""

    def moved(self, path: str, done: int, total: int | None) -> None:
        """So many bytes of a file have been moved; they get less when some are sent again."""

    def end(self, line: str = "") -> None:
        """It is over. ``line`` says what came of it; none if it failed or others say it."""


class Told(Watcher):
    """Tells a function."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def moved(self, path: str, done: int, total: int | None) -> None:
        """Call it."""
        self._progress(path, done, total)


class Tally:
    """How much of one file has been moved, in pieces, by several threads.

    Args:
        watcher: is told the sum.
        check: called at each step; raises if the transfer shall stop.
    """

    def __init__(self, watcher: Watcher, path: str, total: int | None, check: Callable[[], None]) -> None:
        self.total = total
        self._watcher = watcher
        self._path = path
        self._check = check
        self._pieces: dict[int, int] = {}
        self._done = 0
        self._lock = threading.Lock()

    def add(self, count: int, piece: int = 0) -> None:
        """Some more of a piece has been moved."""
        self._check()
        self._count(piece, self._pieces.get(piece, 0) + count)

    def restart(self, piece: int = 0, done: int = 0) -> None:
        """A piece is moved anew, or ``done`` bytes of it are there already."""
        self._check()
        self._count(piece, done)

    def checked(self, done: int) -> None:
        """So many bytes have been read for the checksum."""
        self._check()
        self._watcher.checked(self._path, done, self.total or done)

    def finish(self) -> None:
        """All of it is there."""
        with self._lock:
            self._watcher.moved(self._path, self.total or self._done, self.total)

    def _count(self, piece: int, done: int) -> None:
        with self._lock:
            self._done += done - self._pieces.get(piece, 0)
            self._pieces[piece] = done
            self._watcher.moved(self._path, self._done, self.total)
