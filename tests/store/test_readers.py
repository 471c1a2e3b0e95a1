"""Reader threads: bounded, each request in one snapshot."""

from __future__ import annotations

import threading

import pytest

from jupyter_tracking.protocol.errors import InternalError, TemporarilyUnavailable
from jupyter_tracking_server.store import experiments
from jupyter_tracking_server.store.database import Database, Transaction
from jupyter_tracking_server.store.readers import Readers

from .scene import new_experiment


def test_requests_are_read_beside_each_other(database: Database) -> None:
    readers = Readers(database, threads=3)
    readers.start()
    together = threading.Barrier(3, timeout=30)

    def work(tx: Transaction) -> str:
        together.wait()
        found = experiments.get(tx, 0)
        return found.name if found else "none"

    futures = [readers.submit(work) for _ in range(3)]
    assert [future.result() for future in futures] == ["Default"] * 3
    readers.stop()


def buggy(_: Transaction) -> None:
    raise KeyError("a defect")


def test_an_error_reaches_who_asked_and_the_thread_goes_on(database: Database) -> None:
    readers = Readers(database, threads=1)
    readers.start()
    with pytest.raises(InternalError):
        readers.submit(lambda tx: tx.driver("SELECT secret FROM nowhere")).result()
    with pytest.raises(KeyError):
        readers.submit(buggy).result()
    with pytest.raises((InternalError, TemporarilyUnavailable)):
        readers.submit(lambda tx: tx.driver("SELECT 1 / 0 FROM keys, nowhere")).result()
    number = new_experiment(database)
    found = readers.submit(lambda tx: experiments.get(tx, number)).result()
    readers.stop()
    assert found is not None


def test_too_many_requests_are_refused_and_those_given_up_are_skipped(database: Database) -> None:
    readers = Readers(database, threads=1, queue_limit=2)
    served: list[int] = []
    first = readers.submit(lambda _: served.append(1))
    second = readers.submit(lambda _: served.append(2))
    with pytest.raises(TemporarilyUnavailable):
        readers.submit(lambda _: None)
    assert first.cancel()
    readers.start()
    second.result()
    readers.stop()
    assert served == [2]


def test_reading_writes_nothing_on_postgresql(postgres_uri: str) -> None:
    database = Database(postgres_uri)
    database.migrate("root")
    with pytest.raises(TemporarilyUnavailable), database.read() as tx:
        tx.driver("DELETE FROM keys")
    database.close()
