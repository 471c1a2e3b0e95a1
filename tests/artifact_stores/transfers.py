"""Small things that the tests of all stores use."""

from __future__ import annotations

import asyncio
import functools
import random
from collections.abc import Awaitable, Callable
from typing import Any

from jupyter_tracking_server.artifact_stores.base import ArtifactInfo, ArtifactStore, ByteRange, Entry, Part
from jupyter_tracking_server.artifact_stores.keys import Key

MEBIBYTE = 2**20


def on_loop(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Run an async test."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        asyncio.run(_await(test(*args, **kwargs)))

    return run


async def _await(test: Awaitable[None]) -> None:
    await test


async def put(store: ArtifactStore, key: Key, content: bytes, chunk: int = 65_536) -> ArtifactInfo:
    """Store an artifact in chunks."""
    async with await store.create(key) as upload:
        for start in range(0, len(content), chunk):
            await upload.write(content[start : start + chunk])
        return await upload.finish(len(content))


async def put_all(store: ArtifactStore, contents: dict[Key, bytes], at_once: int = 16) -> None:
    """Store many artifacts."""
    turn = asyncio.Semaphore(at_once)

    async def put_one(key: Key, content: bytes) -> None:
        async with turn:
            await put(store, key, content)

    await asyncio.gather(*(put_one(key, content) for key, content in contents.items()))


async def put_part(store: ArtifactStore, key: Key, upload: str, number: int, content: bytes) -> Part:
    """Send a part in chunks."""
    async with await store.create_part(key, upload, number, len(content)) as part:
        for start in range(0, len(content), 65_536):
            await part.write(content[start : start + 65_536])
        info = await part.finish(len(content))
    assert info.size == len(content)
    return Part(number, info.size, info.etag)


async def get(store: ArtifactStore, key: Key, part: ByteRange | None = None) -> bytes:
    """The bytes of an artifact."""
    async with await store.read(key, part) as download:
        return b"".join([chunk async for chunk in download])


async def everything(store: ArtifactStore, folder: Key, limit: int = 1000) -> list[Entry]:
    """All that is directly in a folder, page after page."""
    found: list[Entry] = []
    cursor = ""
    while True:
        page = await store.entries(folder, cursor, limit)
        assert len(page.entries) <= limit
        found += page.entries
        cursor = page.cursor
        if not cursor:
            return found


def pattern(size: int) -> bytes:
    """Bytes of which no two kibibytes are alike."""
    return b"".join(number.to_bytes(8, "big") for number in range(-(-size // 8)))[:size]


def noise(seed: int, size: int) -> bytes:
    """Other bytes for each seed."""
    return random.Random(seed).randbytes(size)
