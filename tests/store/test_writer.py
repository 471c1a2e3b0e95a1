"""The writer: one commit for many, each request for itself, and errors that pass."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import psycopg
import pytest

from jupyter_tracking.protocol.errors import (
    InternalError,
    InvalidParameterValue,
    ResourceDoesNotExist,
    TemporarilyUnavailable,
)
from jupyter_tracking_server.store import experiments, runs
from jupyter_tracking_server.store.database import Database, Transaction
from jupyter_tracking_server.store.entries import Entries, MetricPoint
from jupyter_tracking_server.store.experiments import NewExperiment
from jupyter_tracking_server.store.writer import Writer

from .scene import anyone, in_chunks, in_tail, new_run, until, whole


def create(name: str) -> Callable[[Transaction], int]:
    return lambda tx: experiments.create(tx, NewExperiment(name, "root", 1))


def names(database: Database) -> set[str]:
    with database.read() as tx:
        return {name for (name,) in tx.driver("SELECT name FROM experiments")}


def ignore(_: BaseException) -> None:
    """A fault that does not matter."""


def held_writer(database: Database, queue_limit: int = 4096) -> Writer:
    """A writer that was not started, so that what is submitted goes into one transaction."""
    return Writer(database, on_fault=ignore, queue_limit=queue_limit, threads=1)


def test_what_is_acknowledged_is_committed(writer: Writer, uri: str) -> None:
    number = writer.submit(create("mine")).result()
    other = Database(uri)
    with other.read() as tx:
        found = experiments.get(tx, number)
    other.close()
    assert found is not None
    assert found.name == "mine"


def test_one_bad_request_of_many_fails_alone(database: Database) -> None:
    run_id = new_run(database)
    writer = held_writer(database)

    def half_way(tx: Transaction) -> None:
        create("half")(tx)
        raise InvalidParameterValue("changed my mind")

    def broken(tx: Transaction) -> None:
        create("broken")(tx)
        tx.driver("SELECT secret FROM nowhere")

    def buggy(tx: Transaction) -> None:
        create("buggy")(tx)
        raise KeyError("a defect")

    futures: list[Future[Any]] = [
        writer.submit(create("one")),
        writer.submit(half_way),
        writer.log(Entries(run_id, [MetricPoint("m", 1.0, 1, 1)]), anyone),
        writer.log(Entries("none", [MetricPoint("m", 1.0, 1, 1)]), anyone),
        writer.submit(broken),
        writer.submit(buggy),
        writer.log(Entries(run_id, params=[("p", "1")]), anyone),
        writer.submit(create("two")),
    ]
    writer.start()
    kinds = [type(future.exception()) for future in futures]
    writer.stop()
    ok = type(None)
    assert kinds == [ok, InvalidParameterValue, ok, ResourceDoesNotExist, InternalError, KeyError, ok, ok]
    assert names(database) == {"Default", "one", "two"}
    run = whole(database, run_id)
    assert (len(run.data.metrics), len(run.data.params)) == (1, 1)


def test_entries_that_the_database_refuses_do_not_harm_those_beside_them(database: Database) -> None:
    run_id = new_run(database)
    writer = held_writer(database)
    too_far = MetricPoint("m", 1.0, 2**70, 1)
    futures = [
        writer.log(Entries(run_id, [MetricPoint("m", 1.0, n, n)] if n != 3 else [too_far]), anyone)
        for n in range(6)
    ]
    writer.start()
    failed = [future.exception() is not None for future in futures]
    writer.stop()
    assert failed == [False, False, False, True, False, False]
    with database.read() as tx:
        assert sorted(step for step, _, _ in in_tail(tx)) == [0, 1, 2, 4, 5]


def test_a_request_given_up_before_its_turn_is_not_written(database: Database) -> None:
    writer = held_writer(database)
    futures = [writer.submit(create(name)) for name in ("one", "two", "three")]
    assert futures[1].cancel()
    writer.start()
    writer.stop()
    assert [future.cancelled() for future in futures] == [False, True, False]
    assert names(database) == {"Default", "one", "three"}


def test_a_full_queue_refuses_at_once_and_a_stopped_writer_too(database: Database) -> None:
    writer = held_writer(database, queue_limit=3)
    waiting = [writer.submit(create(f"e{n}")) for n in range(3)]
    with pytest.raises(TemporarilyUnavailable, match="busy") as caught:
        writer.log(Entries("any"), anyone)
    assert caught.value.retry_after >= 1
    writer.start()
    writer.stop()
    assert [future.result() for future in waiting] == [1, 2, 3]
    with pytest.raises(TemporarilyUnavailable, match="stopping"):
        writer.submit(create("late"))


def test_many_threads_lose_and_double_nothing(writer: Writer, database: Database) -> None:
    ids = [new_run(database) for _ in range(4)]

    def work(thread: int) -> None:
        for n in range(50):
            points = [MetricPoint(f"m{n % 3}", float(thread), 100 * thread + n, n)]
            entries = Entries(ids[n % 4], points, [(f"p{n}", "same")], [(f"t{n % 5}", str(thread))])
            writer.log(entries, anyone).result()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.read() as tx:
        stored = in_tail(tx) + in_chunks(tx)
    assert sorted(stored) == sorted((n, 100 * t + n, repr(float(t))) for t in range(8) for n in range(50))
    found = [whole(database, run_id).data for run_id in ids]
    assert sum(len(data.params) for data in found) == 50
    assert all({metric.value for metric in data.metrics} == {7.0} for data in found)


def test_a_deadlock_is_resolved_by_running_the_loser_again(postgres_uri: str) -> None:
    """Two servers change two runs, each the other's first one last."""
    database, other = Database(postgres_uri), Database(postgres_uri)
    database.migrate("root")
    first, second = new_run(database), new_run(database)
    meet = threading.Barrier(2, timeout=30)

    def rename(one: str, two: str, name: str) -> Callable[[Transaction], None]:
        attempts: list[int] = []

        def work(tx: Transaction) -> None:
            attempts.append(1)
            runs.update(tx, one, name=name)
            if len(attempts) == 1:
                meet.wait()
            runs.update(tx, two, name=name)

        return work

    writers = [Writer(each, on_fault=ignore, threads=1) for each in (database, other)]
    for writer in writers:
        writer.start()
    futures = [
        writers[0].submit(rename(first, second, "left")),
        writers[1].submit(rename(second, first, "right")),
    ]
    assert [future.result(timeout=60) for future in futures] == [None, None]
    for writer in writers:
        writer.stop()
    assert whole(database, first).info.run_name == whole(database, second).info.run_name
    database.close()
    other.close()


