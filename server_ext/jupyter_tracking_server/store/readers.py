"""Threads that read the database, each request in a transaction of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from .jobs import JobQueue

if TYPE_CHECKING:
    from .database import Database, Transaction

T = TypeVar("T")


class _Read(NamedTuple):
    work: Callable[[Transaction], Any]
    future: Future[Any]


class Readers:
    """A bounded pool of reader threads.

    Args:
        queue_limit: how many requests may wait for a thread.
    """

    def __init__(self, database: Database, *, threads: int = 4, queue_limit: int = 1024) -> None:
        self._database = database
        self._jobs: JobQueue[_Read] = JobQueue(queue_limit)
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

    def stop(self) -> None:
        """Serve what waits, then end the threads."""
        self._jobs.close()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()

    def _serve(self) -> None:
        while (jobs := self._jobs.take()) is not None:
            for job in jobs:
                if job.future.set_running_or_notify_cancel():
                    self._run(job)

    def _run(self, job: _Read) -> None:
        try:
            with self._database.read() as tx:
                result = job.work(tx)
        except BaseException as error:  # whoever waits for the future must hear of it
            job.future.set_exception(error)
        else:
            job.future.set_result(result)
