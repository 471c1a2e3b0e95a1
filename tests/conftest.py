"""Fixtures for every test: a real PostgreSQL, one server a session and one database a test."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.object_servers import S3Server, moto, seaweedfs
from tests.servers import Postgres, Server, postgres, start_standalone

pytest_plugins = ("pytest_jupyter.jupyter_server",)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """A PostgreSQL server of our own, stopped and removed at the end of the session."""
    with postgres(durable=False) as server:
        yield server


@pytest.fixture
def postgres_uri(postgres_server: Postgres) -> Iterator[str]:
    """The `postgresql://` URI of a fresh, empty database."""
    uri = postgres_server.create_database()
    yield uri
    postgres_server.drop_database(uri)


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """An S3 store of our own; ``s3_server.create_bucket()`` makes an empty bucket."""
    with seaweedfs() as server:
        yield server


@pytest.fixture
def s3_bucket(s3_server: S3Server) -> str:
    """An empty bucket on it."""
    return s3_server.create_bucket()


@pytest.fixture(scope="session")
def moto_server() -> Iterator[S3Server]:
    """moto: S3, STS and IAM in memory, which let everybody in."""
    with moto() as server:
        yield server


@pytest.fixture(scope="session")
def tracking_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Our standalone server with a token, for all tests that log to it: each in experiments of its own."""
    with start_standalone(tmp_path_factory.mktemp("tracking")) as server:
        yield server


@pytest.fixture
def tracked(tracking_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """This process as a kernel that was started by a server: in a folder and an experiment of its own."""
    from jupyter_tracking.tracker import tracker

    for name, value in tracking_server.client_environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", f"test {secrets.token_hex(6)}")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    monkeypatch.chdir(tmp_path)
    tracker.use(None)
    yield tracking_server
    tracker.use(None)
