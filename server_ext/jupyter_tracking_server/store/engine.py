"""Connections to a database: the URLs that are understood, and what each new connection is told."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Literal

from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError

Dialect = Literal["sqlite", "postgresql"]
Durability = Literal["full", "normal"]

LOCK_TIMEOUT = 15.0
"""Seconds to wait for another process that writes the same SQLite file."""
CONNECT_TIMEOUT = 10
"""Seconds to wait for PostgreSQL to take a connection."""
OLDEST_SQLITE = (3, 35, 0)
"""It knows RETURNING."""
KEPT_STATEMENTS = 64
"""Compiled statements in memory: of searches, a few hundred KiB each."""
CACHE_KIB = 32_768
"""Pages that one SQLite connection may keep in memory."""


def parse_url(url: str) -> URL:
    """The URL, with the driver that is used here.

    Raises:
        ValueError: it is no database URL, or of a kind that cannot be a tracking store.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ValueError(
            "The backend store is not a database URL such as sqlite:////folder/file.db."
        ) from None
    kind = parsed.get_backend_name()
    if kind in {"postgresql", "postgres"}:
        return parsed.set(drivername="postgresql+psycopg")
    if kind != "sqlite":
        raise ValueError(f"A {kind} database cannot be the tracking store: use sqlite or postgresql.")
    if not parsed.database or parsed.database == ":memory:":
        raise ValueError("The tracking store needs a file: sqlite:////folder/file.db.")
    return parsed.set(drivername="sqlite")


def make_engine(url: URL, durability: Durability, connections: int) -> Engine:
    """An engine whose transactions are begun and ended by ``database.py`` in so many words.

    Raises:
        ValueError: the PostgreSQL driver is not installed, or SQLite is too old.
    """
    postgresql = url.get_backend_name() == "postgresql"
    arguments: dict[str, object] = (
        {"connect_timeout": CONNECT_TIMEOUT, "application_name": "jupyter-tracking"}
        if postgresql
        else {"timeout": LOCK_TIMEOUT}
    )
    if not postgresql:
        if sqlite3.sqlite_version_info < OLDEST_SQLITE:
            raise ValueError(
                f"Python's SQLite is {sqlite3.sqlite_version}, but the tracking store needs "
                f"{'.'.join(map(str, OLDEST_SQLITE))} or newer."
            )
        Path(url.database or "").parent.mkdir(parents=True, exist_ok=True)
    try:
        engine = create_engine(
            url,
            isolation_level="AUTOCOMMIT",
            connect_args={**arguments, **url.query},
            pool_size=connections,
            max_overflow=connections,
            pool_reset_on_return=None,
            query_cache_size=KEPT_STATEMENTS,
        )
    except ModuleNotFoundError:
        raise ValueError(
            "PostgreSQL needs the psycopg driver: pip install 'jupyter-tracking[postgresql]'."
        ) from None
    if not postgresql:
        synchronous = {"full": "FULL", "normal": "NORMAL"}[durability]

        @event.listens_for(engine, "connect")
        def prepare(connection: sqlite3.Connection, _: object) -> None:
            _prepare_sqlite(connection, synchronous)

    return engine


def _prepare_sqlite(connection: sqlite3.Connection, synchronous: str) -> None:
    for pragma in (
        f"synchronous={synchronous}",
        "foreign_keys=ON",
        # LIKE tells upper from lower case, as on PostgreSQL; ILIKE is written with lower().
        "case_sensitive_like=ON",
        f"cache_size=-{CACHE_KIB}",
        "journal_size_limit=67108864",
        "temp_store=MEMORY",
    ):
        connection.execute(f"PRAGMA {pragma}")
