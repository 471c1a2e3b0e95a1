"""The store on each kind of database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_tracking_server.store.database import Database
from jupyter_tracking_server.store.writer import Writer

ROOT = "mlflow-artifacts:"


@pytest.fixture(params=["sqlite", "postgresql"])
def uri(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'tracking.db'}"
    found: str = request.getfixturevalue("postgres_uri")
    return found


@pytest.fixture
def empty(uri: str) -> Iterator[Database]:
    """A database without a schema."""
    database = Database(uri)
    yield database
    database.close()


@pytest.fixture
def database(empty: Database) -> Database:
    empty.migrate(ROOT)
    return empty


@pytest.fixture
def writer(database: Database) -> Iterator[Writer]:
    """A running writer; a fault of its upkeep fails the test."""
    faults: list[BaseException] = []
    writer = Writer(database, on_fault=faults.append)
    writer.start()
    yield writer
    writer.stop()
    assert faults == []
