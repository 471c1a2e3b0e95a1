"""The names in a folder, page by page, for ``file_tree.py``; everything here blocks.

Folders come from the disk in no order, so each page wants a look at all names. To page through a large one in
less than the square of its size, a stretch of names is kept beyond the page, until the folder changes.
"""

from __future__ import annotations

import heapq
import os
import time
from bisect import bisect_right
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

__all__ = ["Names"]

STRETCH = 16_000
"""About a mebibyte of them."""
FOLDERS = 8
"""Folders that names are kept of."""
SETTLED = 1e9
"""Nanoseconds after which a change of a folder surely shows in its time."""


class Stretch(NamedTuple):
    """The names that come after ``after``, as the folder was at ``stamp``; ``more`` if there are others."""

    stamp: tuple[int, int, int]
    after: str
    names: list[str]
    more: bool


class Names:
    """Sorted names of folders; a folder's name has a slash at its end.

    Args:
        stretch: names that are kept of one folder.
    """

    def __init__(self, stretch: int = STRETCH) -> None:
        self._stretch = stretch
        self._kept: dict[Path, Stretch] = {}

    def after(
        self, folder: Path, cursor: str, count: int, hidden: Collection[str] = ()
    ) -> tuple[list[str], bool]:
        """The ``count`` names that come after ``cursor``, and whether more follow.

        Names that are no text, and those in ``hidden``, are left out. The first page is always new.

        Raises:
            OSError: it is no folder that can be read.
        """
        status = folder.stat()
        stamp = (status.st_dev, status.st_ino, status.st_mtime_ns)
        found = self._kept.get(folder) if cursor else None
        if found is None or not _serves(found, stamp, cursor, count):
            found = self._scan(folder, stamp, cursor, hidden)
            if len(found.names) > count and time.time_ns() - status.st_mtime_ns > SETTLED:
                if len(self._kept) >= FOLDERS:
                    self._kept.clear()
                self._kept[folder] = found
        start = bisect_right(found.names, cursor)
        return found.names[start : start + count], found.more or start + count < len(found.names)

    def _scan(
        self, folder: Path, stamp: tuple[int, int, int], cursor: str, hidden: Collection[str]
    ) -> Stretch:
        with os.scandir(folder) as entries:
            names = (_sort_name(entry) for entry in entries if entry.name not in hidden)
            found = heapq.nsmallest(self._stretch + 1, (name for name in names if name > cursor))
        return Stretch(stamp, cursor, found[: self._stretch], len(found) > self._stretch)


def _serves(stretch: Stretch, stamp: tuple[int, int, int], cursor: str, count: int) -> bool:
    if stretch.stamp != stamp or cursor < stretch.after:
        return False
    return not stretch.more or len(stretch.names) - bisect_right(stretch.names, cursor) >= count


def _sort_name(entry: os.DirEntry[str]) -> str:
    """An entry's place in a listing (``listing.order``); before all others if its name is no text."""
    name = entry.name
    try:
        name.encode()
        return name + "/" if entry.is_dir() else name
    except OSError:
        return name
    except UnicodeEncodeError:
        return ""
