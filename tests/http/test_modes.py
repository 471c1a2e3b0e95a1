"""The three modes of serving artifacts, and a database that sees several of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.http.conftest import Client
from tests.servers import start_standalone

PROXY = "/api/2.0/mlflow-artifacts"
NONE, ONLY = "--no-serve-artifacts", "--artifacts-only"


@contextmanager
def server(folder: Path, *options: str, backend: str | None = None) -> Iterator[Client]:
    with start_standalone(folder, backend=backend, options=options) as running:
        yield Client(running)


class Made:
    """An experiment with a run and a logged model, as the server tells of them."""

    def __init__(self, client: Client, name: str, location: str = "") -> None:
        body = {"name": name, "artifact_location": location}
        self.experiment = client.call("experiments/create", body)["experiment_id"]
        run = client.call("runs/create", {"experiment_id": self.experiment})["run"]
        self.run, self.uri = run["info"]["run_id"], run["info"]["artifact_uri"]
        model = client.call("logged-models", {"experiment_id": self.experiment})["model"]["info"]
        self.model, self.model_uri = model["model_id"], model["artifact_uri"]

    def location(self, client: Client) -> str:
        answer = client.send("GET", f"/api/2.0/mlflow/experiments/get?experiment_id={self.experiment}")
        found: str = answer.json()["experiment"]["artifact_location"]
        return found


def put(client: Client, made: Made, text: bytes) -> int:
    """By the run's id, as the panel does."""
    headers = {"Content_Type": "application/octet-stream"}
    path = f"/ajax-api/2.0/mlflow/upload-artifact?run_uuid={made.run}&path=a/b.txt"
    return client.send("POST", path, text, **headers).status


def files(client: Client, made: Made) -> dict[str, Any]:
    """The listing of the folder `a` of a run."""
    answer = client.send("GET", f"/api/2.0/mlflow/artifacts/list?run_id={made.run}&path=a")
    assert answer.status == 200, answer
    found: dict[str, Any] = answer.json()
    return found


def read(client: Client, made: Made) -> bytes:
    answer = client.send("GET", f"/get-artifact?run_id={made.run}&path=a/b.txt")
    assert answer.status == 200, answer
    return answer.body


LISTED = [{"path": "a/b.txt", "is_dir": False, "file_size": 4}]


def test_served_artifacts_are_proxied(tmp_path: Path) -> None:
    with server(tmp_path) as client:
        made = Made(client, "e")
        assert made.location(client) == f"mlflow-artifacts:/{made.experiment}"
        assert made.uri == f"mlflow-artifacts:/{made.experiment}/{made.run}/artifacts"
        assert put(client, made, b"text") == 200
        assert files(client, made) == {"root_uri": made.uri, "files": LISTED}
        path = made.uri.removeprefix("mlflow-artifacts:/")
        assert client.send("GET", f"{PROXY}/artifacts/{path}/a/b.txt").body == b"text"


@pytest.mark.parametrize(
    ("verb", "path", "body"),
    [
        ("GET", "/artifacts?path=x", None),
        ("GET", "/artifacts/x", None),
        ("PUT", "/artifacts/x", b"x"),
        ("DELETE", "/artifacts/x", None),
        ("POST", "/mpu/create/x", {"path": "x", "num_parts": 1}),
        ("POST", "/mpu/complete/x", {"path": "x", "upload_id": "u", "parts": []}),
        ("POST", "/mpu/abort/x", {"path": "x", "upload_id": "u"}),
        ("GET", "/presigned/x", None),
    ],
)
def test_without_the_proxy_its_paths_say_so_for_good(
    unproxied: Client, verb: str, path: str, body: object
) -> None:
    """With a status that no client tries again."""
    for prefix in ("api", "ajax-api"):
        answer = unproxied.send(verb, f"/{prefix}/2.0/mlflow-artifacts{path}", body)
        assert (answer.status, answer.error_code) == (501, "NOT_IMPLEMENTED")
        assert "--no-serve-artifacts" in answer.json()["message"]
        assert "`--serve-artifacts`" in answer.json()["message"]


