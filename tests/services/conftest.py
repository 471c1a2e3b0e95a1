"""A server of ours for each kind of database, and a caller that speaks its wire."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests

from tests.servers import Postgres, Server, start_standalone

Reply = dict[str, Any]


class Refused(Exception):
    """An answer that is not 200: its status, its error code and its message."""

    def __init__(self, status: int, body: Reply) -> None:
        super().__init__(f"{status} {body}")
        assert set(body) == {"error_code", "message"}, body
        self.status = status
        self.code: str = body["error_code"]
        self.message: str = body["message"]

    @property
    def verdict(self) -> tuple[int, str]:
        """Status and code."""
        return self.status, self.code


@dataclass
class Api:
    """Calls of the REST API as a client of any language makes them."""

    url: str
    session: requests.Session = field(default_factory=requests.Session)

    def get(self, path: str, prefix: str = "api/2.0/mlflow", /, **query: object) -> Reply:
        """GET with a query string."""
        return self._read(self.session.get(f"{self.url}/{prefix}/{path}", params=query, timeout=60))  # type: ignore[arg-type]  # requests' stubs want str values

    def post(self, path: str, verb: str = "POST", /, **body: object) -> Reply:
        """POST (or another verb) with a JSON body."""
        return self._read(
            self.session.request(verb, f"{self.url}/api/2.0/mlflow/{path}", json=body, timeout=60)
        )

    def _read(self, reply: requests.Response) -> Reply:
        assert reply.headers["Content-Type"].startswith("application/json"), reply.text
        body: Reply = reply.json()
        if reply.status_code != 200:
            raise Refused(reply.status_code, body)
        return body

    def experiment(self, name: str | None = None, /, **fields: object) -> str:
        """A new experiment's id."""
        created = self.post("experiments/create", name=name or f"e-{secrets.token_hex(6)}", **fields)
        return str(created["experiment_id"])

    def run(self, experiment_id: str, /, **fields: object) -> str:
        """A new run's id."""
        created = self.post("runs/create", experiment_id=experiment_id, **fields)
        return str(created["run"]["info"]["run_id"])

    def read(self, run_id: str) -> Reply:
        """A run, whole."""
        run: Reply = self.get("runs/get", run_id=run_id)["run"]
        return run

    def texts(self, run_id: str, kind: str) -> dict[str, str]:
        """The params or tags of a run."""
        return {item["key"]: item["value"] for item in self.read(run_id)["data"].get(kind, [])}


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, postgres_server: Postgres
) -> Iterator[Server]:
    backend = postgres_server.create_database() if request.param == "postgresql" else None
    with start_standalone(tmp_path_factory.mktemp(request.param), backend=backend, auth="none") as running:
        yield running
    if backend:
        postgres_server.drop_database(backend)


@pytest.fixture
def api(server: Server) -> Iterator[Api]:
    caller = Api(server.url)
    yield caller
    caller.session.close()


@pytest.fixture
def experiment(api: Api) -> str:
    return api.experiment()


@pytest.fixture
def run(api: Api, experiment: str) -> str:
    return api.run(experiment)
