"""Threads that read the database, each request in a transaction of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from .read_queue import ReadQueue

if TYPE_CHECKING:
    from .database import Database, Transaction

T = TypeVar("T")

PATIENCE = 0.02
"""Seconds after which a read counts as a long one."""


class _Read(NamedTuple):
    work: Callable[[Transaction], Any]
    future: Future[Any]


class Readers:
    """A bounded pool of reader threads.

    Args:
        queue_limit: how many requests may wait for a thread.

    Attributes:
        on_settled: called by a thread that resolved futures, when no request waits; set it before ``start``.
    """

    def __init__(self, database: Database, *, threads: int = 4, queue_limit: int = 1024) -> None:
        self._database = database
        self.on_settled: Callable[[], None] = lambda: None
        # With PostgreSQL a thread waits for the network, and others may well run meanwhile.
        self._jobs: ReadQueue[_Read] = ReadQueue(queue_limit, PATIENCE if database.dialect == "sqlite" else 0)
        self._threads = [
            threading.Thread(target=self._serve, name=f"tracking-reader-{number}", daemon=True)
            for number in range(threads)
        ]

    def start(self) -> None:
        """Start the threads; what is submitted before waits for them."""
        for thread in self._threads:
            thread.start()

    def submit(self, work: Callable[[Transaction], T]) -> Future[T]:
        """Run ``work`` in a reading transaction: one snapshot of the database.

        Raises:
            TemporarilyUnavailable: too many requests wait.
        """
        future: Future[T] = Future()
        self._jobs.put(_Read(work, future))
        return future

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return len(self._jobs)

    def stop(self) -> None:
        """Serve what waits, then end the threads."""
        self._jobs.close()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()

    def _serve(self) -> None:
        while (job := self._jobs.take_one()) is not None:
            if job.future.set_running_or_notify_cancel():
                self._run(job)
            if self._jobs.done():
                self.on_settled()

    def _run(self, job: _Read) -> None:
        try:
            with self._database.read() as tx:
                result = job.work(tx)
        except BaseException as error:  # whoever waits for the future must hear of it
            job.future.set_exception(error)
        else:
            job.future.set_result(result)