def test_the_writer_recovers_when_the_database_comes_back(postgres_uri: str) -> None:
    database = Database(postgres_uri)
    database.migrate("root")
    writer = Writer(database, on_fault=ignore)
    writer.start()
    assert writer.submit(create("before")).result() == 1
    name = psycopg.conninfo.conninfo_to_dict(postgres_uri)["dbname"]
    admin_uri = postgres_uri.replace(f"/{name}?", "/postgres?")
    with psycopg.connect(admin_uri, autocommit=True) as admin:
        admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false'.encode())
        admin.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", [name]
        )
        with pytest.raises(TemporarilyUnavailable):
            writer.submit(create("meanwhile")).result()
        admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true'.encode())
    writer.submit(create("after")).result()
    assert names(database) == {"Default", "before", "after"}
    writer.stop()
    database.close()


def test_a_locked_file_says_try_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jupyter_tracking_server.store.engine.LOCK_TIMEOUT", 0.05)
    url = f"sqlite:///{tmp_path / 'tracking.db'}"
    database, other = Database(url), Database(url)
    database.migrate("root")
    writer = Writer(database, on_fault=ignore)
    writer.start()
    with other.write(), pytest.raises(TemporarilyUnavailable):
        writer.submit(create("locked out")).result()
    assert writer.submit(create("after")).result() == 1
    writer.stop()
    database.close()
    other.close()


def test_a_fault_of_the_upkeep_is_reported_and_requests_go_on(database: Database) -> None:
    run_id = new_run(database)
    with database.write() as tx:
        tx.driver("ALTER TABLE metric_chunk RENAME TO hidden")
    faults: list[BaseException] = []
    writer = Writer(database, on_fault=faults.append)
    writer.start()
    for start in range(0, 60_000, 20_000):
        points = [MetricPoint("m", 1.0, n, n) for n in range(start, start + 20_000)]
        writer.log(Entries(run_id, points), anyone).result()
    until(lambda: bool(faults))
    assert writer.submit(create("after")).result() == 1
    writer.stop()
    assert [type(fault) for fault in faults] == [InternalError]
    with database.read() as tx:
        assert len(in_tail(tx)) == 60_000
