"""Bringing a database to this version's schema, under a lock, whatever it holds now."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, insert, inspect, text
from sqlalchemy.exc import DatabaseError, OperationalError

from .codes import ACTIVE
from .engine import LOCK_TIMEOUT
from .migrations import HEAD
from .page_secret import META_ROW, new_page_secret
from .people_tables import metadata
from .tables import experiments, meta

if TYPE_CHECKING:
    from .database import Database

_LOCK = 0x6A747261
"""Of PostgreSQL's advisory locks, the one that a migration holds."""

_FOREIGN = "This database belongs to another program, and was not touched."


class UnsupportedDatabase(Exception):
    """The database is newer than this server, or belongs to another program; nothing was touched."""


def migrate(database: Database, artifact_root: str) -> None:
    """See ``Database.migrate``."""
    try:
        _migrate(database, artifact_root)
    except DatabaseError as error:
        if "file is not a database" in str(error):
            raise UnsupportedDatabase(_FOREIGN) from None
        raise


def _migrate(database: Database, artifact_root: str) -> None:
    with database.engine.connect() as connection:
        if _version(connection) == HEAD:
            return
        if database.dialect == "sqlite":
            _use_wal(connection)
        with locked(connection):
            version = _version(connection)
            if version is None:
                _create(connection, artifact_root)
            elif version != HEAD:
                upgrade(connection, version)


def _version(connection: Connection) -> str | None:
    """The schema's version; None for an empty database.

    Raises:
        UnsupportedDatabase: this server must leave the database alone.
    """
    inspector = inspect(connection)
    tables = set(inspector.get_table_names())
    if not tables:
        return None
    columns = (
        {column["name"] for column in inspector.get_columns("experiments")} if "experiments" in tables else ()
    )
    if "lifecycle_stage" in columns:
        raise UnsupportedDatabase(
            "This is a database of MLflow itself, and was not touched. Give the tracking server a database "
            "of its own, and bring the runs over with: jupyter tracking import."
        )
    if "alembic_version" not in tables or "metric_tail" not in tables:
        raise UnsupportedDatabase(_FOREIGN)
    version = str(connection.scalar(text("SELECT version_num FROM alembic_version")))
    if version > HEAD:
        raise UnsupportedDatabase(
            f"The tracking database has schema version {version}, but this server knows only versions up to "
            f"{HEAD}: upgrade jupyter-tracking."
        )
    return version


def _create(connection: Connection, artifact_root: str) -> None:
    """The whole schema at once; a test holds it equal to the sum of the migrations."""
    metadata.create_all(connection, checkfirst=False)
    connection.execute(
        text(
            "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, "
            "CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
        )
    )
    connection.execute(text("INSERT INTO alembic_version VALUES (:head)"), {"head": HEAD})
    connection.execute(insert(meta).values(name=META_ROW, value=new_page_secret()))
    now = time.time_ns() // 1_000_000
    connection.execute(
        insert(experiments).values(
            id=0,
            name="Default",
            artifact_location=f"{artifact_root}/0",
            lifecycle=ACTIVE,
            created=now,
            updated=now,
            owner="",
            namespace="",
        )
    )


def upgrade(connection: Connection, version: str) -> None:
    """Run the migrations after ``version``; an SQLite file is copied first."""
    from alembic import command  # noqa: PLC0415  # slow to import, and not needed at most starts
    from alembic.config import Config  # noqa: PLC0415 - slow, seldom used

    if connection.dialect.name == "sqlite":
        _back_up(Path(connection.engine.url.database or ""), version)
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _back_up(file: Path, version: str) -> None:
    """A copy beside the file, made while nobody else can write."""
    with (
        contextlib.closing(sqlite3.connect(file)) as source,
        contextlib.closing(sqlite3.connect(file.with_name(f"{file.name}.{version}.backup"))) as target,
    ):
        source.backup(target)


@contextlib.contextmanager
def locked(connection: Connection) -> Iterator[None]:
    """A transaction that no other process migrates beside."""
    sqlite = connection.dialect.name == "sqlite"
    connection.exec_driver_sql("BEGIN IMMEDIATE" if sqlite else "BEGIN")
    try:
        if not sqlite:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
        yield
    except BaseException:
        connection.exec_driver_sql("ROLLBACK")
        raise
    connection.exec_driver_sql("COMMIT")


def _use_wal(connection: Connection) -> None:
    """Readers beside one writer. The change ignores the busy timeout, so it is tried for as long."""
    deadline = time.monotonic() + LOCK_TIMEOUT
    while not _has_wal(connection, last=time.monotonic() > deadline):
        time.sleep(0.01)


def _has_wal(connection: Connection, *, last: bool) -> bool:
    try:
        connection.exec_driver_sql("PRAGMA journal_mode=WAL")
    except OperationalError:
        if last:
            raise
        return False
    return True
