"""Pages of a listing, for stores that can only go through a folder from its beginning."""

from __future__ import annotations

import heapq
from collections.abc import Iterable

from .base import Entry, Page

__all__ = ["MAX_PAGE", "order", "page"]

MAX_PAGE = 1000


def order(entry: Entry) -> str:
    """What entries are sorted by: code points sort as their UTF-8 does, and a folder as if with a slash."""
    return entry.name + "/" if entry.size is None else entry.name


def page(entries: Iterable[Entry], cursor: str, limit: int) -> Page:
    """The entries that come next, of all that are in a folder, in any order.

    It holds no more than a page of them, if ``entries`` does not.

    Args:
        entries: all of the folder.
        cursor: the page's before, which is the ``order`` of its last entry.
        limit: entries wanted at most.
    """
    wanted = min(limit, MAX_PAGE)
    found = heapq.nsmallest(wanted + 1, (entry for entry in entries if order(entry) > cursor), key=order)
    return Page(found[:wanted], order(found[wanted - 1]) if len(found) > wanted else "")
