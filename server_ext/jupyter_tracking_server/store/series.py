"""A series: all points of one metric of one run, read from its chunks and its tail as one.

Chunks and tail are joined to *parts* that do not overlap in the order asked for; a part that is one chunk
is opened only when its points are needed, and holds no point twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from . import chunks
from .points import Order, Points

if TYPE_CHECKING:
    from .database import Transaction


@dataclass(slots=True)
class Part:
    """Neighbouring points, between ``low`` and ``high`` inclusive of what is ordered by first.

    Attributes:
        most: how many points it can have; exactly so many if it is ``exact``.
        chunks: ``seq`` of each.
    """

    low: int
    high: int
    most: int
    chunks: list[int] = field(default_factory=list)
    loose: Points | None = None

    @property
    def exact(self) -> bool:
        """Whether it cannot hold a point twice: it is one chunk, or loose points only."""
        return len(self.chunks) + (self.loose is not None) == 1


class Series:
    """The points of a metric, in an order.

    Attributes:
        parts: in order, without overlap.
    """

    def __init__(self, tx: Transaction, rid: int, key: int, order: Order) -> None:
        self._tx = tx
        self._place = (rid, key)
        self._order = order
        self.parts = _joined([*self._chunks(), *self._tail()])

    def points(self, parts: Sequence[Part]) -> Points:
        """All points of some parts, in order."""
        blobs = self._blobs(parts)
        found = Points([], [], [])
        for part in parts:
            here = Points([], [], [])
            if part.loose is not None:
                here.add(part.loose)
            for seq in part.chunks:
                here.add(chunks.decode(blobs[seq]))
            # Chunks are in the order of steps; of timestamps not always.
            found.add(here if part.exact and self._order == "step" else here.ordered(self._order))
        return found

    def pick(self, wanted: Iterable[tuple[Part, list[int]]]) -> Points:
        """Some points, by their places in exact parts of a series in the order of steps."""
        places = list(wanted)
        blobs = self._blobs([part for part, _ in places])
        found = Points([], [], [])
        for part, here in places:
            if part.loose is not None:
                found.add(part.loose.pick(here))
            else:
                found.add(chunks.pick(blobs[part.chunks[0]], here))
        return found

    def settle(self, part: Part, low: int, high: int) -> Part:
        """The points of a part of a series in the order of steps, between two steps, as an exact part."""
        points = self.points([part])
        within = points.pick(place for place, step in enumerate(points.steps) if low <= step <= high)
        return Part(part.low, part.high, len(within), loose=within)

    def _chunks(self) -> list[Part]:
        rows = self._tx.driver(
            f"SELECT first_{self._order}, last_{self._order}, count, seq FROM metric_chunk "
            "WHERE rid = ? AND key = ?",
            self._place,
        )
        return [Part(low, high, count, chunks=[seq]) for low, high, count, seq in rows]

    def _tail(self) -> list[Part]:
        sql = "SELECT step, timestamp, value FROM metric_tail WHERE rid = ? AND key = ?"
        rows = self._tx.driver(sql, self._place)
        if not rows:
            return []
        points = Points.of_rows(rows).ordered(self._order)
        first = points.steps if self._order == "step" else points.timestamps
        return [Part(first[0], first[-1], len(points), loose=points)]

    def _blobs(self, parts: Sequence[Part]) -> dict[int, bytes]:
        wanted = [seq for part in parts for seq in part.chunks]
        if not wanted:
            return {}
        sql = f"SELECT seq, points FROM metric_chunk WHERE rid = ? AND key = ? AND {self._tx.among('seq')}"
        return dict(self._tx.driver(sql, [*self._place, self._tx.array(wanted)]))


def _joined(parts: list[Part]) -> list[Part]:
    """The parts in order, those that overlap made one."""
    parts.sort(key=lambda part: (part.low, part.high))
    joined: list[Part] = []
    for part in parts:
        if joined and part.low <= joined[-1].high:
            last = joined[-1]
            last.high = max(last.high, part.high)
            last.most += part.most
            last.chunks += part.chunks
            last.loose = part.loose or last.loose  # there is one tail
        else:
            joined.append(part)
    return joined
