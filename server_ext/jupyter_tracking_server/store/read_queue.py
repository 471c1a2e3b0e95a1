"""The queue of the reader threads, which keeps all but one of them asleep while reads are short.

Threads that read at once take the interpreter's lock from each other, and from the event loop, at every
statement: four of them serve short reads at half the speed of one. So a thread takes job after job alone,
and another joins only if that one is stuck in a long read.
"""

from __future__ import annotations

import time
from typing import TypeVar

from .jobs import JobQueue

__all__ = ["ReadQueue"]

Job = TypeVar("Job")


class ReadQueue(JobQueue[Job]):
    """Jobs in the order they came.

    Args:
        limit: how many jobs may wait.
        patience: seconds for which waiting jobs are left to the threads that are at work.
    """

    def __init__(self, limit: int, patience: float) -> None:
        super().__init__(limit)
        self._patience = patience
        self._busy = 0
        self._watched = False
        self._taken = 0.0

    def take_one(self) -> Job | None:
        """The next job, when it is this thread's turn; None once closed and empty. Follow with ``done``."""
        with self._changed:
            while True:
                left = self._taken + self._patience - time.monotonic()
                if self._jobs and (not self._busy or left <= 0 or self._closed):
                    return self._taken_now()
                if not self._jobs and self._closed:
                    return None
                self._sleep(left)

    def done(self) -> bool:
        """Say that the job is over; whether none waits."""
        with self._changed:
            self._busy -= 1
            return not self._jobs

    def _announce(self) -> None:
        if not self._busy or not self._watched:
            self._changed.notify()

    def _taken_now(self) -> Job:
        self._taken = time.monotonic()
        self._busy += 1
        if len(self._jobs) > 1:
            self._announce()
        return self._jobs.popleft()

    def _sleep(self, left: float) -> None:
        """Until a job comes; one thread keeps an eye on those at work."""
        if self._busy and not self._watched:
            self._watched = True
            self._changed.wait(left if left > 0 else self._patience)
            self._watched = False
        else:
            self._changed.wait()
