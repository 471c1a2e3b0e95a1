"""Histories of metrics: whole, by pages, or evenly sampled. An unknown run or key has no points."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from itertools import repeat
from typing import TYPE_CHECKING

from jupyter_tracking.protocol.errors import InvalidParameterValue
from jupyter_tracking.protocol.limits import INT64_MAX, INT64_MIN
from jupyter_tracking.protocol.metrics import Metric
from jupyter_tracking.protocol.wire import Double, to_double

from .points import Order, Points, sort_key
from .series import Part, Series

if TYPE_CHECKING:
    from .database import Transaction

_Place = tuple[int, int, float | None]
"""Where a point is in a history: timestamp, step and value, None for NaN."""


def history(
    tx: Transaction, run_id: str, key: str, after: str | None, limit: int | None
) -> tuple[list[Metric], str | None]:
    """Points by timestamp, step and value: those after the page whose token ``after`` is, ``limit`` at most.

    Returns:
        The points, and a token if more follow.

    Raises:
        InvalidParameterValue: ``after`` is no token.
    """
    last = None if after is None else _from_token(after)
    series = _series(tx, [run_id], key, "timestamp").get(run_id)
    if series is None:
        return [], None
    points = _after(series, last, None if limit is None else limit + 1)
    more = limit is not None and len(points) > limit
    page = points.cut(0, limit)
    return _metrics(key, None, page), _to_token(page) if more else None


def history_bulk(tx: Transaction, run_ids: Sequence[str], key: str, limit: int) -> list[Metric]:
    """Points of several runs, in this order of runs, then by timestamp, step and value; ``limit`` in all."""
    found: list[Metric] = []
    for run_id, series in _series(tx, run_ids, key, "timestamp").items():
        points = _after(series, None, limit - len(found))
        found += _metrics(key, run_id, points.cut(0, limit - len(found)))
        if len(found) >= limit:
            break
    return found


def history_interval(
    tx: Transaction, run_ids: Sequence[str], key: str, steps: tuple[int, int] | None, limit: int
) -> list[Metric]:
    """Points of several runs, evenly sampled, in this order of runs, then by step, timestamp and value.

    ``steps`` are the first and the last step wanted. Each run has ``limit`` points at most, its last one
    always among them.
    """
    low, high = steps or (INT64_MIN, INT64_MAX)
    found: list[Metric] = []
    for run_id, series in _series(tx, run_ids, key, "step").items():
        found += _metrics(key, run_id, _sample(series, low, high, limit))
    return found


def _series(tx: Transaction, run_ids: Sequence[str], key: str, order: Order) -> dict[str, Series]:
    """The series of those runs that exist, in the order of the runs given."""
    number = tx.keys.find(tx, [key]).get(key)
    if number is None:
        return {}
    sql = f"SELECT run_id, rid FROM runs WHERE {tx.among('run_id', 'text')}"
    rids: dict[str, int] = dict(tx.driver(sql, [tx.array(run_ids)]))
    return {run_id: Series(tx, rids[run_id], number, order) for run_id in run_ids if run_id in rids}


def _after(series: Series, last: _Place | None, most: int | None) -> Points:
    """Points that come after a place, ``most`` of them if there are so many, perhaps more."""
    parts = deque(part for part in series.parts if last is None or part.high >= last[0])
    found = Points([], [], [])
    while parts and (most is None or len(found) < most):
        wanted: list[Part] = []
        while parts and (most is None or sum(part.most for part in wanted) < most - len(found)):
            wanted.append(parts.popleft())
        points = series.points(wanted)
        if last is not None and not found:
            points = points.cut(_beyond(points, last), None)
        found.add(points)
    return found


def _beyond(points: Points, last: _Place) -> int:
    """How many points, which are in the order of timestamps, do not come after a place."""
    least = sort_key(last)
    number = bisect_left(points.timestamps, last[0])
    while number < len(points) and sort_key(_place(points, number)) <= least:
        number += 1
    return number


def _sample(series: Series, low: int, high: int, limit: int) -> Points:
    """``limit`` points at most with low <= step <= high: the first of each equal bucket, and the last one."""
    parts = [
        part if part.exact and low <= part.low and part.high <= high else series.settle(part, low, high)
        for part in series.parts
        if part.low <= high and part.high >= low
    ]
    count = sum(part.most for part in parts)
    if count <= limit:
        return series.points(parts)
    size, longer = divmod(count, limit)
    places = [bucket * size + min(bucket, longer) for bucket in range(limit - 1)]
    return series.pick(_spread(parts, [*places, count - 1]))


def _spread(parts: Sequence[Part], places: Sequence[int]) -> list[tuple[Part, list[int]]]:
    """Places in a whole series, ascending, as places in its parts."""
    wanted: list[tuple[Part, list[int]]] = []
    rest = deque(places)
    before = 0
    for part in parts:
        here: list[int] = []
        while rest and rest[0] < before + part.most:
            here.append(rest.popleft() - before)
        if here:
            wanted.append((part, here))
        before += part.most
    return wanted


def _metrics(key: str, run_id: str | None, points: Points) -> list[Metric]:
    values: Sequence[Double] = points.values
    if not all(map(math.isfinite, points.values)):
        values = [to_double(value) for value in points.values]
    return list(map(Metric, repeat(key), values, points.timestamps, points.steps, repeat(run_id)))


def _place(points: Points, number: int) -> _Place:
    value = points.values[number]
    return points.timestamps[number], points.steps[number], None if math.isnan(value) else value


def _to_token(page: Points) -> str:
    timestamp, step, value = _place(page, len(page) - 1)
    return f"{timestamp}:{step}:{'nan' if value is None else float(value).hex()}"


def _from_token(token: str) -> _Place:
    try:
        timestamp, step, value = token.split(":")
        return int(timestamp), int(step), None if value == "nan" else float.fromhex(value)
    except (ValueError, OverflowError):
        raise InvalidParameterValue("Invalid page token: it does not belong to this call.") from None
