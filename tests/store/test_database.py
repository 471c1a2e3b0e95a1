"""Transactions, savepoints, the key cache, and errors that tell nothing of the database."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import psycopg
import pytest

from jupyter_tracking.protocol.errors import (
    InternalError,
    ResourceConflict,
    TemporarilyUnavailable,
    TrackingError,
)
from jupyter_tracking_server.store import experiments, tables
from jupyter_tracking_server.store.database import Database

from .scene import log_points, new_experiment, new_run, undone, until, whole


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("mysql://host/db", "mysql"),
        ("sqlite://", "needs a file"),
        ("sqlite:///:memory:", "needs a file"),
        ("/some/folder", "not a database URL"),
    ],
)
def test_a_url_of_no_tracking_store_is_refused_with_the_reason(url: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Database(url)


def test_an_sqlite_without_returning_is_refused_with_both_versions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 26, 0))
    monkeypatch.setattr(sqlite3, "sqlite_version", "3.26.0")
    with pytest.raises(ValueError, match=r"3\.26\.0.*3\.35\.0"):
        Database(f"sqlite:///{tmp_path / 'tracking.db'}")


def test_a_password_is_not_shown() -> None:
    database = Database("postgresql://jane:secret@127.0.0.1:1/db")
    assert "secret" not in database.url
    with pytest.raises(TemporarilyUnavailable) as caught, database.read():
        pass
    assert "jane" not in caught.value.message
    database.close()


def test_a_transaction_that_raises_leaves_nothing(database: Database) -> None:
    with undone(database.write()) as tx:
        experiments.create(tx, experiments.NewExperiment("e", "root", 1))
    with database.read() as tx:
        assert experiments.get_by_name(tx, "e") is None


def test_a_reader_sees_one_snapshot(database: Database) -> None:
    with database.read() as tx:
        assert experiments.get_by_name(tx, "later") is None
        new_experiment(database, "later")
        assert experiments.get_by_name(tx, "later") is None
    with database.read() as tx:
        assert experiments.get_by_name(tx, "later") is not None


def test_a_savepoint_is_undone_alone_and_may_be_nested(database: Database) -> None:
    with database.write() as tx:
        first = experiments.create(tx, experiments.NewExperiment("first", "root", 1))
        with undone(tx.savepoint()), tx.savepoint():
            experiments.create(tx, experiments.NewExperiment("second", "root", 1))
        with tx.savepoint():
            experiments.create(tx, experiments.NewExperiment("third", "root", 1))
    with database.read() as tx:
        names = [row.name for row in tx.rows(tables.experiments.select())]
    assert first == 1
    assert sorted(names) == ["Default", "first", "third"]


def test_a_name_made_by_an_undone_transaction_is_not_remembered(database: Database) -> None:
    with undone(database.write()) as tx:
        lost = tx.keys.intern(tx, ["a", "b"])
    with database.write() as tx:
        with undone(tx.savepoint()):
            tx.keys.intern(tx, ["c"])
        tx.keys.intern(tx, ["d"])
    with database.write() as tx:
        assert set(tx.keys.find(tx, ["a", "b", "c", "d"])) == {"d"}
        kept = tx.keys.intern(tx, ["b", "a", "c", "d"])
    with database.read() as tx:
        assert tx.keys.texts(tx, kept.values()) == {number: text for text, number in kept.items()}
    assert set(lost) == {"a", "b"}


def test_the_key_cache_of_another_process_sees_new_names(uri: str, database: Database) -> None:
    other = Database(uri)
    with other.read() as tx:
        assert tx.keys.find(tx, ["loss"]) == {}
    with database.write() as tx:
        made = tx.keys.intern(tx, ["loss", "acc"])
    with other.write() as tx:
        assert tx.keys.intern(tx, ["acc", "loss"]) == made
    other.close()


def test_an_error_of_the_database_is_translated_and_says_nothing_of_it(database: Database) -> None:
    run_id = new_run(database)
    broken: list[tuple[str, list[object], type[TrackingError]]] = [
        ("SELECT secret FROM nowhere", [], InternalError),
        ("INSERT INTO keys (id, text) VALUES (?, ?)", [1, None], ResourceConflict),
        ("UPDATE runs SET experiment = ? WHERE run_id = ?", [4711, run_id], ResourceConflict),
    ]
    for sql, parameters, kind in broken:
        with pytest.raises(kind) as caught, database.write() as tx:
            tx.driver(sql, parameters)
        assert isinstance(caught.value, TrackingError)
        assert isinstance(caught.value.__cause__, sqlite3.Error | psycopg.Error)
        assert not any(word in caught.value.message for word in ("nowhere", "runs", "keys", "4711"))


def test_statements_of_sqlalchemy_run_in_the_same_transaction(database: Database) -> None:
    run_id = new_run(database)
    with undone(database.write()) as tx:
        assert tx.execute(tables.runs.update().values(name="other")).rowcount == 1
        assert tx.rows(tables.runs.select())[0].name == "other"
    assert whole(database, run_id).info.run_name == "a run"


def test_a_swallowed_error_cannot_turn_a_commit_into_a_lie(database: Database) -> None:
    """PostgreSQL gives up a transaction at its first error, and answers COMMIT with ROLLBACK."""

    def write() -> None:
        with database.write() as tx:
            experiments.create(tx, experiments.NewExperiment("lost?", "root", 1))
            with pytest.raises(database.errors):
                tx.driver("SELECT secret FROM nowhere")

    stored = True
    try:
        write()
    except TemporarilyUnavailable:
        stored = False
    with database.read() as tx:
        assert (experiments.get_by_name(tx, "lost?") is not None) is stored
    assert stored is (database.dialect == "sqlite")


def test_connections_that_died_are_replaced(postgres_uri: str) -> None:
    database = Database(postgres_uri)
    database.migrate("root")
    run_id = new_run(database)
    with database.read() as first, database.read() as second:
        assert first.connection is not second.connection
    with psycopg.connect(postgres_uri, autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    assert whole(database, run_id).info.run_id == run_id
    log_points(database, run_id, "m", [(0, 0, 1.0)])
    database.close()


def test_a_connection_that_dies_within_a_transaction_says_try_again(postgres_uri: str) -> None:
    database = Database(postgres_uri)
    database.migrate("root")

    def lose_it() -> None:
        with database.write() as tx:
            ((pid,),) = tx.driver("SELECT pg_backend_pid()")
            with psycopg.connect(postgres_uri, autocommit=True) as admin:
                admin.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
            tx.driver("SELECT 1")

    with pytest.raises(TemporarilyUnavailable):
        lose_it()
    assert new_experiment(database, "after") == 1
    database.close()


def test_writers_of_one_file_wait_for_each_other(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'tracking.db'}"
    one, other = Database(url), Database(url)
    one.migrate("root")
    with one.write() as tx:
        experiments.create(tx, experiments.NewExperiment("held", "root", 1))
        waiting = threading.Thread(target=new_experiment, args=(other, "waited"))
        waiting.start()
        until(waiting.is_alive)
    waiting.join()
    with one.read() as tx:
        held, waited = experiments.get_by_name(tx, "held"), experiments.get_by_name(tx, "waited")
    assert held is not None
    assert waited is not None
    assert int(held.experiment_id) < int(waited.experiment_id)
    one.close()
    other.close()


def test_sqlite_is_told_to_be_safe(tmp_path: Path) -> None:
    settings = {}
    for durability in ("full", "normal"):
        database = Database(f"sqlite:///{tmp_path / durability}", durability=durability)
        database.migrate("root")
        with database.read() as tx:
            names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
            settings[durability] = [tx.driver(f"PRAGMA {name}")[0][0] for name in names]
        database.close()
    assert settings == {"full": ["wal", 2, 1, 15000], "normal": ["wal", 1, 1, 15000]}
