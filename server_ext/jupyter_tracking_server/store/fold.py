"""Folding: points move from the tail, where they come in, to chunks, where they are small and quick to read.

A fold is one transaction, so every point is in exactly one place whenever the process dies. Points that were
logged twice are folded to one. Points of runs with few of them stay in the tail for good, where they are
found by their run's index as quickly.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import chunks
from .bulk import BulkInsert
from .points import Points
from .tables import metric_chunk

if TYPE_CHECKING:
    from .database import Database, Transaction

_LOCK = 0x6A74666F
"""Of PostgreSQL's advisory locks, the one that folding holds; SQLite has one writer anyway."""
_REST = 60.0
"""Seconds without folding after it failed."""
_MOST_RUNS = 50_000
"""How many runs with few points are remembered."""
_ADD = BulkInsert(
    metric_chunk,
    (
        "rid",
        "key",
        "first_step",
        "seq",
        "last_step",
        "first_timestamp",
        "last_timestamp",
        "count",
        "points",
    ),
)


@dataclass(frozen=True)
class FoldPolicy:
    """When the tail is folded.

    Attributes:
        after_points: so many new points make it time.
        least_points: runs with fewer points in the tail are left there: rows are smaller than tiny chunks.
        slice_points: how many points one transaction folds; requests wait for so long at most.
        quiet_seconds: after so long without requests it is time already:
        quiet_points: if there are so many new points.
    """

    after_points: int = 50_000
    least_points: int = 1_000
    slice_points: int = 5_000
    quiet_seconds: float = 2.0
    quiet_points: int = 2_000


class Folder:
    """Decides when and what to fold, between the writer's transactions."""

    def __init__(self, database: Database, policy: FoldPolicy) -> None:
        self._database = database
        self._policy = policy
        self._lock = threading.Lock()
        self._busy = threading.Lock()
        self._new_points = 0
        self._in_tail: Counter[int] = Counter()
        self._ended: deque[int] = deque()
        self._to_fold: deque[int] = deque()
        self._is_surveyed = False
        self._resting_until = 0.0

    def notice(self, logged: Mapping[int, int], ended_runs: Sequence[int]) -> None:
        """So many points were added to the tail for each of these runs, and those have ended."""
        with self._lock:
            self._new_points += sum(logged.values())
            self._in_tail.update(logged)
            self._ended.extend(ended_runs)

    def patience(self) -> float | None:
        """Seconds that the writer may wait for requests before it should call ``work``; None: for ever."""
        resting = self._resting_until - time.monotonic()
        if resting > 0:
            return resting
        if self._to_fold or self._ended:
            return 0.0
        is_worth_it = self._new_points >= self._policy.quiet_points or not self._is_surveyed
        return self._policy.quiet_seconds if is_worth_it else None

    def work(self, *, quiet: bool) -> None:
        """Fold a slice, if it is time for it.

        Raises:
            TrackingError: the database failed; nothing is lost, and folding rests for a while.
        """
        is_time = quiet or self._new_points >= self._policy.after_points
        # What was found to be due is folded slice by slice, also while requests keep coming.
        if not (is_time or self._to_fold) or time.monotonic() < self._resting_until:
            return
        if not self._busy.acquire(blocking=False):
            return
        try:
            self._fold_a_slice()
        except BaseException:
            self._resting_until = time.monotonic() + _REST
            raise
        finally:
            self._busy.release()

    def _fold_a_slice(self) -> None:
        if not self._to_fold and not self._choose():
            return
        rid = self._to_fold[0]
        with self._database.write() as tx:
            moved = fold(tx, rid, self._policy.slice_points)
        if moved < self._policy.slice_points:
            self._to_fold.popleft()

    def _choose(self) -> bool:
        """Find runs that are worth folding; whether there are any."""
        if not self._is_surveyed:
            self._survey()
        with self._lock:
            self._new_points = 0
            due = {rid for rid, points in self._in_tail.items() if points >= self._policy.least_points}
            for rid in (*due, *self._ended):
                self._in_tail.pop(rid, None)
            if len(self._in_tail) > _MOST_RUNS:
                self._in_tail.clear()
            ended = [rid for rid in self._ended if rid not in due]
            self._ended.clear()
        self._to_fold.extend(due)
        self._to_fold.extend(rid for rid in ended if self._is_worth_it(rid))
        return bool(self._to_fold)

    def _survey(self) -> None:
        """Count what earlier processes left in the tail."""
        with self._database.read() as tx:
            rows = tx.driver(
                "SELECT rid, count(*) FROM metric_tail GROUP BY rid HAVING count(*) >= ?",
                [self._policy.least_points],
            )
        with self._lock:
            self._in_tail.update(dict(rows))
            self._is_surveyed = True

    def _is_worth_it(self, rid: int) -> bool:
        with self._database.read() as tx:
            ((points,),) = tx.driver("SELECT count(*) FROM metric_tail WHERE rid = ?", [rid])
        return bool(points >= self._policy.least_points)


def fold(tx: Transaction, rid: int, most: int) -> int:
    """Move up to ``most`` points of a run from the tail to chunks; how many were moved."""
    if tx.dialect == "postgresql":
        ((alone,),) = tx.driver("SELECT pg_try_advisory_xact_lock(?)", [_LOCK])
        if not alone:
            return 0
    # One statement finds and removes, so a point that is being logged meanwhile is not removed unseen.
    rows = tx.driver(
        "DELETE FROM metric_tail WHERE seq IN "
        "(SELECT seq FROM metric_tail WHERE rid = ? ORDER BY seq LIMIT ?) "
        "RETURNING key, step, timestamp, value",
        (rid, most),
    )
    if not rows:
        return 0
    found: dict[int, list[Sequence[object]]] = defaultdict(list)
    for key, *point in rows:
        found[key].append(point)
    series = {key: Points.of_rows(points) for key, points in found.items()}
    for key, blob in _take_small_chunks(tx, rid, sorted(series)):
        series[key].add(chunks.decode(blob))
    _add_chunks(tx, rid, series)
    return len(rows)


def _take_small_chunks(tx: Transaction, rid: int, keys: Sequence[int]) -> list[tuple[int, bytes]]:
    """Remove the chunks that are less than half full, to be filled up."""
    rows = tx.driver(
        f"DELETE FROM metric_chunk WHERE rid = ? AND count < ? AND {tx.among('key')} RETURNING key, points",
        (rid, chunks.POINTS // 2, tx.array(keys)),
    )
    return [(key, blob) for key, blob in rows]


def _add_chunks(tx: Transaction, rid: int, series: dict[int, Points]) -> None:
    ((seq,),) = tx.driver("SELECT coalesce(max(seq), 0) FROM metric_chunk WHERE rid = ?", [rid])
    made: list[tuple[object, ...]] = []
    for key, points in sorted(series.items()):
        ordered = points.ordered("step")
        for start in range(0, len(ordered), chunks.POINTS):
            part = ordered.cut(start, start + chunks.POINTS)
            seq += 1
            steps = part.steps[0], seq, part.steps[-1]
            times = min(part.timestamps), max(part.timestamps)
            made.append((rid, key, *steps, *times, len(part), chunks.encode(part)))
    _ADD.run(tx, made)
