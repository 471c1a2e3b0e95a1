"""The way back from the threads of the store to the event loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any, TypeVar

__all__ = ["Bridge"]

T = TypeVar("T")


class Bridge:
    """Carries results to the event loop: all that are ready cross by one wake-up, which costs a system call."""

    def __init__(self) -> None:
        self._landed: deque[tuple[Callable[[Future[Any]], None], Future[Any]]] = deque()
        self._called = False

    def carry(self, future: Future[T], done: Callable[[Future[T]], None]) -> None:
        """Have the running event loop call ``done`` with the future once it has its result."""
        future.add_done_callback(partial(self._land, asyncio.get_running_loop(), done))

    def wait(self, future: Future[T]) -> asyncio.Future[T]:
        """The same for those who await; the work is dropped if they give up before it begins."""
        waiter: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        waiter.add_done_callback(lambda over: over.cancelled() and future.cancel())
        self.carry(future, partial(_settle, waiter))
        return waiter

    def _land(
        self, loop: asyncio.AbstractEventLoop, done: Callable[[Future[T]], None], future: Future[T]
    ) -> None:
        self._landed.append((done, future))
        # Two threads may both find it unset: one wake-up too many does no harm.
        if not self._called:
            self._called = True
            # A loop that is closed has nobody left who waits.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        # Before it looks, so that what lands from now on calls again.
        self._called = False
        while self._landed:
            done, future = self._landed.popleft()
            done(future)


def _settle(waiter: asyncio.Future[T], future: Future[T]) -> None:
    if waiter.done():
        return
    error = future.exception()
    if error is None:
        waiter.set_result(future.result())
    else:
        waiter.set_exception(error)
