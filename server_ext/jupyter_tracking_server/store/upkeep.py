"""What an administrator asks of a database from the command line."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from sqlalchemy import inspect, text

from .database import Database

__all__ = ["back_up", "schema_version"]


def schema_version(database: Database) -> str | None:
    """The version of the schema; None if there is none of ours."""
    with database.read() as tx:
        if not inspect(tx.connection).has_table("alembic_version"):
            return None
        return str(tx.connection.scalar(text("SELECT version_num FROM alembic_version")))


def back_up(database: Database, target: Path) -> None:
    """Copy a SQLite database, whole and consistent, while servers may go on using it.

    Raises:
        ValueError: it is of another kind, or the target is there already.
    """
    if database.dialect != "sqlite":
        raise ValueError("Back up PostgreSQL with its own tools, such as pg_dump.")
    if target.exists():
        raise ValueError(f"{target} is there already.")
    with (
        contextlib.closing(sqlite3.connect(database.engine.url.database or "")) as source,
        contextlib.closing(sqlite3.connect(target)) as copy,
    ):
        source.backup(copy)
