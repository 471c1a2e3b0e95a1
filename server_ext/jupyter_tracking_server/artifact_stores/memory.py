"""Artifacts in the memory of this process, for tests.

It has no bound, it is empty at each start, and no other process sees it: nothing for more than trying out.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import AsyncIterator
from typing import NamedTuple, TypeAlias

from .base import ArtifactInfo, ByteRange, Download, Entry, Options, Page, Signer, Span, Upload
from .errors import IncompleteUpload, NoSuchArtifact, NotAFile, NotAFolder
from .kept_parts import KeepsParts
from .keys import UPLOADS, Key
from .listing import page
from .staged_parts import StagedParts

__all__ = ["MemoryStore", "open_store"]

CHUNK = 2**19


class Blob(NamedTuple):
    """An artifact."""

    content: bytes
    info: ArtifactInfo


Folder: TypeAlias = "dict[str, Folder | Blob]"
_versions = itertools.count()


def open_store(destination: str, options: Options) -> MemoryStore:  # noqa: ARG001 - nothing to set
    """A new, empty store; whatever follows ``memory:`` means nothing."""
    return MemoryStore()


class MemoryStore(KeepsParts[StagedParts]):
    """An ``ArtifactStore`` in the dictionary ``root``, which several stores may share."""

    url = "memory:"
    signer: Signer | None = None

    def __init__(self, root: Folder | None = None) -> None:
        self.root: Folder = {} if root is None else root
        self._parts = StagedParts(self)

    async def create(self, key: Key, size: int | None = None) -> Upload:
        """Begin to write an artifact."""
        del size
        return _MemoryUpload(self, key)

    async def read(self, key: Key, part: ByteRange | None = None) -> Download:
        """Begin to read an artifact."""
        blob = self._blob(key)
        size = len(blob.content)
        return _MemoryDownload(blob, part.within(size) if part else Span(0, size))

    async def info(self, key: Key) -> ArtifactInfo:
        """What is known of an artifact."""
        return self._blob(key).info

    async def entries(self, folder: Key, cursor: str = "", limit: int = 1000) -> Page:
        """Some of what is directly in a folder."""
        found = self._find(folder)
        if not isinstance(found, dict):
            return Page([], "")
        lines = (
            Entry(name, len(item.content) if isinstance(item, Blob) else None)
            for name, item in found.items()
            if folder or name != UPLOADS
        )
        return page(lines, cursor, limit)

    async def delete(self, key: Key) -> bool:
        """Remove an artifact, or a folder with all below."""
        if not key:
            raise ValueError("the root of a store is never deleted")
        if self._find(key) is None:
            return False
        while key:
            above = self._find(key[:-1])
            assert isinstance(above, dict)  # noqa: S101 - what is found is in folders
            del above[key[-1]]
            if above:
                break
            key = key[:-1]
        return True

    async def begin(self, key: Key) -> str:
        """Begin an upload in parts."""
        return await self._parts.begin(key)

    async def close(self) -> None:
        """There is nothing to give back."""

    def put(self, key: Key, content: bytes) -> ArtifactInfo:
        """Make an artifact visible.

        Raises:
            NotAFile, NotAFolder
        """
        place = self.root
        self._require_room(key)
        for name in key[:-1]:
            below = place.setdefault(name, {})
            assert isinstance(below, dict)  # noqa: S101 - just looked at
            place = below
        info = ArtifactInfo(len(content), f'"{next(_versions):x}"', time.time())
        place[key[-1]] = Blob(content, info)
        return info

    def _require_room(self, key: Key) -> None:
        if isinstance(self._find(key), dict):
            raise NotAFile(key)
        if any(isinstance(self._find(key[:length]), Blob) for length in range(1, len(key))):
            raise NotAFolder(key)

    def _blob(self, key: Key) -> Blob:
        found = self._find(key)
        if isinstance(found, dict):
            raise NotAFile(key)
        if found is None:
            raise NoSuchArtifact(key)
        return found

    def _find(self, key: Key) -> Folder | Blob | None:
        found: Folder | Blob | None = self.root
        for name in key:
            if not isinstance(found, dict):
                return None
            found = found.get(name)
        return found


class _MemoryUpload(Upload):
    def __init__(self, store: MemoryStore, key: Key) -> None:
        self._store = store
        self._key = key
        self._content = bytearray()
        self._ended = False

    async def write(self, chunk: bytes) -> None:
        if not self._ended:
            self._content += chunk

    async def finish(self, expected: int | None = None) -> ArtifactInfo:
        if self._ended or expected not in {None, len(self._content)}:
            self._ended = True
            raise IncompleteUpload(len(self._content))
        self._ended = True
        return self._store.put(self._key, bytes(self._content))

    async def abort(self) -> None:
        self._ended = True
        self._content.clear()


class _MemoryDownload(Download):
    def __init__(self, blob: Blob, span: Span) -> None:
        self.info = blob.info
        self.span = span
        self._content = blob.content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for start in range(self.span.start, self.span.stop, CHUNK):
            yield self._content[start : min(start + CHUNK, self.span.stop)]

    async def close(self) -> None:
        self._content = b""
