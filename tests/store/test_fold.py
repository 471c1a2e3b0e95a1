"""Folding: nothing is lost, doubled or disturbed by it, also when the process dies in the middle."""

from __future__ import annotations

import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_tracking.protocol.enums import RunStatus
from jupyter_tracking_server.store import runs
from jupyter_tracking_server.store.database import Database
from jupyter_tracking_server.store.entries import Entries, MetricPoint
from jupyter_tracking_server.store.fold import FoldPolicy
from jupyter_tracking_server.store.writer import Writer

from .scene import anyone, fold_all, in_chunks, in_tail, log_points, new_run, until

WORKER = Path(__file__).parent / "fold_worker.py"


def line(count: int, start: int = 0) -> list[tuple[int, int, float]]:
    return [(n, 1000 + n, n / 2) for n in range(start, start + count)]


def sizes(database: Database) -> list[int]:
    """The number of points of each chunk, by key and step."""
    with database.read() as tx:
        return [n for (n,) in tx.driver("SELECT count FROM metric_chunk ORDER BY rid, key, first_step")]


def test_points_move_from_the_tail_to_chunks(database: Database) -> None:
    run_id = new_run(database)
    log_points(database, run_id, "a", line(2500))
    log_points(database, run_id, "b", line(10))
    assert fold_all(database, run_id) == 2510
    assert fold_all(database, run_id) == 0
    with database.read() as tx:
        assert in_tail(tx) == []
        assert len(in_chunks(tx)) == 2510
        rows = tx.driver(
            "SELECT first_step, last_step, first_timestamp, last_timestamp, count FROM metric_chunk "
            "ORDER BY key, first_step"
        )
    assert [tuple(row) for row in rows] == [
        (0, 999, 1000, 1999, 1000),
        (1000, 1999, 2000, 2999, 1000),
        (2000, 2499, 3000, 3499, 500),
        (0, 9, 1000, 1009, 10),
    ]


def test_small_chunks_are_filled_up_and_full_ones_left_alone(database: Database) -> None:
    run_id = new_run(database)
    for start in range(0, 2400, 300):
        log_points(database, run_id, "a", line(300, start))
        fold_all(database, run_id)
    assert sizes(database) == [600, 600, 600, 600]
    with database.read() as tx:
        assert sorted(step for step, _, _ in in_chunks(tx)) == list(range(2400))


def test_points_logged_twice_are_folded_to_one(database: Database) -> None:
    run_id = new_run(database)
    points = [*line(100), (5, 5, float("nan")), (5, 5, float("nan")), (5, 5, 0.0)]
    log_points(database, run_id, "a", points)
    log_points(database, run_id, "a", points)
    assert fold_all(database, run_id) == 206
    log_points(database, run_id, "a", points)
    fold_all(database, run_id)
    assert sizes(database) == [102]


@pytest.fixture
def folding(request: pytest.FixtureRequest, database: Database) -> Iterator[Writer]:
    """A writer with the policy that the test asks for."""
    faults: list[BaseException] = []
    writer = Writer(database, on_fault=faults.append, policy=request.param)
    writer.start()
    yield writer
    writer.stop()
    assert faults == []


def tail_length(database: Database) -> int:
    with database.read() as tx:
        return len(in_tail(tx))


BUSY = FoldPolicy(after_points=500, least_points=100, slice_points=200, quiet_seconds=3600)
QUIET = FoldPolicy(after_points=10**6, least_points=100, quiet_points=100, quiet_seconds=0.01)
ENDED = FoldPolicy(after_points=10**6, quiet_points=10**6, quiet_seconds=3600)


@pytest.mark.parametrize("folding", [BUSY], indirect=True)
def test_a_writer_folds_when_the_tail_is_long(folding: Writer, database: Database) -> None:
    ids = [new_run(database) for _ in range(3)]
    for number in range(40):
        for run_id in ids:
            points = [MetricPoint("m", float(n), n, n) for n in range(number * 25, number * 25 + 25)]
            folding.log(Entries(run_id, points), anyone).result()
    # One slice of 200 is folded for each 75 points that come, as soon as there are 500.
    assert tail_length(database) < 1000
    with database.read() as tx:
        stored = Counter(in_tail(tx) + in_chunks(tx))
    assert stored == {(n, n, repr(float(n))): 3 for n in range(1000)}


@pytest.mark.parametrize("folding", [QUIET], indirect=True)
def test_a_writer_folds_when_it_is_quiet(folding: Writer, database: Database) -> None:
    run_id = new_run(database)
    folding.log(Entries(run_id, [MetricPoint("m", 1.0, n, n) for n in range(150)]), anyone).result()
    until(lambda: tail_length(database) == 0)
    assert sizes(database) == [150]


@pytest.mark.parametrize("folding", [ENDED], indirect=True)
def test_a_writer_folds_a_run_that_ended(folding: Writer, database: Database) -> None:
    long, short = new_run(database), new_run(database)
    for run_id, count in ((long, 1500), (short, 20)):
        points = [MetricPoint("m", 1.0, n, n) for n in range(count)]
        folding.log(Entries(run_id, points), anyone).result()
    for run_id in (short, long):
        folding.submit(lambda tx, run_id=run_id: runs.update(tx, run_id, status=RunStatus.FINISHED)).result()  # type: ignore[misc]  # a default binds it
    until(lambda: tail_length(database) == 20)
    assert sizes(database) == [1000, 500]


def test_a_writer_folds_what_a_process_before_it_left(database: Database) -> None:
    long, short = new_run(database), new_run(database)
    log_points(database, long, "m", line(1200))
    log_points(database, short, "m", line(9))
    faults: list[BaseException] = []
    writer = Writer(database, on_fault=faults.append, policy=FoldPolicy(quiet_seconds=0.01))
    writer.start()
    until(lambda: tail_length(database) == 9)
    writer.stop()
    assert sizes(database) == [1000, 200]
    assert faults == []


def test_only_one_server_folds_at_a_time(postgres_uri: str) -> None:
    database, other = Database(postgres_uri), Database(postgres_uri)
    database.migrate("root")
    run_id = new_run(database)
    log_points(database, run_id, "m", line(10))
    with database.write() as tx:
        tx.driver("SELECT pg_advisory_xact_lock(?)", [0x6A74666F])
        assert fold_all(other, run_id) == 0
    assert fold_all(other, run_id) == 10
    database.close()
    other.close()


def test_a_process_killed_while_folding_leaves_every_point_once(uri: str, database: Database) -> None:
    run_id = new_run(database)
    for start in range(0, 6000, 1000):
        log_points(database, run_id, f"k{start % 3000}", line(1000, start))
    expected = Counter((n, 1000 + n, repr(n / 2)) for n in range(6000))
    generator = random.Random(11)
    kills = 0
    while tail_length(database) > 0:
        worker = subprocess.Popen(
            [sys.executable, WORKER, uri, run_id],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"PYTHONPATH": ":".join(sys.path)},
        )
        assert worker.stdin is not None
        assert worker.stdout is not None
        slices = generator.randint(1, 12)
        # It may be two slices ahead of what it said, so the kill meets it at work.
        worker.stdin.write(b"\n" * (slices + 2))
        worker.stdin.flush()
        for _ in range(slices):
            worker.stdout.readline()
        worker.kill()
        kills += worker.wait() == -9
        worker.stdin.close()
        worker.stdout.close()
        with database.read() as tx:
            assert Counter(in_tail(tx) + in_chunks(tx)) == expected
    assert kills >= 4
