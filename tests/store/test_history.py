"""Histories: the same points in the same order wherever they are stored, checked against a plain list."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest

from jupyter_tracking.protocol.errors import InvalidParameterValue
from jupyter_tracking.protocol.metrics import Metric
from jupyter_tracking.protocol.wire import from_double, to_double
from jupyter_tracking_server.store import history
from jupyter_tracking_server.store.database import Database

from .scene import counted, fold_all, log_points, new_run

Point = tuple[int, int, float]
"""(step, timestamp, value)."""


def growing(count: int) -> list[Point]:
    return [(n, 1_700_000_000_000 + 31 * n, n / 3) for n in range(count)]


def one_step(count: int) -> list[Point]:
    return [(0, 50 + n // 3, n * 0.5) for n in range(count)]


def wild(count: int) -> list[Point]:
    generator = random.Random(count)
    values = (math.nan, math.inf, -math.inf, 0.0, 1.5, -2.25)
    return [
        (generator.randint(-40, 40), generator.randint(0, 60), generator.choice(values)) for _ in range(count)
    ]


def backwards(count: int) -> list[Point]:
    return [(count - n, 10**12 + n, float(n)) for n in range(count)]


SHAPES = [growing, one_step, wild, backwards]
Layout = Callable[[Database, str, list[Point]], None]


def all_in_the_tail(database: Database, run_id: str, points: list[Point]) -> None:
    log_points(database, run_id, "m", points)


def all_in_chunks(database: Database, run_id: str, points: list[Point]) -> None:
    log_points(database, run_id, "m", points)
    fold_all(database, run_id)


def in_both_with_repeats(database: Database, run_id: str, points: list[Point]) -> None:
    third = len(points) // 3
    log_points(database, run_id, "m", points[: 2 * third])
    fold_all(database, run_id)
    log_points(database, run_id, "m", points[third:])


def folded_in_small_slices(database: Database, run_id: str, points: list[Point]) -> None:
    log_points(database, run_id, "m", points)
    for _ in range(4):
        fold_all(database, run_id, most=len(points) // 5)


LAYOUTS = [all_in_the_tail, all_in_chunks, in_both_with_repeats, folded_in_small_slices]


def zero_for_nan(value: float) -> tuple[float, bool]:
    return (0.0, True) if math.isnan(value) else (value, False)


def metrics(points: list[Point], run_id: str | None = None) -> list[Metric]:
    return [Metric("m", to_double(value), timestamp, step, run_id) for step, timestamp, value in points]


def by_time(points: list[Point]) -> list[Point]:
    unique = {(step, time, repr(value)): (step, time, value) for step, time, value in points}
    return sorted(unique.values(), key=lambda p: (p[1], p[0], zero_for_nan(p[2])))


def by_step(points: list[Point]) -> list[Point]:
    return sorted(by_time(points), key=lambda p: (p[0], p[1], zero_for_nan(p[2])))


def sampled(points: list[Point], most: int) -> list[Point]:
    """By protocol.md 4.7: the first of each of ``most`` buckets (the first ones one longer), and the last."""
    if len(points) <= most:
        return points
    sizes = [len(points) // most + (bucket < len(points) % most) for bucket in range(most)]
    firsts = [points[sum(sizes[:bucket])] for bucket in range(most)]
    return [*firsts[:-1], points[-1]]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", SHAPES)
def test_a_history_is_whole_paged_and_sampled_alike(
    database: Database, shape: Callable[[int], list[Point]], layout: Layout
) -> None:
    run_id = new_run(database)
    points = shape(2600)
    layout(database, run_id, points)
    with database.read() as tx:
        found, token = history.history(tx, run_id, "m", None, None)
        assert found == metrics(by_time(points))
        assert token is None
        for size in (1 + len(found) // 3, 999, len(found)):
            pages: list[Metric] = []
            after: str | None = None
            while True:
                page, after = history.history(tx, run_id, "m", after, size)
                pages += page
                if after is None:
                    break
                assert len(page) == size
            assert pages == found
        for most in (1, 2, 320, 10_000):
            expected = metrics(sampled(by_step(points), most), run_id)
            assert history.history_interval(tx, [run_id], "m", None, most) == expected
        for low, high in ((-5, 7), (990, 1010), (5000, 6000), (3, 3)):
            within = [point for point in by_step(points) if low <= point[0] <= high]
            expected = metrics(sampled(within, 100), run_id)
            assert history.history_interval(tx, [run_id], "m", (low, high), 100) == expected


def test_a_page_opens_only_the_chunks_that_it_needs(database: Database) -> None:
    run_id = new_run(database)
    log_points(database, run_id, "m", growing(20_000))
    fold_all(database, run_id)
    with database.read() as tx:
        _, token = history.history(tx, run_id, "m", None, 10_000)
        statements = counted(tx)
        page, _ = history.history(tx, run_id, "m", token, 500)
    assert [from_double(metric.value) for metric in page] == [n / 3 for n in range(10_000, 10_500)]
    assert sum(rows for sql, rows in statements if "points" in sql) <= 3


def test_bulk_goes_by_the_runs_given_and_is_cut_in_all(database: Database) -> None:
    points = growing(30)
    first, second, empty = new_run(database), new_run(database), new_run(database)
    for run_id in (first, second):
        log_points(database, run_id, "m", points)
    fold_all(database, first)
    with database.read() as tx:
        whole = history.history_bulk(tx, [second, "none", empty, first], "m", 1000)
        cut = history.history_bulk(tx, [second, first], "m", 40)
        interval = history.history_interval(tx, [second, empty, first], "m", (10, 20), 5)
    assert whole == metrics(points, second) + metrics(points, first)
    assert cut == whole[:40]
    assert [metric.run_id for metric in interval] == [second] * 5 + [first] * 5
    assert [metric.step for metric in interval][:5] == [10, 13, 15, 17, 20]


def test_an_unknown_run_or_key_has_no_points(database: Database) -> None:
    run_id = new_run(database)
    log_points(database, run_id, "m", growing(3))
    with database.read() as tx:
        assert history.history(tx, run_id, "none", None, None) == ([], None)
        assert history.history(tx, "none", "m", None, 10) == ([], None)
        assert history.history_bulk(tx, ["none"], "m", 10) == []
        assert history.history_interval(tx, [run_id], "none", None, 10) == []


@pytest.mark.parametrize("token", ["x", "1:2", "1:2:y", "1:2:0x1p0:4", "1:2:0x1p99999"])
def test_a_token_of_something_else_is_refused(database: Database, token: str) -> None:
    with database.read() as tx, pytest.raises(InvalidParameterValue, match="page token"):
        history.history(tx, "any", "m", token, 10)
