"""A store on each kind of database; tests keep apart by making experiments of their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from jupyter_tracking_server.store.database import Database


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    if request.param == "sqlite":
        uri = f"sqlite:///{tmp_path_factory.mktemp('store')}/tracking.db"
    else:
        uri = request.getfixturevalue("postgres_server").create_database()
    database = Database(uri)
    database.migrate("mlflow-artifacts:")
    yield database
    database.close()
    if request.param == "postgresql":
        request.getfixturevalue("postgres_server").drop_database(uri)
