"""Artifacts as files that are reached through the network: what SFTP and HDFS have in common.

An upload goes to a file of its own in ``.uploads`` at the root and is renamed when it is whole; what is
deleted is first renamed into there. So everything outside ``.uploads`` is whole, whenever this process dies,
and ``sweep`` removes what was left.

Neither protocol lists a folder in our order from a place in it: see ``remote_listing.py``.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from functools import partial

from .base import ArtifactInfo, ByteRange, Download, Entry, Page, Signer, Span, Upload
from .errors import NameTooLong, NoSuchArtifact, NotAFile, NotAFolder, StoreUnavailable
from .kept_parts import KeepsParts
from .keys import UPLOADS, Key
from .listing import MAX_PAGE
from .remote_files import Refused, RemoteFiles, Sink
from .remote_listing import RemoteListing
from .remote_transfer import RemoteDownload, RemoteUpload
from .staged_parts import StagedParts

__all__ = ["RemoteStore"]

PUBLISH_TRIES = 50
LONGEST_NAME, LONGEST_PATH = 255, 4095
"""In bytes, as Linux has it and HDFS by default."""
LEFTOVER = 32
"""Characters of the names of files that are being gathered or removed; uploads in parts have other names."""
log = logging.getLogger("jupyter_tracking")


class RemoteStore(KeepsParts[StagedParts]):
    """An ``ArtifactStore`` in the folder ``root`` of ``files``.

    Args:
        url: what direct locations begin with.
        root: an absolute path without a slash at its end; ``""`` is the topmost folder.
    """

    signer: Signer | None = None

    def __init__(self, files: RemoteFiles, url: str, root: str) -> None:
        self.url = url
        self._files = files
        self._root = root
        self._listing = RemoteListing(self._scan)
        self._parts = StagedParts(self, self._join)

    async def create(self, key: Key, size: int | None = None) -> Upload:
        """Begin to write an artifact; the first mebibyte touches nothing but memory."""
        del size
        path = self._new_path()
        discard = partial(self._files.remove, path)
        return RemoteUpload(partial(self._gather_in, path), partial(self._publish, path, key), discard)

    async def read(self, key: Key, part: ByteRange | None = None) -> Download:
        """Begin to read an artifact."""
        try:
            source = await self._files.open(self._path(key))
        except FileNotFoundError:
            raise NoSuchArtifact(key) from None
        except Refused as error:
            await self.info(key)
            raise StoreUnavailable from error
        try:
            size = source.info.size
            return RemoteDownload(source, part.within(size) if part else Span(0, size))
        except BaseException:
            await source.close()
            raise

    async def info(self, key: Key) -> ArtifactInfo:
        """What is known of an artifact."""
        try:
            found = await self._files.find(self._path(key))
        except FileNotFoundError:
            raise NoSuchArtifact(key) from None
        if found.is_folder:
            raise NotAFile(key)
        return found.info

    async def entries(self, folder: Key, cursor: str = "", limit: int = MAX_PAGE) -> Page:
        """Some of what is directly in a folder; a page after the first may be some seconds old."""
        return await self._listing.page(folder, cursor, limit)

    async def delete(self, key: Key) -> bool:
        """Remove an artifact or folder at once, and then the folders above that this leaves empty."""
        if not key:
            raise ValueError("the root of a store is never deleted")
        trash = self._new_path()
        try:
            await self._move_away(self._path(key), trash)
        except FileNotFoundError:
            return False
        await self._files.remove(trash)
        for length in range(len(key) - 1, 0, -1):
            if key[:length] == (UPLOADS,) or not await self._files.remove_empty(self._path(key[:length])):
                break
        return True

    async def begin(self, key: Key) -> str:
        """Begin an upload in parts."""
        return await self._parts.begin(key)

    async def sweep(self, age: float) -> int:
        """Remove what uploads and deletes left; what grows is younger."""
        before = time.time() - age
        swept = 0
        async for entry in self._files.scan(self._path((UPLOADS,))):
            if len(entry.name) == LEFTOVER:
                path = self._path((UPLOADS, entry.name))
                with contextlib.suppress(FileNotFoundError):
                    if (await self._files.find(path)).info.modified < before:
                        await self._files.remove(path)
                        swept += 1
        return swept + await self._parts.sweep(age)

    async def close(self) -> None:
        """Give back connections and threads."""
        await self._files.close()

    async def _scan(self, folder: Key) -> AsyncIterator[Entry]:
        async for entry in self._files.scan(self._path(folder)):
            if folder or entry.name != UPLOADS:
                yield entry

    def _path(self, key: Key) -> str:
        return "/".join((self._root, *key)) or "/"

    def _new_path(self) -> str:
        return self._path((UPLOADS, secrets.token_hex(LEFTOVER // 2)))

    async def _gather_in(self, path: str) -> Sink:
        try:
            return await self._files.create(path)
        except FileNotFoundError:
            await self._make_folders((UPLOADS,))
            return await self._files.create(path)

    async def _publish(self, path: str, key: Key) -> ArtifactInfo:
        """Give a whole file its place.

        Raises:
            NotAFile, NotAFolder, NameTooLong, StoreUnavailable
        """
        if len(self._path(key).encode()) > LONGEST_PATH or any(
            len(name.encode()) > LONGEST_NAME for name in key
        ):
            raise NameTooLong(key)
        for _ in range(PUBLISH_TRIES):
            with contextlib.suppress(FileNotFoundError):
                return await self._replace(path, key)
            # Or a delete has pruned the folder that had just been made.
            await self._make_folders(key[:-1])
        log.error("An upload to %s could not be given its place.", self.url)
        raise StoreUnavailable

    async def _replace(self, path: str, key: Key) -> ArtifactInfo:
        try:
            return await self._files.replace(path, self._path(key))
        except Refused as error:
            await self._explain(key)
            raise StoreUnavailable from error

    async def _explain(self, key: Key) -> None:
        """Say what stands in the way of a file, if something does."""
        await self._require_folder(key[:-1])
        with contextlib.suppress(FileNotFoundError):
            if (await self._files.find(self._path(key))).is_folder:
                raise NotAFile(key)

    async def _require_folder(self, folder: Key) -> None:
        """Find that there is no file where a folder is wanted."""
        with contextlib.suppress(FileNotFoundError):
            for length in range(1, len(folder) + 1):
                if not (await self._files.find(self._path(folder[:length]))).is_folder:
                    raise NotAFolder(folder)

    async def _make_folders(self, folder: Key) -> None:
        try:
            await self._files.make_folder(self._path(folder))
        except FileNotFoundError:
            if not folder:
                raise StoreUnavailable from None
            await self._make_folders(folder[:-1])
            with contextlib.suppress(FileNotFoundError, Refused):
                # A delete may have pruned the one above, or another upload made this one; the caller sees.
                await self._files.make_folder(self._path(folder))
        except Refused:
            await self._require_folder(folder)

    async def _move_away(self, path: str, trash: str) -> None:
        try:
            await self._files.move(path, trash)
        except FileNotFoundError:
            await self._files.find(path)
            # It is there, so ``.uploads`` is not: nothing was ever uploaded through here.
            await self._make_folders((UPLOADS,))
            await self._files.move(path, trash)

    async def _join(self, sources: Sequence[Key], key: Key) -> ArtifactInfo | None:
        """Make an artifact of others; None if their bytes must come through here."""
        path = self._new_path()
        try:
            if await self._files.join([self._path(source) for source in sources], path):
                return await self._publish(path, key)
        except BaseException:
            with contextlib.suppress(StoreUnavailable):
                await self._files.remove(path)
            raise
        return None
