"""What the server does by itself from time to time, on the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable

from jupyter_tracking.protocol.errors import TemporarilyUnavailable

__all__ = ["Schedule"]

_log = logging.getLogger("jupyter_tracking")


class Schedule:
    """Chores that are done at the start and then again and again, each in a task of its own.

    Attributes:
        spread: several servers on one database shall not all begin at once; a pause is longer by up to this
            share of itself.
    """

    spread = 0.1

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []

    def every(
        self, seconds: float, chore: Callable[[], Awaitable[object]], name: str, delay: float = 0.0
    ) -> None:
        """Do a chore now, and again whenever some time has passed since it ended.

        Args:
            seconds: how much.
            chore: what is done; its failures are logged and change nothing.
            name: of the chore, for the log.
            delay: seconds from now until the first time.
        """
        repeated = self._repeat(seconds, chore, name, delay)
        self._tasks.append(asyncio.get_running_loop().create_task(repeated))

    async def stop(self) -> None:
        """Break off what runs; again is fine."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _repeat(
        self, seconds: float, chore: Callable[[], Awaitable[object]], name: str, delay: float
    ) -> None:
        await asyncio.sleep(delay)
        while True:
            try:
                await chore()
            except TemporarilyUnavailable as error:
                _log.warning("%s has to wait: %s", name, error.message)
            except Exception:  # a chore must not end the schedule
                _log.exception("%s failed; it is tried again later.", name)
            await asyncio.sleep(seconds * (1 + random.uniform(0, self.spread)))  # noqa: S311  # no secret
