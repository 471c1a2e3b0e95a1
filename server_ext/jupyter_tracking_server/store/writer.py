"""The writer: one queue, one transaction for all that waits in it, and the upkeep of metrics between.

What is acknowledged is committed: a future is resolved after the commit of the transaction that its work
was part of. A piece of work that raises is undone alone.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, TypeVar

from . import entries as log_entries
from .entries import Entries, May
from .faults import LostRace, LostTransaction
from .fold import Folder, FoldPolicy
from .jobs import JobQueue

if TYPE_CHECKING:
    from .database import Database, Transaction

T = TypeVar("T")

MOST_JOBS = 256
"""How many requests one transaction may hold, so that none waits long for its commit."""
MOST_ATTEMPTS = 6
"""How often a transaction is run that loses against others."""


@dataclass(slots=True, eq=False)
class _Unit:
    """Some writing, run in a savepoint."""

    work: Callable[[Transaction], Any]
    future: Future[Any]


@dataclass(slots=True, eq=False)
class _Log:
    """Entries, stored together with those beside them in the queue."""

    entries: Entries
    may: May
    future: Future[None]


_Job = _Unit | _Log
_Outcome = tuple[_Job, Any, BaseException | None]


class Writer:
    """The threads through which a process writes.

    Args:
        on_fault: told of errors that nobody waits for, such as in upkeep.
        queue_limit: how many requests may wait.
        threads: with SQLite always one, as it has one writer at a time.
        policy: when metrics are folded.

    Attributes:
        on_settled: called by a thread that has resolved a transaction's futures. Set it before ``start``.
        on_commit: called by a thread with the number of requests that a transaction held. Likewise.
    """

    def __init__(
        self,
        database: Database,
        *,
        on_fault: Callable[[BaseException], None],
        queue_limit: int = 4096,
        threads: int = 2,
        policy: FoldPolicy | None = None,
    ) -> None:
        self._database = database
        self._on_fault = on_fault
        self.on_settled: Callable[[], None] = lambda: None
        self.on_commit: Callable[[int], None] = lambda _: None
        self._jobs: JobQueue[_Job] = JobQueue(queue_limit)
        self._folder = Folder(database, policy or FoldPolicy())
        self._threads = [
            threading.Thread(target=self._serve, name=f"tracking-writer-{number}", daemon=True)
            for number in range(1 if database.dialect == "sqlite" else threads)
        ]

    def start(self) -> None:
        """Start the threads; what is submitted before waits for them."""
        for thread in self._threads:
            thread.start()

    def submit(self, work: Callable[[Transaction], T]) -> Future[T]:
        """Run ``work`` in the writer's transaction; what it wrote is undone if it raises.

        It may be run again when another transaction got in its way, so it must do nothing but write to its
        transaction.

        Raises:
            TemporarilyUnavailable: too many requests wait.
        """
        future: Future[T] = Future()
        self._jobs.put(_Unit(work, future))
        return future

    def log(self, entries: Entries, may: May) -> Future[None]:
        """Store entries, all or none of them.

        Raises:
            TemporarilyUnavailable: too many requests wait.
        """
        future: Future[None] = Future()
        self._jobs.put(_Log(entries, may, future))
        return future

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return len(self._jobs)

    def stop(self) -> None:
        """Write what waits, then end the threads."""
        self._jobs.close()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()

    def _serve(self) -> None:
        while (jobs := self._jobs.take(MOST_JOBS, self._folder.patience())) is not None:
            wanted = [job for job in jobs if job.future.set_running_or_notify_cancel()]
            if wanted:
                self._commit(wanted)
            try:
                self._folder.work(quiet=not jobs)
            except Exception as error:  # upkeep can wait, requests cannot
                self._on_fault(error)

    def _commit(self, jobs: Sequence[_Job]) -> None:
        """Write the jobs in one transaction, and tell those who wait."""
        try:
            outcomes = self._attempt(jobs)
        except BaseException as fault:  # whoever waits for a future must hear of it
            outcomes = [(job, None, fault) for job in jobs]
        for job, result, error in outcomes:
            if error is None:
                job.future.set_result(result)
            else:
                job.future.set_exception(error)
        self.on_settled()
        self.on_commit(len(jobs))

    def _attempt(self, jobs: Sequence[_Job]) -> list[_Outcome]:
        """Run the transaction until it wins its races.

        Raises:
            TrackingError: nothing is stored, or, if the connection was lost in the commit, perhaps all is.
        """
        attempt = 1
        while True:
            try:
                return self._transact(jobs)
            except LostRace:
                if attempt == MOST_ATTEMPTS:
                    raise
            time.sleep(random.uniform(0.001, 0.01) * 2**attempt)  # noqa: S311  # jitter, no secret
            attempt += 1

    def _transact(self, jobs: Sequence[_Job]) -> list[_Outcome]:
        outcomes: list[_Outcome] = []
        with self._database.write() as tx:
            for kind, group in groupby(jobs, key=type):
                if kind is _Log:
                    outcomes += self._log(tx, [job for job in group if isinstance(job, _Log)])
                else:
                    outcomes += (self._run(tx, job) for job in group if isinstance(job, _Unit))
        self._folder.notice(tx.logged_points, tx.ended_runs)
        return outcomes

    def _run(self, tx: Transaction, job: _Unit) -> _Outcome:
        try:
            with tx.savepoint():
                return job, job.work(tx), None
        except LostTransaction:
            raise
        except Exception as error:  # the request's own; the transaction goes on
            return job, None, error

    def _log(self, tx: Transaction, jobs: Sequence[_Log]) -> Iterator[_Outcome]:
        try:
            with tx.savepoint():
                verdicts = log_entries.log(tx, [job.entries for job in jobs], [job.may for job in jobs])
        except LostTransaction:
            raise
        except Exception as error:  # one of them holds what the database refuses: find out which
            if len(jobs) == 1:
                yield jobs[0], None, error
                return
            for job in jobs:
                yield from self._log(tx, [job])
        else:
            yield from ((job, None, verdict) for job, verdict in zip(jobs, verdicts, strict=True))
