"""The transfers of one call: a few at once, stopped together."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from types import TracebackType
from typing import TypeVar

from .progress import Tally, Watcher

AT_ONCE = 4
"""Files, or parts of files, that travel at once."""

T = TypeVar("T")


class Stopped(Exception):
    """The call that this transfer belongs to has ended: it was interrupted."""


class Transfers:
    """Threads for the transfers of one call, gone with the ``with`` block.

    The calling thread prepares (it looks, takes checksums, completes) and the threads move bytes, so that no
    more than ``AT_ONCE`` transfers go on, be they of many files or of parts of one.
    """

    def __init__(self, watcher: Watcher) -> None:
        self.watcher = watcher
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="jupyter-tracking")
        self._stopped = threading.Event()

    def start(self, work: Callable[[], T]) -> Future[T]:
        """Begin a transfer as soon as a thread is free."""
        return self._pool.submit(copy_context().run, work)

    def wait(self, futures: Sequence[Future[T]]) -> list[T]:
        """What the transfers brought; the first failure is raised once those under way have ended."""
        try:
            return [future.result() for future in futures]
        except Exception:
            for future in [future for future in futures if not future.cancel()]:
                future.exception()
            raise

    def look(self, futures: Sequence[Future[T]]) -> None:
        """Raise the failure of a transfer that has failed already."""
        for future in futures:
            if future.done():
                future.result()

    def run(self, works: Sequence[Callable[[], T]]) -> list[T]:
        """Do all of it and wait for it."""
        return self.wait([self.start(work) for work in works])

    def tally(self, path: str, total: int | None) -> Tally:
        """Counts the bytes of a file."""
        return Tally(self.watcher, path, total, self._check)

    def _check(self) -> None:
        if self._stopped.is_set():
            raise Stopped

    def __enter__(self) -> Transfers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._stopped.set()
        # Who interrupts does not want to wait for a slow network; the threads end at their next block.
        interrupted = kind is not None and not issubclass(kind, Exception)
        self._pool.shutdown(wait=not interrupted, cancel_futures=kind is not None)
