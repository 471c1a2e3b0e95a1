"""A part on its way to a store that takes it as the body of one HTTP request.

The request runs in a thread and takes chunks as they come in, so that a part of any size needs about a
mebibyte here. It is sent once: what has gone cannot be sent again, so the client must send a failed part
again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from queue import Empty, SimpleQueue

from .base import ArtifactInfo, Upload
from .errors import IncompleteUpload

__all__ = ["SEND_TIMEOUT", "Body", "PartSender", "Send"]

CHUNK = 2**18
WAITING = 3
"""Chunks that may wait for the request, besides the one that it sends and the one that is gathered."""
SILENCE = 300
"""Seconds for which a request waits for the next chunk."""
SEND_TIMEOUT = (20, 60)
"""Seconds for ``requests``. The first one bounds connecting, and each chunk's way into the socket too."""


class Body:
    """What the request sends: chunks as they come, ``size`` bytes in all.

    If that is not known, send ``iter(body)``, which ``requests`` gives a chunked encoding.
    """

    def __init__(self, size: int | None, chunks: Iterator[bytes]) -> None:
        self._size = size
        self._chunks = chunks

    def __len__(self) -> int:
        return self._size or 0

    def __iter__(self) -> Iterator[bytes]:
        return self._chunks


Send = Callable[["Body | bytes"], ArtifactInfo]
"""Makes the request, in a thread; raises a ``StoreError`` if the store did not take the part."""


class PartSender(Upload):
    """Hands chunks to a thread that sends them.

    Args:
        size: bytes that the part has, if known; without exactly so many nothing is stored.
        send: makes the request.
        threads: where it runs; each part that is being sent holds one.
    """

    def __init__(self, size: int | None, send: Send, threads: Executor) -> None:
        self._size = size
        self._send = send
        self._threads = threads
        self._gathered: list[bytes] = []
        self._gathered_bytes = 0
        self._received = 0
        self._waiting: SimpleQueue[bytes | None] = SimpleQueue()
        self._room = asyncio.Semaphore(WAITING)
        self._loop = asyncio.get_running_loop()
        self._sending: asyncio.Future[ArtifactInfo] | None = None
        self._finished = False
        self._aborted = False

    async def write(self, chunk: bytes) -> None:
        """Take the next bytes; what the store says against the part is raised here already."""
        if self._aborted:
            return
        self._received += len(chunk)
        if self._size is not None and self._received > self._size:
            # The request's length is fixed; ``finish`` says that there was too much.
            return
        self._gathered.append(chunk)
        self._gathered_bytes += len(chunk)
        if self._gathered_bytes >= CHUNK:
            await self._hand_over()

    async def finish(self, expected: int | None = None) -> ArtifactInfo:
        """Wait until the store has the part."""
        size = self._received if self._size is None else self._size
        if self._aborted or self._received != size or expected not in {None, size}:
            await self.abort()
            raise IncompleteUpload(self._received)
        if self._sending is None:
            whole = b"".join(self._gathered)
            self._sending = self._loop.run_in_executor(self._threads, self._send, whole)
        else:
            await self._hand_over()
            self._waiting.put(None)
        info = await self._sending
        self._finished = True
        return info

    async def abort(self) -> None:
        """Break the request off, so that the store drops what it has of it."""
        if self._finished or self._aborted:
            return
        self._aborted = True
        self._gathered.clear()
        self._waiting.put(None)
        if self._sending is not None:
            await asyncio.wait([self._sending])
            if not self._sending.cancelled():
                self._sending.exception()

    async def _hand_over(self) -> None:
        chunk, self._gathered, self._gathered_bytes = b"".join(self._gathered), [], 0
        if self._sending is None:
            body = Body(self._size, self._chunks())
            self._sending = self._loop.run_in_executor(self._threads, self._send, body)
            self._sending.add_done_callback(lambda _: self._room.release())
        await self._room.acquire()
        if self._sending.done():
            self._room.release()
            self._sending.result()
        self._waiting.put(chunk)

    def _chunks(self) -> Iterator[bytes]:
        while True:
            try:
                chunk = self._waiting.get(timeout=SILENCE)
            except Empty:
                # Whoever sends the part has gone without a word; the thread is for others.
                raise IncompleteUpload(self._received) from None
            if self._aborted:
                raise IncompleteUpload(self._received)
            if chunk is None:
                return
            self._loop.call_soon_threadsafe(self._room.release)
            yield chunk
