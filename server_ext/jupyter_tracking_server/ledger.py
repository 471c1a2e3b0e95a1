"""The ledger as the server writes it: entries are gathered and stored together, beside the requests.

While the database is away they wait. Nothing is dropped: what cannot wait any longer, or could not be stored
until the end, goes to the error log, as JSON.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial

import msgspec

from jupyter_tracking.protocol.errors import TemporarilyUnavailable

from .store import audit
from .store.audit import Entry
from .store.database import Transaction

__all__ = ["Ledger", "Write"]

Write = Callable[[Callable[[Transaction], None]], Awaitable[None]]
"""Runs some work in the writer's transaction."""

PAUSE = 0.4
"""Seconds in which entries are gathered."""
TOGETHER = 500
"""Entries that are stored at once."""
FULL = 10_000
"""Entries that wait, from which on requests that would add some are slowed down."""
MOST = 50_000
"""Entries that wait at most; older ones go to the error log."""
BRAKE = 1.0
"""Seconds that a request is held up at most."""
AGAIN = 1.0
"""Seconds until a database that was away is tried again."""

_log = logging.getLogger("jupyter_tracking")


class Ledger:
    """The ledger of one server; for its event loop alone.

    Args:
        write: stores.
    """

    def __init__(self, write: Write) -> None:
        self._write = write
        self._waiting: deque[Entry] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def is_full(self) -> bool:
        """Whether requests that would add an entry should be slowed down."""
        return len(self._waiting) >= FULL

    def add(self, entry: Entry) -> None:
        """Store an entry soon."""
        self._waiting.append(entry)
        if self._closed:
            self._give_up("The ledger is closed")
        elif len(self._waiting) > MOST:
            _log.error("The ledger cannot keep up: %s", _line(self._waiting.popleft()))
        elif self._task is None and (len(self._waiting) >= TOGETHER or self._timer is None):
            self._begin(0.0 if len(self._waiting) >= TOGETHER else PAUSE)

    async def brake(self) -> None:
        """Wait while it is full, but not for long."""
        if self.is_full and self._task is not None:
            await asyncio.wait([self._task], timeout=BRAKE)
        elif self.is_full:
            await asyncio.sleep(BRAKE)

    async def close(self) -> None:
        """Store what waits; what the database does not take goes to the error log."""
        self._closed = True
        self._stop_timer()
        if self._task is not None:
            await asyncio.wait([self._task])
        await self._store_all()
        self._give_up("The database did not take it")

    def _begin(self, pause: float) -> None:
        self._stop_timer()
        self._timer = asyncio.get_running_loop().call_later(pause, self._spawn)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _spawn(self) -> None:
        self._timer = None
        self._task = asyncio.get_running_loop().create_task(self._store_all())
        self._task.add_done_callback(self._over)

    def _over(self, _: asyncio.Task[None]) -> None:
        self._task = None
        if self._waiting and not self._closed:
            self._begin(AGAIN)

    async def _store_all(self) -> None:
        """Store what waits; stop at the first failure that may pass."""
        while self._waiting:
            some = [self._waiting.popleft() for _ in range(min(TOGETHER, len(self._waiting)))]
            try:
                await self._write(partial(audit.add, entries=some))
            except TemporarilyUnavailable as error:
                # Perhaps they are stored: better twice than never.
                self._waiting.extendleft(reversed(some))
                _log.warning("The ledger has to wait: %s", error.message)
                return
            except Exception:  # what the database will never take must not hold up the rest
                _log.exception("The ledger could not store: %s", "\n".join(map(_line, some)))

    def _give_up(self, why: str) -> None:
        while self._waiting:
            _log.error("%s: %s", why, _line(self._waiting.popleft()))


def _line(entry: Entry) -> str:
    return msgspec.json.encode(entry._asdict()).decode()
