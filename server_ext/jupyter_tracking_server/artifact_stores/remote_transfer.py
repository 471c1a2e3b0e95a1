"""How bytes go into and out of the files of ``remote_store.py``.

Network and socket work at once: the next chunk is gathered while one is sent to the store. An upload holds
two chunks.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from .base import ArtifactInfo, Download, Span, Upload
from .errors import BrokenRead, IncompleteUpload, StoreUnavailable
from .remote_files import Sink, Source

__all__ = ["CHUNK", "RemoteDownload", "RemoteUpload"]

CHUNK = 2**20


class RemoteUpload(Upload):
    """Gathers a chunk, and takes the next one while it is on its way.

    Args:
        create: makes the file that it is gathered in.
        publish: gives that file its place, when it is whole.
        discard: removes that file.
    """

    def __init__(
        self,
        create: Callable[[], Awaitable[Sink]],
        publish: Callable[[], Awaitable[ArtifactInfo]],
        discard: Callable[[], Awaitable[None]],
    ) -> None:
        self._create = create
        self._publish = publish
        self._discard = discard
        self._sink: Sink | None = None
        self._gathered: list[bytes] = []
        self._gathered_bytes = 0
        self._received = 0
        self._sending: asyncio.Task[None] | None = None
        self._ended = False
        # A client may go, and abort, while another method is at work.
        self._turn = asyncio.Lock()

    async def write(self, chunk: bytes) -> None:
        """Take the next bytes."""
        async with self._turn:
            if self._ended:
                return
            self._gathered.append(chunk)
            self._gathered_bytes += len(chunk)
            self._received += len(chunk)
            if self._gathered_bytes >= CHUNK:
                await self._settle()
                self._sending = asyncio.create_task(self._send(self._take()))

    async def finish(self, expected: int | None = None) -> ArtifactInfo:
        """Make the artifact visible."""
        async with self._turn:
            try:
                if self._ended or expected not in {None, self._received}:
                    raise IncompleteUpload(self._received)
                await self._settle()
                await self._send(self._take())
                if self._sink is not None:
                    await self._sink.finish()
                info = await self._publish()
                self._ended = True
            finally:
                await self._end()
            return info

    async def abort(self) -> None:
        """Drop what came so far."""
        async with self._turn:
            await self._end()

    async def _end(self) -> None:
        if self._ended:
            return
        self._ended = True
        self._gathered.clear()
        with contextlib.suppress(Exception):
            await self._settle()
        if self._sink is not None:
            await self._sink.abort()
            # What cannot be removed now is swept one day.
            with contextlib.suppress(StoreUnavailable):
                await self._discard()

    async def _settle(self) -> None:
        """Wait for the running write; what it raised is raised here."""
        if self._sending is not None:
            sending, self._sending = self._sending, None
            await sending

    def _take(self) -> bytes:
        taken, self._gathered, self._gathered_bytes = b"".join(self._gathered), [], 0
        return taken

    async def _send(self, chunk: bytes) -> None:
        if self._sink is None:
            self._sink = await self._create()
        if chunk:
            await self._sink.write(chunk)


class RemoteDownload(Download):
    """The chunks of a source, counted."""

    def __init__(self, source: Source, span: Span) -> None:
        self.info = source.info
        self.span = span
        self._source = source
        self._chunks = source.chunks(span.start, span.stop) if span.start < span.stop else None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The bytes in order."""
        if self._chunks is None:
            return
        position = self.span.start
        try:
            async for chunk in self._chunks:
                position += len(chunk)
                yield chunk
        except StoreUnavailable as error:
            raise BrokenRead("the store went away during a read") from error
        if position != self.span.stop:
            raise BrokenRead("the file was cut while it was being read")

    async def close(self) -> None:
        """Close the file."""
        if self._chunks is not None:
            await self._chunks.aclose()
        await self._source.close()
