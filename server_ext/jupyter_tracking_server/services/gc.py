"""Garbage collection: what has been in the trash for long enough is removed for good, rows and bytes.

Each owner goes by itself: its rows in one transaction, which leaves a purge; then the points, the bytes and
the purge. So it can be broken off anywhere, done again, and done by several at once. What the store does not
let go stays a purge, and is tried the next time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol, TypeVar

from jupyter_tracking.protocol.errors import TrackingError

from ..artifact_stores.keys import text
from ..store import artifact_files, purge, trash
from ..store.database import Transaction
from ..store.purge import Purge
from ..store.trash import Choice, Owner
from .gc_places import Places, Root, Spot

__all__ = ["Collector", "Report", "Tools", "Transact"]

T = TypeVar("T")


class Transact(Protocol):
    """Runs some work in a transaction, in a thread; awaited on the event loop."""

    def __call__(self, work: Callable[[Transaction], T]) -> Awaitable[T]:
        """What ``work`` returns, or raises."""


@dataclass(frozen=True)
class Tools:
    """What a collector works with.

    Attributes:
        read, write: transactions.
        roots: the stores that bytes may be removed from.
        now: the time in milliseconds since the epoch.
        stopped: whether to end after the present owner.
        done: told of each owner that is finished.
        record: notes, in the transaction that removes its rows, that an owner goes.
    """

    read: Transact
    write: Transact
    roots: Sequence[Root]
    now: Callable[[], int]
    stopped: Callable[[], bool] = lambda: False
    done: Callable[[Owner], object] = lambda _: None
    record: Callable[[Transaction, Owner], object] = lambda _tx, _owner: None


@dataclass
class Report:
    """What was done.

    Attributes:
        removed: how many runs, models and experiments went.
        folders: how many folders of bytes were removed.
        left: locations elsewhere, whose bytes were left alone.
        kept: folders that living owners share, with whose they are.
        failed: what could not be done, with the reason; it is tried the next time.
        stopped: it was broken off; the rest is for the next time.
    """

    removed: dict[trash.Kind, int] = field(default_factory=lambda: dict.fromkeys(trash.KINDS, 0))
    folders: int = 0
    left: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    stopped: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether there was nothing to do."""
        return self == Report()


class Collector:
    """Removes what is due.

    Attributes:
        report: what has been done so far.
    """

    def __init__(self, tools: Tools) -> None:
        self.report = Report()
        self._tools = tools
        self._places = Places(tools.roots)

    async def collect(self, choice: Choice) -> Report:
        """Finish what was begun earlier, then remove what is chosen and due.

        Raises:
            TrackingError: the database failed; what is done is done.
        """
        await self._finish_begun()
        for kind, name in await self._tools.read(lambda tx: trash.missing(tx, choice)):
            self.report.failed.append(f"{kind} {name} is not in the trash, or not for long enough")
        for kind in trash.KINDS:
            await self._collect_kind(kind, choice)
        return self.report

    async def _finish_begun(self) -> None:
        after = 0
        while begun := await self._tools.read(partial(purge.pending, after=after)):
            for gone in begun:
                if self._is_stopped():
                    return
                await self._finish(gone)
            after = begun[-1].id

    async def _collect_kind(self, kind: trash.Kind, choice: Choice) -> None:
        after = -1
        while owners := await self._tools.read(partial(trash.due, kind=kind, choice=choice, after=after)):
            for owner in owners:
                if self._is_stopped():
                    return
                await self._remove(owner, choice.before)
            after = owners[-1].number

    def _is_stopped(self) -> bool:
        self.report.stopped = self.report.stopped or self._tools.stopped()
        return self.report.stopped

    async def _remove(self, owner: Owner, before: int) -> None:
        if self._lacks_store(owner.location):
            return
        now = self._tools.now()
        gone = await self._tools.write(lambda tx: self._take(tx, owner, before, now))
        if gone is not None:
            self.report.removed[owner.kind] += 1
            await self._finish(gone)
            self._tools.done(owner)

    def _take(self, tx: Transaction, owner: Owner, before: int, now: int) -> Purge | None:
        gone = purge.remove(tx, owner, before, now)
        if gone is not None:
            self._tools.record(tx, owner)
        return gone

    def _lacks_store(self, location: str) -> bool:
        lacking = self._places.lacks_store(location)
        if lacking:
            self.report.failed.append(f"{location}: the store of proxied artifacts is not open here")
        return lacking

    async def _finish(self, gone: Purge) -> None:
        """Remove what an owner that is gone has left; its purge stays if the bytes cannot go yet."""
        if self._lacks_store(gone.location):
            return
        began = time.monotonic()
        while await self._tools.write(lambda tx: purge.remove_points(tx, gone)):
            # Others who write get as much time as was taken from them.
            await asyncio.sleep(time.monotonic() - began)
            began = time.monotonic()
        spot = None if _has_no_folder(gone) else self._places.spot(gone.location)
        if spot is not None:
            if not await self._remove_bytes(gone, spot):
                return
        elif gone.kind != "experiment":
            self.report.left.append(gone.location)
        await self._tools.write(lambda tx: _forget(tx, gone, spot))

    async def _remove_bytes(self, gone: Purge, spot: Spot) -> bool:
        """Whether nothing is there any more."""
        neighbour = await self._tools.read(lambda tx: self._places.neighbour(tx, gone, spot))
        if neighbour:
            self.report.kept.append(f"{gone.location}: {neighbour}")
            return False
        try:
            self.report.folders += await spot.root.store.delete(spot.key)
        except TrackingError as error:
            self.report.failed.append(f"{gone.location}: {error.message}")
            return False
        except OSError as error:
            self.report.failed.append(f"{gone.location}: {error.strerror or type(error).__name__}")
            return False
        return True


def _has_no_folder(gone: Purge) -> bool:
    """Of its own, an experiment has a folder of traces, below a location that ends in its id."""
    return gone.kind == "experiment" and not gone.location.endswith(f"/{gone.owner}/traces")


def _forget(tx: Transaction, gone: Purge, spot: Spot | None) -> None:
    if spot is not None:
        artifact_files.drop(tx, text(spot.key))
    purge.drop(tx, gone)
