"""Points of one series in memory: three columns, which are quicker to move than a row for each point."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

Order = Literal["step", "timestamp"]
"""What points are ordered by first; the other one comes second, the value third, NaN counting as 0."""


@dataclass(slots=True)
class Points:
    """Points of one series; the columns are equally long, NaN is NaN."""

    steps: list[int]
    timestamps: list[int]
    values: list[float]

    @classmethod
    def of_rows(cls, rows: Iterable[Sequence[Any]]) -> Points:
        """Points of rows (step, timestamp, value) of the database, where NULL is NaN."""
        steps, timestamps, values = zip(*rows, strict=True)
        return cls(list(steps), list(timestamps), [math.nan if value is None else value for value in values])

    def __len__(self) -> int:
        """How many points there are."""
        return len(self.steps)

    def add(self, more: Points) -> None:
        """Append points."""
        self.steps += more.steps
        self.timestamps += more.timestamps
        self.values += more.values

    def cut(self, start: int, stop: int | None) -> Points:
        """The points at these places."""
        return Points(self.steps[start:stop], self.timestamps[start:stop], self.values[start:stop])

    def pick(self, places: Iterable[int]) -> Points:
        """The points at these places."""
        chosen = list(places)
        columns = (self.steps, self.timestamps, self.values)
        return Points(*([column[place] for place in chosen] for column in columns))  # type: ignore[arg-type]  # the comprehension forgets which is which

    def ordered(self, order: Order) -> Points:
        """The points in order, each once."""
        first, second = (self.steps, self.timestamps) if order == "step" else (self.timestamps, self.steps)
        if all(map(operator.lt, first, islice(first, 1, None))):
            return self
        finite = all(map(math.isfinite, self.values))
        unique = set(
            zip(first, second, self.values if finite else map(_comparable, self.values), strict=True)
        )
        rows = sorted(unique) if finite else sorted(unique, key=sort_key)
        if order == "step":
            return Points.of_rows(rows)
        return Points.of_rows((step, timestamp, value) for timestamp, step, value in rows)


def sort_key(row: tuple[int, int, float | None]) -> tuple[int, int, float, bool]:
    """What points are compared by, in a row of what is ordered by first, by second, and the value."""
    first, second, value = row
    return first, second, 0.0 if value is None else value, value is None


def _comparable(value: float) -> float | None:
    """The value, None for NaN, which is not equal to itself."""
    return None if math.isnan(value) else value
