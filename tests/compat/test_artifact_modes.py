"""The stock client's artifacts and models in the three modes of serving them, on a folder and on S3.

Only the server has the object store's keys; the client gets them in the one case where it goes there itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from tests.compat.script import run_script
from tests.object_servers import S3Server
from tests.servers import Server, free_port, start_standalone

STEPS = ["files", "delete_artifacts", "fluent_artifacts", "log_and_load_model"]

pytestmark = [pytest.mark.peer, pytest.mark.slow, pytest.mark.timeout(900)]


@dataclass(frozen=True)
class Place:
    """Where artifacts are kept.

    Attributes:
        url: as the administrator writes it.
        variables: what opens it.
    """

    url: str
    variables: Mapping[str, str]


@pytest.fixture(params=["file", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "file":
        return Place((tmp_path / "kept").as_uri(), {})
    server: S3Server = request.getfixturevalue("s3_server")
    return Place(f"s3://{request.getfixturevalue('s3_bucket')}/some/folder", server.environment)


@pytest.fixture
def proxying(place: Place, tmp_path: Path) -> Iterator[Server]:
    options = ["--artifacts-destination", place.url]
    with start_standalone(tmp_path / "server", options=options, variables=place.variables) as server:
        yield server


def test_served(proxying: Server, place: Place, tmp_path: Path) -> None:
    """The default: through the proxy, and the bytes are where the administrator said."""
    summary = run_script("mlflow3", proxying, tmp_path / "client", steps=STEPS)
    assert summary["steps"] == STEPS
    assert locations(proxying) == {"mlflow-artifacts"}


def test_not_served(place: Place, tmp_path: Path) -> None:
    """Clients go to the store themselves, with keys of their own; the server lists what lies there."""
    options = ["--no-serve-artifacts", "--default-artifact-root", place.url]
    with start_standalone(tmp_path / "server", options=options, variables=place.variables) as server:
        variables = place.variables
        summary = run_script("mlflow3", server, tmp_path / "client", steps=STEPS, variables=variables)
        assert summary["steps"] == STEPS
        assert locations(server) == {place.url.partition(":")[0]}
        reply = requests.put(
            f"{server.url}/api/2.0/mlflow-artifacts/artifacts/1/x", data=b"1", headers=server.headers
        )
        assert reply.status_code == 501
        assert reply.json()["error_code"] == "NOT_IMPLEMENTED"
        assert "--serve-artifacts" in reply.json()["message"]


def test_served_by_a_server_of_its_own(place: Place, tmp_path: Path) -> None:
    """One server tracks and holds no key of the store, another serves artifacts and nothing else."""
    folder, port = tmp_path / "server", free_port()
    token_file = ["--token-file", str(tmp_path / "token")]
    options = [*token_file, "--no-serve-artifacts"]
    options += ["--default-artifact-root", f"mlflow-artifacts://127.0.0.1:{port}"]
    with start_standalone(folder, options=options) as tracking:
        options = [*token_file, "--artifacts-only", "--artifacts-destination", place.url]
        backend = f"sqlite:///{folder / 'tracking.db'}"
        with start_standalone(
            tmp_path / "files", backend=backend, port=port, options=options, variables=place.variables
        ) as files:
            summary = run_script("mlflow3", tracking, tmp_path / "client", steps=STEPS)
            assert summary["steps"] == STEPS
            reply = requests.get(
                f"{files.url}/api/2.0/mlflow/experiments/get?experiment_id=0", headers=files.headers
            )
            assert reply.status_code == 501
            assert "--artifacts-only" in reply.json()["message"]


def locations(server: Server) -> set[str]:
    """The schemes of the experiments' locations."""
    reply = requests.get(
        f"{server.url}/api/2.0/mlflow/experiments/search",
        params={"max_results": 1000},
        headers=server.headers,
    )
    return {found["artifact_location"].partition(":")[0] for found in reply.json()["experiments"]}
