"""How bytes go into and out of object stores, by obstore.

A small artifact is one request. Of a larger one, parts go out in parallel while the next ones come in; how
many depends on how many uploads there are, so that all of them together hold about ``Budget.total``. The
store sees such an upload whole or not at all: obstore drops its parts if the chunks end in an error. It does
not if its task is cancelled, so nothing here cancels one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, NamedTuple

from obstore.exceptions import BaseError

from .base import ArtifactInfo, Download, Span, Upload
from .errors import BrokenRead, IncompleteUpload
from .object_errors import log, reason

if TYPE_CHECKING:
    from obstore import GetResult

__all__ = ["BUDGET", "MEBIBYTE", "Budget", "ObjectDownload", "ObjectUpload", "Put", "Share"]

MEBIBYTE = 2**20
WRITE_CHUNK = MEBIBYTE // 4
READ_CHUNK = MEBIBYTE // 8
SMALL = 5 * MEBIBYTE
"""Up to so many bytes an artifact is one request; it is also the least size of a part in S3."""
PARTS = 10_000
"""How many parts S3 takes."""
RESUMES = 2
"""How often a read is taken up again without ``PROGRESS`` bytes in between."""
PROGRESS = 8 * MEBIBYTE


class Share(NamedTuple):
    """What an upload may hold: ``concurrency`` parts of ``part`` bytes."""

    part: int
    concurrency: int

    @property
    def size(self) -> int:
        """Bytes held."""
        return self.part * self.concurrency


class Budget:
    """Memory for the uploads of this process: the first ones get more, so that few uploads are fast.

    Everyone gets a part, even when the budget is spent: uploads must not wait for each other, as a slow
    client would hold up all.

    Args:
        total: bytes that are handed out beyond one small part each.
    """

    def __init__(self, total: int = 40 * MEBIBYTE) -> None:
        self._free = total

    def take(self, size: int | None) -> Share:
        """A share for an upload, to be given back; ``size`` is that of the artifact if it is known."""
        part = max(SMALL, -(-(size or 0) // (PARTS - 1)))
        roomy = max(part, 8 * MEBIBYTE)
        affordable = max(0, min(4, self._free // 2 // roomy))
        share = Share(roomy, affordable) if affordable else Share(part, 1)
        self._free -= share.size
        return share

    def give_back(self, share: Share) -> None:
        """The upload has ended."""
        self._free += share.size


BUDGET = Budget()


Put = Callable[["bytes | AsyncIterator[bytes]", "Share | None"], Coroutine[None, None, str]]
"""Writes an artifact and returns its etag.

The content is all of it or, if a share is given, its chunks; an error of theirs is raised after what came
before has been dropped. Errors of the store are those of ``errors.py``.
"""


class _Chunks:
    """Chunks on their way from one task to another, one at a time; ``give`` waits until there is room."""

    def __init__(self) -> None:
        self._chunk: bytes | None = None
        self._ended = False
        self._error: Exception | None = None
        self._changed = asyncio.Condition()

    async def give(self, chunk: bytes) -> bool:
        """Pass a chunk on; False if nobody takes chunks any more."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._chunk is None or self._ended)
            if not self._ended:
                self._chunk = chunk
                self._changed.notify_all()
            return not self._ended

    async def end(self, error: Exception | None = None) -> None:
        """No more chunks; the taker gets the last one, or the error."""
        async with self._changed:
            if not self._ended:
                self._ended, self._error = True, error
                self._changed.notify_all()

    def __aiter__(self) -> _Chunks:
        return self

    async def __anext__(self) -> bytes:
        async with self._changed:
            await self._changed.wait_for(lambda: self._chunk is not None or self._ended)
            if self._error is not None:
                raise self._error
            if self._chunk is None:
                raise StopAsyncIteration
            chunk, self._chunk = self._chunk, None
            self._changed.notify_all()
            return chunk


