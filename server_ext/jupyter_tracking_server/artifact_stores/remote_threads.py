"""Threads for libraries that wait: each call of one runs in a thread, under a time limit."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from .errors import StoreUnavailable

__all__ = ["RemoteThreads"]

T = TypeVar("T")

CALL_TIMEOUT = 90
"""Seconds; a library's own limits come before, and say more."""
CHUNK = 2**19


class RemoteThreads:
    """Some threads that wait for the network."""

    def __init__(self, name: str, count: int) -> None:
        self.pool = ThreadPoolExecutor(count, thread_name_prefix=name)

    async def run(self, work: Callable[[], T]) -> T:
        """Do something in a thread.

        Raises:
            StoreUnavailable: it took too long; it goes on, unheard.
        """
        running = asyncio.get_running_loop().run_in_executor(self.pool, work)
        try:
            return await asyncio.wait_for(running, CALL_TIMEOUT)
        except asyncio.TimeoutError as error:
            raise StoreUnavailable from error

    async def chunks(self, pieces: Iterator[bytes]) -> AsyncGenerator[bytes, None]:
        """What an iterator gives, half a mebibyte at a time; the next is fetched while one is sent."""
        coming = asyncio.create_task(self.run(partial(_gather, pieces)))
        try:
            while chunk := await coming:
                coming = asyncio.create_task(self.run(partial(_gather, pieces)))
                yield chunk
        finally:
            with contextlib.suppress(Exception):
                await coming

    async def stop(self) -> None:
        """Wait for what is running."""
        await asyncio.to_thread(self.pool.shutdown)


def _gather(pieces: Iterator[bytes]) -> bytes:
    gathered, size = [], 0
    while size < CHUNK and (piece := next(pieces, b"")):
        gathered.append(piece)
        size += len(piece)
    return b"".join(gathered)
