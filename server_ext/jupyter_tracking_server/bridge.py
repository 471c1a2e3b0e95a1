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


SWEEP = 0.002
"""Seconds that a result may wait for others before it is fetched."""


class Bridge:
    """Carries results to the event loop, many by one wake-up.

    A wake-up is a system call, and sets the event loop and the thread fighting for the interpreter. So a
    thread asks for one by ``wake`` when it has no more results soon; what it leaves lying is swept up.
    """

    def __init__(self) -> None:
        self._landed: deque[tuple[Callable[[Future[Any]], None], Future[Any]]] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._called = False
        self._under_way = 0
        self._sweeping = False

    def carry(self, future: Future[T], done: Callable[[Future[T]], None]) -> None:
        """Have the running event loop call ``done`` with the future once it has its result."""
        self._loop = asyncio.get_running_loop()
        self._under_way += 1
        if not self._sweeping:
            self._sweeping = True
            self._loop.call_later(SWEEP, self._sweep)
        future.add_done_callback(partial(self._land, done))
        if future.done():
            # Perhaps before it had a callback: then its thread found nothing to announce.
            self.wake()

    def wait(self, future: Future[T]) -> asyncio.Future[T]:
        """The same for those who await; the work is dropped if they give up before it begins."""
        waiter: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        waiter.add_done_callback(lambda over: over.cancelled() and future.cancel())
        self.carry(future, partial(_settle, waiter))
        return waiter

    def wake(self) -> None:
        """Let what has landed cross; any thread may ask."""
        # Two threads may both find it unset: one wake-up too many does no harm.
        if self._landed and not self._called and self._loop is not None:
            self._called = True
            # A loop that is closed has nobody left who waits.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._deliver)

    def _land(self, done: Callable[[Future[T]], None], future: Future[T]) -> None:
        self._landed.append((done, future))

    def _deliver(self) -> None:
        # Before it looks, so that what lands from now on calls again.
        self._called = False
        while self._landed:
            done, future = self._landed.popleft()
            self._under_way -= 1
            try:
                done(future)
            except Exception as error:  # the others shall have their results
                context = {"message": "A result was not taken", "exception": error}
                asyncio.get_running_loop().call_exception_handler(context)

    def _sweep(self) -> None:
        """Fetch what a thread has not announced, since it went on to a long piece of work."""
        self._deliver()
        self._sweeping = self._under_way > 0
        if self._sweeping:
            asyncio.get_running_loop().call_later(SWEEP, self._sweep)


def _settle(waiter: asyncio.Future[T], future: Future[T]) -> None:
    if waiter.done():
        return
    error = future.exception()
    if error is None:
        waiter.set_result(future.result())
    else:
        waiter.set_exception(error)
