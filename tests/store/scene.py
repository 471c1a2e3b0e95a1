"""What tests of the store put into it and read out of it."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from jupyter_tracking.protocol.errors import TrackingError
from jupyter_tracking.protocol.runs import Run
from jupyter_tracking_server.store import chunks, entries, experiments, fold, runs
from jupyter_tracking_server.store.database import Database, Transaction
from jupyter_tracking_server.store.entries import Entries, MetricPoint

T = TypeVar("T")
Stored = tuple[int, int, str]
"""(step, timestamp, value as text)."""


def anyone(*_: object) -> None:
    """A caller who may write anywhere."""


def until(condition: Callable[[], bool], timeout: float = 60.0) -> None:
    """Wait for something that another thread or process brings about."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


class Undo(Exception):
    """Raised to undo a transaction."""


@contextlib.contextmanager
def undone(transaction: AbstractContextManager[T]) -> Iterator[T]:
    """A transaction or savepoint that ends with an error."""
    with contextlib.suppress(Undo), transaction as tx:
        yield tx
        raise Undo


def counted(tx: Transaction) -> list[tuple[str, int]]:
    """A list that will hold each statement that this transaction runs on the driver, and its row count."""
    statements: list[tuple[str, int]] = []
    run = tx.driver

    def counting(sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        rows = run(sql, parameters)
        statements.append((sql, len(rows)))
        return rows

    tx.driver = counting  # type: ignore[method-assign]  # it runs the statement as before
    return statements


def new_experiment(database: Database, name: str | None = None) -> int:
    with database.write() as tx:
        new = experiments.NewExperiment(name or secrets.token_hex(6), "mlflow-artifacts:", 1000)
        return experiments.create(tx, new)


def new_run(database: Database, experiment: int = 0, name: str = "a run") -> str:
    run_id = secrets.token_hex(16)
    with database.write() as tx:
        runs.create(
            tx,
            runs.NewRun(
                run_id, experiment, name, "jane", 5, f"mlflow-artifacts:/{experiment}/{run_id}/artifacts"
            ),
        )
    return run_id


def log(database: Database, *batch: Entries) -> list[TrackingError | None]:
    with database.write() as tx:
        return entries.log(tx, batch, [anyone] * len(batch))


def log_points(database: Database, run_id: str, key: str, points: Sequence[tuple[int, int, float]]) -> None:
    """Log (step, timestamp, value)."""
    made = [MetricPoint(key, value, timestamp, step) for step, timestamp, value in points]
    assert log(database, Entries(run_id, made)) == [None]


def whole(database: Database, run_id: str) -> Run:
    with database.read() as tx:
        found = runs.get(tx, run_id)
    assert found is not None
    return found


def rid_of(database: Database, run_id: str) -> int:
    with database.read() as tx:
        ((rid,),) = tx.driver("SELECT rid FROM runs WHERE run_id = ?", [run_id])
    number: int = rid
    return number


def fold_all(database: Database, run_id: str, most: int = 100_000) -> int:
    """Fold one slice of a run; how many points were moved."""
    rid = rid_of(database, run_id)
    with database.write() as tx:
        return fold.fold(tx, rid, most)


def in_tail(tx: Transaction) -> list[Stored]:
    """Every point in the tail."""
    rows = tx.driver("SELECT step, timestamp, value FROM metric_tail")
    return [(step, timestamp, "nan" if value is None else repr(value)) for step, timestamp, value in rows]


def in_chunks(tx: Transaction) -> list[Stored]:
    """Every point in a chunk."""
    found: list[Stored] = []
    for (blob,) in tx.driver("SELECT points FROM metric_chunk"):
        points = chunks.decode(blob)
        found += zip(points.steps, points.timestamps, map(repr, points.values), strict=True)
    return found