class ObjectUpload(Upload):
    """An artifact on its way into an object store.

    Args:
        put: writes it.
        size: bytes that are going to come, if that is known; only its order of magnitude matters.
        budget: what the upload's memory is taken from.
    """

    def __init__(self, put: Put, size: int | None = None, budget: Budget = BUDGET) -> None:
        self._put = put
        self._size = size
        self._budget = budget
        self._gathered: list[bytes] = []
        self._gathered_bytes = 0
        self._held: list[bytes] = []
        self._received = 0
        self._chunks = _Chunks()
        self._sending: asyncio.Task[str] | None = None
        self._aborted = False

    async def write(self, chunk: bytes) -> None:
        """Take the next bytes."""
        if self._aborted:
            return
        self._gathered.append(chunk)
        self._gathered_bytes += len(chunk)
        self._received += len(chunk)
        if self._gathered_bytes >= WRITE_CHUNK:
            await self._pass_on(self._take())

    async def finish(self, expected: int | None = None) -> ArtifactInfo:
        """Make the artifact visible."""
        if self._aborted or expected not in {None, self._received}:
            await self.abort()
            raise IncompleteUpload(self._received)
        if self._sending is None:
            content = b"".join([*self._held, *self._gathered])
            self._held, self._gathered = [], []
            self._sending = asyncio.create_task(self._put(content, None))
        else:
            if self._gathered:
                await self._pass_on(self._take())
            await self._chunks.end()
        etag = await asyncio.shield(self._sending)
        return ArtifactInfo(self._received, etag, time.time())

    async def abort(self) -> None:
        """Drop what came so far."""
        self._aborted = True
        self._gathered, self._held = [], []
        await self._chunks.end(IncompleteUpload(self._received))
        if self._sending is not None:
            await asyncio.wait([self._sending])
            # Whoever had to know has been told; asyncio wants to see it fetched.
            self._sending.exception()

    def _take(self) -> bytes:
        taken, self._gathered, self._gathered_bytes = b"".join(self._gathered), [], 0
        return taken

    async def _pass_on(self, chunk: bytes) -> None:
        self._held.append(chunk)
        if self._sending is None:
            if self._received <= SMALL:
                return
            self._sending = asyncio.create_task(self._send())
        while self._held:
            if not await self._chunks.give(self._held.pop(0)) and not self._aborted:
                # It ended before its time: what it raises is the reason.
                await asyncio.shield(self._sending)

    async def _send(self) -> str:
        share = self._budget.take(self._size)
        try:
            return await self._put(self._chunks, share)
        finally:
            self._budget.give_back(share)
            await self._chunks.end()


class ObjectDownload(Download):
    """An artifact on its way out; a connection that breaks is replaced by one for the rest.

    Args:
        result: what the store answered.
        reopen: asks for the rest of the same artifact from a byte on.
        patience: seconds after which the store waits in vain for the next byte.
    """

    def __init__(
        self, result: GetResult, reopen: Callable[[Span, str], Awaitable[GetResult]], patience: float
    ) -> None:
        meta = result.meta
        self.info = ArtifactInfo(meta["size"], meta["e_tag"] or "", meta["last_modified"].timestamp())
        self.span = Span(*result.range)
        self._result: GetResult | None = result
        self._reopen = reopen
        self._patience = patience

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The bytes in order."""
        position, broken_at, breaks = self.span.start, self.span.start, 0
        while position < self.span.stop and self._result is not None:
            began = time.monotonic()
            try:
                async for chunk in self._result.stream(READ_CHUNK):
                    position += len(chunk)
                    if position > self.span.stop:
                        raise BrokenRead("the store sent more than it announced")
                    yield chunk
                    began = time.monotonic()
                why = "it ended early"
            except (BaseError, OSError) as error:
                why = reason(error)
            if position == self.span.stop:
                return
            breaks = 1 if position - broken_at >= PROGRESS else breaks + 1
            broken_at = position
            await self._resume(position, why, breaks > RESUMES or time.monotonic() - began >= self._patience)

    async def close(self) -> None:
        """Drop the connection, if it is not done."""
        self._result = None

    async def _resume(self, position: int, why: str, give_up: bool) -> None:
        log.warning("artifact store, reading: the connection broke at byte %d: %s", position, why)
        self._result = None
        if give_up:
            raise BrokenRead(why)
        try:
            self._result = await self._reopen(Span(position, self.span.stop), self.info.etag)
        except (BaseError, OSError, ValueError) as error:
            raise BrokenRead(reason(error)) from None
