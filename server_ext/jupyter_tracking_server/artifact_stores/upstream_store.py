"""Artifacts of an upstream tracking server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from functools import partial

from .base import ArtifactInfo, ByteRange, Download, Entry, Page, Signer, Span, Upload
from .errors import NameTooLong, NotAFile, NotAFolder, StoreUnavailable
from .kept_parts import KeepsParts
from .keys import UPLOADS, Key
from .listing import MAX_PAGE, page
from .part_sender import Body, PartSender
from .remote_threads import RemoteThreads
from .remote_transfer import RemoteDownload
from .staged_parts import StagedParts
from .upstream_api import Opened, UpstreamApi, plain, sent

__all__ = ["UpstreamStore"]

LONGEST_NAME = 255


class UpstreamStore(KeepsParts[StagedParts]):
    """An ``ArtifactStore`` in the folder ``root`` of a server's artifacts.

    An upload is one request, cut off if it is aborted; the upstream keeps what came whole.

    Args:
        api: reaches the server.
        root: a folder there.
        senders: for uploads, each of which holds one.
    """

    signer: Signer | None = None

    def __init__(self, api: UpstreamApi, root: Key, senders: RemoteThreads) -> None:
        self.url = "/".join((api.url, *root))
        self._api = api
        self._root = root
        self._senders = senders
        self._parts = StagedParts(self)

    async def create(self, key: Key, size: int | None = None) -> Upload:
        """Begin to write an artifact; its length is told in chunks, as ``size`` may be wrong."""
        del size
        return PartSender(None, partial(self._send, key), self._senders.pool)

    async def read(self, key: Key, part: ByteRange | None = None) -> Download:
        """Begin to read an artifact."""
        opened = await self._api.open((*self._root, *key), part)
        source = _Source(self._senders, opened)
        try:
            size = opened.info.size
            return RemoteDownload(source, part.within(size) if part else Span(0, size))
        except BaseException:
            await source.close()
            raise

    async def info(self, key: Key) -> ArtifactInfo:
        """What is known of an artifact."""
        return await self._api.info((*self._root, *key))

    async def entries(self, folder: Key, cursor: str = "", limit: int = MAX_PAGE) -> Page:
        """Some of what is directly in a folder; the upstream gives all of it each time."""
        lines = (
            Entry(plain(file["path"]), None if file["is_dir"] else int(file.get("file_size") or 0))
            for file in await self._api.files((*self._root, *folder))
            if folder or file["path"] != UPLOADS
        )
        return page(lines, cursor, limit)

    async def delete(self, key: Key) -> bool:
        """Remove an artifact, or a folder with all below."""
        if not key:
            raise ValueError("the root of a store is never deleted")
        path = (*self._root, *key)
        if not await self._senders.run(partial(self._api.what_is, path)):
            return False
        await self._api.delete(path)
        return True

    async def begin(self, key: Key) -> str:
        """Begin an upload in parts."""
        return await self._parts.begin(key)

    async def close(self) -> None:
        """Give back connections and threads."""
        await self._senders.stop()
        await self._api.close()

    def _send(self, key: Key, body: Body | bytes) -> ArtifactInfo:
        if any(len(sent(name).encode()) > LONGEST_NAME for name in key):
            raise NameTooLong(key)
        path = (*self._root, *key)
        try:
            self._api.send(path, body)
        except StoreUnavailable:
            # What is wrong with a path, it says as it says everything: 500.
            self._explain(key)
            raise
        return self._api.info_now(path)

    def _explain(self, key: Key) -> None:
        for length in range(1, len(key)):
            if self._api.what_is((*self._root, *key[:length])) == "file":
                raise NotAFolder(key)
        if self._api.what_is((*self._root, *key)) == "folder":
            raise NotAFile(key)


class _Source:
    """An answer that is being read."""

    def __init__(self, threads: RemoteThreads, opened: Opened) -> None:
        self.info = opened.info
        self._threads = threads
        self._opened = opened

    def chunks(self, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        return self._threads.chunks(_first(self._opened.pieces(start), stop - start))

    async def close(self) -> None:
        await asyncio.to_thread(self._opened.reply.close)


def _first(pieces: Iterator[bytes], size: int) -> Iterator[bytes]:
    """The first ``size`` bytes."""
    for piece in pieces:
        yield piece[:size]
        size -= len(piece)
        if size <= 0:
            return