@pytest.fixture(scope="module")
def unproxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A client of a server that gives out direct locations."""
    with server(tmp_path_factory.mktemp("unproxied"), NONE) as client:
        yield client


def test_without_the_proxy_new_experiments_are_direct(unproxied: Client) -> None:
    root = unproxied.server.log.parent / "artifacts"
    made = Made(unproxied, "e")
    assert made.location(unproxied) == f"file://{root}/{made.experiment}"
    assert made.uri == f"file://{root}/{made.experiment}/{made.run}/artifacts"
    # The client writes there by itself, and the server lists what it finds.
    file = root / made.experiment / made.run / "artifacts" / "a" / "b.txt"
    file.parent.mkdir(parents=True)
    file.write_text("text")
    assert files(unproxied, made) == {"root_uri": made.uri, "files": LISTED}
    assert read(unproxied, made) == b"text"
    assert put(unproxied, made, b"more") == 200
    assert file.read_text() == "more"


def test_a_logged_model_is_direct_too(unproxied: Client) -> None:
    made = Made(unproxied, "m")
    folder = Path(made.model_uri.removeprefix("file://"))
    folder.mkdir(parents=True)
    (folder / "MLmodel").write_text("flavors: {}")
    base = f"/api/2.0/mlflow/logged-models/{made.model}/artifacts"
    listed = unproxied.send("GET", f"{base}/directories").json()
    assert [file["path"] for file in listed["files"]] == ["MLmodel"]
    answer = unproxied.send("GET", f"{base}/files?artifact_file_path=MLmodel")
    assert (answer.status, answer.body) == (200, b"flavors: {}")


def test_a_default_root_may_be_named(tmp_path: Path) -> None:
    direct = tmp_path / "di rect"
    for options in ((NONE,), ()):
        with server(tmp_path, "--default-artifact-root", str(direct), *options) as client:
            made = Made(client, f"e{len(options)}")
            assert made.location(client) == f"{direct.as_uri()}/{made.experiment}"
            answer = client.send("GET", f"/api/2.0/mlflow/artifacts/list?run_id={made.run}")
            # With the proxy the server has opened the destination of the proxy, and goes nowhere else.
            assert answer.status == (200 if options else 400)


@pytest.mark.parametrize(
    "location", ["s3://bucket/x", "http://169.254.169.254/x", "file:///etc", "sftp://host/x", "dbfs:/x"]
)
def test_the_server_goes_to_no_place_that_a_client_names(
    tmp_path: Path, location: str, unproxied: Client
) -> None:
    made = Made(unproxied, location, location)
    for path in (
        f"/api/2.0/mlflow/artifacts/list?run_id={made.run}",
        f"/get-artifact?run_id={made.run}&path=passwd",
        f"/api/2.0/mlflow/logged-models/{made.model}/artifacts/directories",
    ):
        answer = unproxied.send("GET", path)
        assert (answer.status, answer.error_code) == (400, "INVALID_PARAMETER_VALUE")
        assert "go there directly" in answer.json()["message"]
    assert put(unproxied, made, b"x") == 400


def test_a_server_without_proxy_and_keys_tracks_all_the_same(tmp_path: Path) -> None:
    options = [NONE, "--default-artifact-root", "s3://bucket/x"]
    variables = {"AWS_EC2_METADATA_DISABLED": "true"}
    with start_standalone(tmp_path, options=options, variables=variables) as running:
        client = Client(running)
        made = Made(client, "e")
        assert made.uri == f"s3://bucket/x/{made.experiment}/{made.run}/artifacts"
        answer = client.send("GET", f"/api/2.0/mlflow/artifacts/list?run_id={made.run}")
        assert (answer.status, answer.error_code) == (400, "INVALID_PARAMETER_VALUE")
        assert "This server will not list artifacts: There are no AWS credentials" in running.log.read_text()


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_experiments_stay_what_they_were_when_the_mode_changes(
    database: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    backend = request.getfixturevalue("postgres_uri") if database == "postgresql" else None
    with server(tmp_path, backend=backend) as client:
        proxied = Made(client, "proxied")
        assert put(client, proxied, b"text") == 200
    with server(tmp_path, NONE, backend=backend) as client:
        direct = Made(client, "direct")
        assert put(client, direct, b"text") == 200
        assert proxied.location(client) == f"mlflow-artifacts:/{proxied.experiment}"
        for made in (proxied, direct):
            assert files(client, made) == {"root_uri": made.uri, "files": LISTED}
            assert read(client, made) == b"text"
    with server(tmp_path, backend=backend) as client:
        assert direct.location(client).startswith("file://")
        again = client.call("runs/create", {"experiment_id": direct.experiment})["run"]["info"]
        assert again["artifact_uri"].startswith(direct.location(client))
        assert Made(client, "new").uri.startswith("mlflow-artifacts:/")
        for made in (proxied, direct):
            assert files(client, made)["files"] == LISTED
            assert read(client, made) == b"text"
        # Both lie below the destination, so the proxy has a path for either.
        path = f"{direct.experiment}/{direct.run}/artifacts/a/b.txt"
        assert client.send("GET", f"{PROXY}/artifacts/{path}").body == b"text"


def test_a_server_of_artifacts_alone_has_no_tracking(tmp_path: Path) -> None:
    with server(tmp_path) as client:
        made = Made(client, "e")
    with server(tmp_path, ONLY) as client:
        path = f"{PROXY}/artifacts/{made.uri.removeprefix('mlflow-artifacts:/')}/a"
        assert client.send("PUT", path, b"text", Content_Type="application/octet-stream").status == 200
        assert client.send("GET", path).body == b"text"
        for verb, place in (
            ("POST", "/api/2.0/mlflow/experiments/search"),
            ("GET", f"/ajax-api/2.0/mlflow/runs/get?run_id={made.run}"),
            ("GET", f"/api/2.0/mlflow/artifacts/list?run_id={made.run}"),
            ("GET", f"/get-artifact?run_id={made.run}&path=a"),
            ("GET", f"/api/2.0/mlflow/logged-models/{made.model}/artifacts/files?artifact_file_path=a"),
            ("POST", f"/ajax-api/2.0/mlflow/upload-artifact?run_uuid={made.run}&path=a"),
        ):
            answer = client.send(verb, place, b"{}" if verb == "POST" else None)
            assert (answer.status, answer.error_code) == (501, "NOT_IMPLEMENTED")
            assert "`--artifacts-only`" in answer.json()["message"]
        for place in ("/health", "/version", "/api/3.0/mlflow/server-info"):
            assert client.send("GET", place).status == 200


def test_the_proxy_at_another_server_may_be_the_default_root(tmp_path: Path) -> None:
    """Tracking by one server, artifacts by another on the same database."""
    root = "mlflow-artifacts://files.example:5000"
    with server(
        tmp_path / "tracking", NONE, "--default-artifact-root", root, "--artifacts-destination", ""
    ) as client:
        made = Made(client, "e")
        assert made.uri == f"{root}/{made.experiment}/{made.run}/artifacts"
        answer = client.send("GET", f"/api/2.0/mlflow/artifacts/list?run_id={made.run}")
        assert (answer.status, answer.error_code) == (400, "INVALID_PARAMETER_VALUE")
    backend = f"sqlite:///{tmp_path / 'tracking' / 'tracking.db'}"
    with server(tmp_path / "files", ONLY, backend=backend) as client:
        path = f"{PROXY}/artifacts/{made.experiment}/{made.run}/artifacts/a"
        assert client.send("PUT", path, b"text", Content_Type="application/octet-stream").status == 200
        assert client.send("GET", path).body == b"text"
