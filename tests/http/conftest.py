"""A standalone server for the whole session, a Jupyter Server for each test, and plain clients for both."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import pytest
from traitlets.config import Config

from tests.servers import Postgres, Server, start_standalone

if TYPE_CHECKING:
    from tests.http.rights_scene import Site


class Answer(NamedTuple):
    """A reply: status, headers with lower-case names, body."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error_code(self) -> str:
        """Checks the shape of an error on the way."""
        reply = self.json()
        assert set(reply) == {"error_code", "message"}, reply
        assert isinstance(reply["message"], str)
        assert self.headers["content-type"] == "application/json"
        code: str = reply["error_code"]
        return code


def ask(
    url: str,
    verb: str,
    path: str,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Send one request as it is: neither path nor headers are made nice."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    try:
        connection.putrequest(verb, parts.path + path, skip_host="Host" in (headers or {}))
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            connection.putheader(name, value)
        connection.endheaders(body)
        reply = connection.getresponse()
        return Answer(reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read())
    finally:
        connection.close()


class Client:
    """Asks one server, with its token and JSON unless told otherwise."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.headers = {**server.headers, "Content-Type": "application/json"}

    def send(self, verb: str, path: str, body: object = None, **headers: str) -> Answer:
        """``body`` may be bytes, or what becomes JSON."""
        raw = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        return ask(self.server.url, verb, path, raw, {**self.headers, **more})

    def call(self, name: str, body: object, expected: int = 200) -> Any:
        """POST a call of tracking and read its reply."""
        answer = self.send("POST", f"/api/2.0/mlflow/{name}", body)
        assert answer.status == expected, answer
        return answer.json()

    def anonymous(self, verb: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """Without a credential."""
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        return ask(self.server.url, verb, path, body, more)


@pytest.fixture(scope="session")
def standalone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A client of a standalone server on SQLite."""
    with start_standalone(tmp_path_factory.mktemp("standalone")) as server:
        yield Client(server)


@pytest.fixture(scope="session")
def standalone_postgresql(
    tmp_path_factory: pytest.TempPathFactory, postgres_server: Postgres
) -> Iterator[Client]:
    """A client of a standalone server on PostgreSQL."""
    uri = postgres_server.create_database()
    with start_standalone(tmp_path_factory.mktemp("standalone"), backend=uri) as server:
        yield Client(server)
    postgres_server.drop_database(uri)


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, postgres_server: Postgres
) -> Iterator[Site]:
    """A standalone server where users have rights, and who calls it."""
    # It builds on what is above.
    from tests.http.rights_site import start_site

    backend = postgres_server.create_database() if request.param == "postgresql" else None
    with start_site(tmp_path_factory.mktemp("rights"), backend) as running:
        yield running
    if backend:
        postgres_server.drop_database(backend)


@pytest.fixture
def jp_server_config() -> Config:
    """What pytest-jupyter starts: our extension, and no endpoint that forgot to ask who calls."""
    return Config(
        {
            "ServerApp": {
                "jpserver_extensions": {"jupyter_tracking_server": True},
                "allow_unauthenticated_access": False,
            }
        }
    )
