"""Pages of folders that can only be gone through as a whole, each time over the network.

So that a listing of many pages does not go through the folder for each, what a scan saw beyond its page is
kept for the ones that follow, for a short time and up to a bound.
"""

from __future__ import annotations

import heapq
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from typing import NamedTuple

from .base import Entry, Page
from .keys import Key
from .listing import MAX_PAGE, order

__all__ = ["RemoteListing"]

AHEAD = 20 * MAX_PAGE
"""Entries kept of one listing, of some hundred bytes each."""
KEPT_LISTINGS = 4
KEPT_SECONDS = 30.0


class _Kept(NamedTuple):
    """What comes next in a listing; ``more`` says that there is still more after it."""

    entries: list[Entry]
    more: bool
    until: float


class RemoteListing:
    """Pages of what ``scan`` gives of a folder, in any order.

    A first page is always new; the ones after it may be as old as the scan that it came from.
    """

    def __init__(self, scan: Callable[[Key], AsyncIterator[Entry]]) -> None:
        self._scan = scan
        self._kept: OrderedDict[tuple[Key, str], _Kept] = OrderedDict()

    async def page(self, folder: Key, cursor: str, limit: int) -> Page:
        """The entries after ``cursor``."""
        wanted = min(limit, MAX_PAGE)
        kept = self._kept.pop((folder, cursor), None)
        if not cursor or kept is None or kept.until < time.monotonic():
            kept = await self._look(folder, cursor)
        found, rest = kept.entries[:wanted], kept.entries[wanted:]
        after = order(found[-1]) if found and (rest or kept.more) else ""
        if rest:
            self._kept[folder, after] = kept._replace(entries=rest)
            while len(self._kept) > KEPT_LISTINGS:
                self._kept.popitem(last=False)
        return Page(found, after)

    async def _look(self, folder: Key, cursor: str) -> _Kept:
        found: list[Entry] = []
        more = False
        async for entry in self._scan(folder):
            if order(entry) > cursor:
                found.append(entry)
                if len(found) >= 2 * AHEAD:
                    found, more = heapq.nsmallest(AHEAD, found, key=order), True
        found.sort(key=order)
        return _Kept(found[:AHEAD], more or len(found) > AHEAD, time.monotonic() + KEPT_SECONDS)
