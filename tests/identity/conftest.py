"""Accounts in each kind of database."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_tracking_server.store.database import Database

from .people import Clock, Town


@pytest.fixture(params=["sqlite", "postgresql"])
def town(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Town]:
    if request.param == "sqlite":
        uri = f"sqlite:///{tmp_path / 'tracking.db'}"
    else:
        uri = request.getfixturevalue("postgres_uri")
    with contextlib.closing(Database(uri)) as database:
        database.migrate("mlflow-artifacts:")
        yield Town(database)


@pytest.fixture
def clock() -> Clock:
    return Clock()
