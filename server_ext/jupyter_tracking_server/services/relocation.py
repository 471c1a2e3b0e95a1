"""Whether the files of runs and models are all at the place that their locations are to name."""

from __future__ import annotations

from collections.abc import Sequence

from ..artifact_stores.base import ArtifactStore, Entry
from ..artifact_stores.keys import Key
from .gc_places import Places, Root, Spot

__all__ = ["differences"]

MOST = 20


async def differences(roots: Sequence[Root], pairs: Sequence[tuple[str, str]]) -> list[str]:
    """What is not at the new place as at the old, as sentences; only the first ones.

    Args:
        roots: stores that the old and new locations lie in.
        pairs: old and new location.
    """
    places = Places(roots)
    found: list[str] = []
    for old, new in pairs:
        before, after = places.spot(old), places.spot(new)
        for location, spot in ((old, before), (new, after)):
            if spot is None:
                found.append(f"{location} lies below no place that is open here")
        if before is not None and after is not None:
            found += [f"{new}: {fault}" for fault in await _compare(before, after)]
        if len(found) >= MOST:
            break
    return found[:MOST]


async def _compare(before: Spot, after: Spot) -> list[str]:
    folders: list[Key] = [()]
    while folders:
        folder = folders.pop()
        old = await _all(before.root.store, before.key + folder)
        new = {entry.name: entry.size for entry in await _all(after.root.store, after.key + folder)}
        for entry in old:
            path = "/".join((*folder, entry.name))
            if entry.name not in new:
                return [f"{path} is missing"]
            if entry.size != new[entry.name]:
                return [f"{path} has another size"]
        folders += [(*folder, entry.name) for entry in old if entry.size is None]
    return []


async def _all(store: ArtifactStore, folder: Key) -> list[Entry]:
    found: list[Entry] = []
    cursor = ""
    while True:
        page = await store.entries(folder, cursor)
        found += page.entries
        cursor = page.cursor
        if not cursor:
            return found
