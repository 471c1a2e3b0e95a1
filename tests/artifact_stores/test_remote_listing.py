"""Pages of folders that can only be gone through as a whole."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator

from jupyter_tracking_server.artifact_stores.base import Entry
from jupyter_tracking_server.artifact_stores.keys import Key
from jupyter_tracking_server.artifact_stores.remote_listing import RemoteListing

from .transfers import on_loop


class Folders:
    """Folders in memory, and how often they were gone through."""

    def __init__(self, count: int) -> None:
        self.scans = 0
        self.entries = [Entry(f"{number:06}", None if number % 7 == 0 else number) for number in range(count)]

    async def scan(self, folder: Key) -> AsyncIterator[Entry]:
        self.scans += 1
        for entry in random.Random(1).sample(self.entries, len(self.entries)) if folder == ("many",) else []:
            yield entry


async def all_pages(listing: RemoteListing, limit: int) -> list[Entry]:
    page = await listing.page(("many",), "", limit)
    found = page.entries
    while page.cursor:
        page = await listing.page(("many",), page.cursor, limit)
        assert len(page.entries) <= limit
        found += page.entries
    return found


@on_loop
async def test_a_listing_of_many_pages_needs_few_scans() -> None:
    folders = Folders(45_000)
    assert await all_pages(RemoteListing(folders.scan), 1000) == folders.entries
    assert folders.scans == 3


@on_loop
async def test_listings_at_once_do_not_mix_and_old_ones_are_scanned_again() -> None:
    folders = Folders(3000)
    listing = RemoteListing(folders.scan)
    first = [await listing.page(("many",), "", limit) for limit in range(1, 11)]
    for limit, page in enumerate(first, start=1):
        assert page.entries == folders.entries[:limit]
        assert (await listing.page(("many",), page.cursor, 5)).entries == folders.entries[limit : limit + 5]
    assert (await listing.page(("none",), "", 5)) == ([], "")


@on_loop
async def test_a_first_page_is_always_new() -> None:
    folders = Folders(10)
    listing = RemoteListing(folders.scan)
    await listing.page(("many",), "", 3)
    del folders.entries[0]
    assert (await listing.page(("many",), "", 3)).entries == folders.entries[:3]
