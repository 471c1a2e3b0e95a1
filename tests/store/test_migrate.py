"""The schema of new, older, newer and foreign databases."""

from __future__ import annotations

import contextlib
import hashlib
import multiprocessing
import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import text

from jupyter_tracking.protocol.enums import LifecycleStage
from jupyter_tracking_server.store import experiments, migrate
from jupyter_tracking_server.store.database import Database, Transaction
from jupyter_tracking_server.store.migrate import UnsupportedDatabase
from jupyter_tracking_server.store.migrations import HEAD
from jupyter_tracking_server.store.tables import metadata

from .conftest import ROOT
from .scene import new_experiment

FOLDER = Path(migrate.__file__).parent / "migrations"


def test_a_new_database_has_the_default_experiment(database: Database) -> None:
    with database.read() as tx:
        found = experiments.get(tx, 0)
    assert found is not None
    assert (found.name, found.artifact_location) == ("Default", f"{ROOT}/0")
    assert found.lifecycle_stage is LifecycleStage.ACTIVE
    assert new_experiment(database) == 1


def test_migrating_again_changes_nothing(database: Database) -> None:
    database.migrate("elsewhere")
    with database.read() as tx:
        found = experiments.get(tx, 0)
    assert found is not None
    assert found.artifact_location == f"{ROOT}/0"


def clauses(sql: str) -> list[str]:
    """The parts of a statement; their order and layout do not matter."""
    return sorted(part.strip() for part in re.split(r"[,()]", re.sub(r"[\s\"]+", " ", sql)))


def schema(tx: Transaction) -> list[Any]:
    """All that the database knows of its tables, in an order of its own."""
    if tx.dialect == "sqlite":
        rows = tx.driver("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name")
        return [(name, clauses(sql)) for name, sql in rows]
    questions = [
        "SELECT table_name, column_name, data_type, is_nullable, collation_name, column_default "
        "FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2",
        "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1",
        "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint "
        "WHERE connamespace = 'public'::regnamespace ORDER BY 1",
    ]
    return [tx.driver(question) for question in questions]


def test_the_migrations_lead_to_the_schema_of_tables_py(empty: Database) -> None:
    with empty.engine.connect() as connection, migrate.locked(connection):
        migrate.upgrade(connection, "base")
    with empty.read() as tx:
        by_migrations = schema(tx)
    with empty.write() as tx:
        names = [*metadata.tables, "alembic_version"]
        cascade = " CASCADE" if tx.dialect == "postgresql" else ""
        for name in reversed(names):
            tx.driver(f"DROP TABLE {name}{cascade}")
    empty.migrate(ROOT)
    with empty.read() as tx:
        assert schema(tx) == by_migrations


def test_head_is_the_newest_migration() -> None:
    assert ScriptDirectory(FOLDER).get_current_head() == HEAD


def start(uri: str, barrier: Any, results: Any) -> None:
    database = Database(uri)
    barrier.wait()
    try:
        database.migrate(ROOT)
        with database.read() as tx:
            results.put(len(tx.driver("SELECT id FROM experiments")))
    except BaseException as error:
        results.put(repr(error))
    finally:
        database.close()


def test_processes_that_start_at_once_on_an_empty_store_all_succeed(uri: str) -> None:
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(3), context.Queue()
    processes = [context.Process(target=start, args=(uri, barrier, results)) for _ in range(3)]
    for process in processes:
        process.start()
    assert [results.get(timeout=60) for _ in processes] == [1, 1, 1]
    for process in processes:
        process.join()


def test_a_newer_database_is_refused_with_both_versions(database: Database) -> None:
    with database.write() as tx:
        tx.driver("UPDATE alembic_version SET version_num = '0999'")
    with pytest.raises(UnsupportedDatabase, match=rf"0999.*{HEAD}"):
        database.migrate(ROOT)


def test_mlflows_own_database_is_named_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "mlflow.db"
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
        connection.execute("INSERT INTO alembic_version VALUES ('cc1f77228345')")
        connection.execute("CREATE TABLE experiments (experiment_id INTEGER, lifecycle_stage VARCHAR(32))")
        connection.commit()
    before = hashlib.sha256(file.read_bytes()).hexdigest()
    database = Database(f"sqlite:///{file}")
    with pytest.raises(UnsupportedDatabase, match="jupyter tracking import"):
        database.migrate(ROOT)
    database.close()
    assert hashlib.sha256(file.read_bytes()).hexdigest() == before
    assert [path.name for path in tmp_path.iterdir()] == ["mlflow.db"]


def test_a_database_of_another_program_is_refused(empty: Database) -> None:
    with empty.write() as tx:
        tx.driver("CREATE TABLE accounts (id INTEGER)")
    with pytest.raises(UnsupportedDatabase, match="another program"):
        empty.migrate(ROOT)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("not a database, " * 100)
    database = Database(f"sqlite:///{file}")
    with pytest.raises(UnsupportedDatabase, match="another program"):
        database.migrate(ROOT)
    database.close()


def test_an_older_database_is_backed_up_before_it_is_changed(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'tracking.db'}")
    with database.write() as tx:
        tx.driver("CREATE TABLE precious (text TEXT)")
        tx.driver("INSERT INTO precious VALUES ('old')")
    with database.engine.connect() as connection, migrate.locked(connection):
        migrate.upgrade(connection, "0000")
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == HEAD
    database.close()
    with contextlib.closing(sqlite3.connect(tmp_path / "tracking.db.0000.backup")) as backup:
        assert backup.execute("SELECT text FROM precious").fetchall() == [("old",)]
        assert backup.execute("SELECT count(*) FROM sqlite_master").fetchall() == [(1,)]
