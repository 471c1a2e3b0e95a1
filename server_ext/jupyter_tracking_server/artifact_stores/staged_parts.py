"""Uploads in parts for stores that have none of their own.

Each part is an artifact of the same store, ``.uploads/<upload>/<number>``; completing streams them, one after
another, through ``create`` into the real key. An upload's id has the time when it was begun and a digest of
its key, so that the id is of no use for another key.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Protocol, TypeAlias

from .base import ArtifactInfo, ByteRange, Download, Entry, Page, Part, Upload
from .errors import (
    BrokenRead,
    IncompleteUpload,
    InvalidPart,
    NoSuchArtifact,
    NoSuchUpload,
    StoreError,
    StoreUnavailable,
)
from .keys import UPLOADS, Key, text

__all__ = ["StagedParts", "Staging"]

BEGUN = "begun"
"""The empty artifact that says that an upload is open."""
ASKED_AT_ONCE = 8

_FORM = re.compile(r"([0-9a-f]{12})-[0-9a-f]{16}-([0-9a-f]{16})")
_NUMBER = re.compile(r"[0-9]{5}")
log = logging.getLogger("jupyter_tracking")


Join: TypeAlias = Callable[[Sequence[Key], Key], Awaitable[ArtifactInfo | None]]
"""Makes an artifact of others in the store itself; None if their bytes must come through here."""


class Staging(Protocol):
    """What is needed of a store: these methods of ``ArtifactStore``, which take keys below ``.uploads``."""

    async def create(self, key: Key, size: int | None = None) -> Upload:
        """Begin to write an artifact."""

    async def read(self, key: Key, part: ByteRange | None = None) -> Download:
        """Begin to read an artifact."""

    async def info(self, key: Key) -> ArtifactInfo:
        """What is known of an artifact."""

    async def entries(self, folder: Key, cursor: str = "", limit: int = 1000) -> Page:
        """Some of what is directly in a folder."""

    async def delete(self, key: Key) -> bool:
        """Remove an artifact, or a folder with all below."""


class StagedParts:
    """The methods of ``ArtifactStore`` for uploads in parts, over its other ones.

    A part's ETag is that of the artifact which it is. Only names that have the form of its upload ids are
    touched in ``.uploads``; a store may keep other things there, under other names.

    Args:
        store: keeps the parts.
        join: spares the bytes the way through here, if the store can do that.
    """

    def __init__(self, store: Staging, join: Join | None = None) -> None:
        self._store = store
        self._join = join

    async def begin(self, key: Key) -> str:
        """Begin an upload in parts; its id."""
        upload = f"{int(time.time() * 1000):012x}-{secrets.token_hex(8)}-{_digest(key)}"
        async with await self._store.create((UPLOADS, upload, BEGUN)) as begun:
            await begun.finish(0)
        return upload

    async def create_part(self, key: Key, upload: str, number: int, size: int) -> Upload:
        """Begin to write a part."""
        await self._require(key, upload)
        return _PartUpload(await self._store.create(_part_key(upload, number)), size)

    async def parts(self, key: Key, upload: str) -> list[Part]:
        """The parts that have come whole; each is asked for, for its ETag."""
        await self._require(key, upload)
        return await self._details(upload, [number async for number, _ in self._staged(upload)])

    async def complete(self, key: Key, upload: str, parts: Sequence[Part]) -> ArtifactInfo:
        """Make one artifact of the parts. Interrupted, it can be called again."""
        await self._require(key, upload)
        staged = {number: size async for number, size in self._staged(upload)}
        if not parts:
            raise InvalidPart(1)
        for part in parts:
            if staged.get(part.number) != part.size:
                raise InvalidPart(part.number)
        info = await self._joined(key, upload, parts)
        if info is None:
            async with await self._store.create(key) as whole:
                for part in parts:
                    async for chunk in self._read(upload, part):
                        await whole.write(chunk)
                info = await whole.finish(sum(part.size for part in parts))
        try:
            await self._store.delete((UPLOADS, upload))
        except (StoreError, OSError):
            # The artifact is there; its parts are left to ``sweep``.
            log.warning("The parts of a complete upload could not be removed yet.", exc_info=True)
        return info

    async def abort(self, key: Key, upload: str) -> None:
        """Drop an upload in parts."""
        if _is_of(upload, key):
            await self._store.delete((UPLOADS, upload))

    async def sweep(self, age: float) -> int:
        """Remove the uploads in which nothing has happened for ``age`` seconds; how many there were."""
        before = time.time() - age
        old = [entry.name async for entry in self._all((UPLOADS,)) if _begun(entry.name) <= before]
        swept = 0
        for upload in old:
            if not await self._touched_since(upload, before):
                swept += await self._store.delete((UPLOADS, upload))
        return swept

    async def _require(self, key: Key, upload: str) -> None:
        try:
            if _is_of(upload, key):
                await self._store.info((UPLOADS, upload, BEGUN))
                return
        except NoSuchArtifact:
            pass
        raise NoSuchUpload

    async def _details(self, upload: str, numbers: Sequence[int]) -> list[Part]:
        found: list[Part] = []
        for start in range(0, len(numbers), ASKED_AT_ONCE):
            some = numbers[start : start + ASKED_AT_ONCE]
            infos = await asyncio.gather(*(self._store.info(_part_key(upload, number)) for number in some))
            found += [Part(number, info.size, info.etag) for number, info in zip(some, infos, strict=True)]
        return found

    async def _joined(self, key: Key, upload: str, parts: Sequence[Part]) -> ArtifactInfo | None:
        if self._join is None:
            return None
        numbers = [part.number for part in parts]
        for said, found in zip(parts, await self._details(upload, numbers), strict=True):
            if said != found:
                raise InvalidPart(said.number)
        return await self._join([_part_key(upload, number) for number in numbers], key)

    async def _read(self, upload: str, part: Part) -> AsyncIterator[bytes]:
        try:
            async with await self._store.read(_part_key(upload, part.number)) as download:
                if (download.info.etag, download.info.size) != (part.etag, part.size):
                    raise InvalidPart(part.number)
                async for chunk in download:
                    yield chunk
        except NoSuchArtifact as error:
            raise InvalidPart(part.number) from error
        except BrokenRead as error:
            raise StoreUnavailable from error

    async def _staged(self, upload: str) -> AsyncIterator[tuple[int, int]]:
        """Numbers and sizes, by number."""
        async for entry in self._all((UPLOADS, upload)):
            if entry.size is not None and _NUMBER.fullmatch(entry.name):
                yield int(entry.name), entry.size

    async def _touched_since(self, upload: str, moment: float) -> bool:
        async for number, _ in self._staged(upload):
            try:
                if (await self._store.info(_part_key(upload, number))).modified > moment:
                    return True
            except NoSuchArtifact:
                continue
        return False

    async def _all(self, folder: Key) -> AsyncIterator[Entry]:
        cursor = ""
        while True:
            some = await self._store.entries(folder, cursor)
            for entry in some.entries:
                yield entry
            cursor = some.cursor
            if not cursor:
                return


class _PartUpload(Upload):
    """A part on its way in; it must have the size that was said."""

    def __init__(self, upload: Upload, size: int) -> None:
        self._upload = upload
        self._size = size
        self._received = 0

    async def write(self, chunk: bytes) -> None:
        self._received += len(chunk)
        await self._upload.write(chunk)

    async def finish(self, expected: int | None = None) -> ArtifactInfo:
        if expected not in {None, self._size}:
            await self._upload.abort()
            raise IncompleteUpload(self._received)
        return await self._upload.finish(self._size)

    async def abort(self) -> None:
        await self._upload.abort()


def _part_key(upload: str, number: int) -> Key:
    return (UPLOADS, upload, f"{number:05}")


def _digest(key: Key) -> str:
    return hashlib.sha256(text(key).encode()).hexdigest()[:16]


def _is_of(upload: str, key: Key) -> bool:
    form = _FORM.fullmatch(upload)
    return form is not None and form[2] == _digest(key)


def _begun(name: str) -> float:
    """When an upload was begun, in seconds since the epoch; never, if it is no upload."""
    form = _FORM.fullmatch(name)
    return int(form[1], 16) / 1000 if form else float("inf")
