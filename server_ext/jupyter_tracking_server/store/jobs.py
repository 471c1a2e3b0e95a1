"""A bounded queue of work for threads; what does not fit is refused at once, so nobody waits for long."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Generic, TypeVar

from jupyter_tracking.protocol.errors import TemporarilyUnavailable

Job = TypeVar("Job")


class JobQueue(Generic[Job]):
    """Jobs in the order they came, taken by any number of threads.

    Args:
        limit: how many jobs may wait.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._jobs: deque[Job] = deque()
        self._closed = False
        self._changed = threading.Condition(threading.Lock())

    def put(self, job: Job) -> None:
        """Add a job.

        Raises:
            TemporarilyUnavailable: the queue is full or closed.
        """
        with self._changed:
            if self._closed:
                raise TemporarilyUnavailable("The tracking server is stopping; try again.")
            if len(self._jobs) >= self._limit:
                raise TemporarilyUnavailable(
                    "The tracking server is busy: too many requests wait; try again."
                )
            self._jobs.append(job)
            self._announce()

    def __len__(self) -> int:
        return len(self._jobs)

    def take(self, most: int = 1, timeout: float | None = None) -> list[Job] | None:
        """The next jobs, at least one; none if ``timeout`` seconds pass; None once closed and empty."""
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            while not self._jobs:
                if self._closed:
                    return None
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    return []
                self._changed.wait(left)
            return [self._jobs.popleft() for _ in range(min(most, len(self._jobs)))]

    def _announce(self) -> None:
        """Wake a thread for a job that waits."""
        self._changed.notify()

    def close(self) -> None:
        """Take no more jobs; the ones that wait are still handed out."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
