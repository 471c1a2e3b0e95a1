"""Which path leads to which bytes, and what a name may be."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests

from tests.servers import start_standalone

from .conftest import MEBIBYTE, PROXY, Artifacts, pattern
from .raw import answer

NAMES = [
    "plain.txt",
    "with space",
    "%20",
    "%2541",
    "a#b",
    "a+b",
    "a?b=c&d",
    "ünï/cödé😀",
    "deep/er/still",
    "x" * 255,
]


@pytest.mark.parametrize(
    "proxy", [f"/{a}/{b}/mlflow-artifacts/artifacts/" for a in ("api", "ajax-api") for b in ("2.0", "3.0")]
)
def test_bytes_go_in_out_and_away_under_every_prefix(artifacts: Artifacts, proxy: str) -> None:
    url, content = artifacts.url("folder/a.bin", proxy), pattern(3 * MEBIBYTE + 5)
    assert artifacts.session.put(url, data=content, timeout=30).json() == {}
    assert artifacts.path("folder/a.bin").read_bytes() == content
    got = artifacts.session.get(url, timeout=30)
    assert (got.status_code, got.content) == (200, content)
    head = artifacts.session.head(url, timeout=30)
    assert (head.status_code, head.content) == (200, b"")
    for name in ("Content-Length", "Etag", "Content-Type", "Last-Modified", "Accept-Ranges"):
        assert head.headers[name] == got.headers[name]
    for _ in range(2):
        assert artifacts.session.delete(url, timeout=30).json() == {}
    gone = artifacts.session.get(url, timeout=30)
    assert gone.status_code == 404
    assert gone.json() == {
        "error_code": "RESOURCE_DOES_NOT_EXIST",
        "message": f"No such artifact: '{artifacts.root}/folder/a.bin'",
    }


@pytest.mark.parametrize("name", NAMES)
def test_a_name_stays_as_it_is(artifacts: Artifacts, name: str) -> None:
    artifacts.put(name, name.encode())
    assert artifacts.path(name).read_bytes() == name.encode()
    got = artifacts.session.get(artifacts.url(name), timeout=30)
    assert got.content == name.encode()
    folder, _, base = f"{artifacts.root}/{name}".rpartition("/")
    listed = artifacts.session.get(
        f"{artifacts.server.url}{PROXY[:-1]}", params={"path": folder}, timeout=30
    ).json()
    assert listed == {"files": [{"path": base, "is_dir": False, "file_size": len(name.encode())}]}


@pytest.mark.parametrize(
    "path",
    [
        "x",
        "424242/x",
        "{experiment}/x",
        "{experiment}/{none}/artifacts/x",
        "{none}/{run}/artifacts/x",
        "{run}/artifacts/x",
        "{experiment}/models/m-{none}/artifacts/x",
        "{experiment}/models/{run}/artifacts/x",
        ".uploads/x",
        "{experiment}/traces/artifacts/x",
    ],
)
@pytest.mark.parametrize("verb", ["GET", "HEAD", "PUT"])
def test_what_nobody_owns_is_not_there(artifacts: Artifacts, verb: str, path: str) -> None:
    before = artifacts.files()
    target = path.format(experiment=artifacts.experiment, run=artifacts.run, none="0" * 32)
    reply = artifacts.session.request(verb, f"{artifacts.server.url}{PROXY}{target}", data=b"x", timeout=30)
    assert reply.status_code == 404
    if verb != "HEAD":
        assert reply.json()["error_code"] == "RESOURCE_DOES_NOT_EXIST"
    assert artifacts.files() == before


def test_a_folder_is_no_file(artifacts: Artifacts) -> None:
    artifacts.put("folder/a", b"x")
    for reply in (
        artifacts.session.get(artifacts.url("folder"), timeout=30),
        artifacts.session.get(f"{artifacts.server.url}{PROXY}{artifacts.root}", timeout=30),
        artifacts.session.put(artifacts.url("folder"), data=b"x", timeout=30),
        artifacts.session.put(artifacts.url("folder/"), data=b"x", timeout=30),
        artifacts.session.put(artifacts.url("folder/a/b"), data=b"x", timeout=30),
        artifacts.session.put(artifacts.url("folder"), data=bytes(3 * MEBIBYTE), timeout=30),
    ):
        assert (reply.status_code, reply.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert artifacts.path("folder/a").read_bytes() == b"x"


def test_all_artifacts_of_a_run_may_be_deleted(artifacts: Artifacts) -> None:
    artifacts.put("a", b"x")
    artifacts.put("b/c", b"x")
    for _ in range(2):
        reply = artifacts.session.delete(f"{artifacts.server.url}{PROXY}{artifacts.root}/", timeout=30)
        assert (reply.status_code, reply.text) == (200, "{}")
    assert not artifacts.path("").exists()


def test_a_file_of_a_run_by_its_id(artifacts: Artifacts) -> None:
    artifacts.put("folder/a.txt", b"text")
    for query in (
        {"run_id": artifacts.run, "path": "folder/a.txt"},
        {"run_uuid": artifacts.run, "path": "folder/a.txt"},
    ):
        reply = artifacts.session.get(f"{artifacts.server.url}/get-artifact", params=query, timeout=30)
        assert (reply.status_code, reply.content) == (200, b"text")
        assert reply.headers["Content-Disposition"] == 'attachment; filename="a.txt"'


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("run_id={run}", 400, "INVALID_PARAMETER_VALUE"),
        ("path=a", 400, "INVALID_PARAMETER_VALUE"),
        ("run_id={run}&path=", 400, "INVALID_PARAMETER_VALUE"),
        ("run_id={run}&path=folder", 400, "INVALID_PARAMETER_VALUE"),
        ("run_id={run}&path=..%2f..%2fetc", 400, "INVALID_PARAMETER_VALUE"),
        ("run_id={run}&path=%2fetc%2fpasswd", 400, "INVALID_PARAMETER_VALUE"),
        ("run_id={run}&path=a%00", 400, "INVALID_PARAMETER_VALUE"),
        ("run_id={run}&path=%ff", 400, "INVALID_PARAMETER_VALUE"),
        ("run_id={run}&path=a&path=b", 400, "INVALID_PARAMETER_VALUE"),
        ("run_id={run}&path=none", 404, "RESOURCE_DOES_NOT_EXIST"),
        ("run_id=none&path=a", 404, "RESOURCE_DOES_NOT_EXIST"),
    ],
)
def test_a_query_for_a_file_that_makes_no_sense(
    artifacts: Artifacts, query: str, status: int, code: str
) -> None:
    artifacts.put("folder/a", b"x")
    target = f"/get-artifact?{query.format(run=artifacts.run)}"
    got, _, body = answer(artifacts.server, "GET", target, b"\r\n")
    assert (got, code.encode() in body) == (status, True)


def test_a_file_of_a_logged_model_by_its_id(artifacts: Artifacts) -> None:
    model = artifacts.call("logged-models", experiment_id=artifacts.experiment, name="m")["model"]["info"][
        "model_id"
    ]
    reply = artifacts.session.put(
        f"{artifacts.server.url}{PROXY}{artifacts.experiment}/models/{model}/artifacts/f/MLmodel",
        data=b"flavors: {}",
        timeout=30,
    )
    assert reply.status_code == 200
    for prefix in ("api", "ajax-api"):
        url = f"{artifacts.server.url}/{prefix}/2.0/mlflow/logged-models/{model}/artifacts"
        reply = artifacts.session.get(f"{url}/files", params={"artifact_file_path": "f/MLmodel"}, timeout=30)
        assert (reply.status_code, reply.content) == (200, b"flavors: {}")
        reply = artifacts.session.get(f"{url}/files", params={"artifact_file_path": "../../x"}, timeout=30)
        assert (reply.status_code, reply.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
        listed = artifacts.session.get(
            f"{url}/directories", params={"artifact_directory_path": "f"}, timeout=30
        ).json()
        assert listed["files"] == [{"path": "f/MLmodel", "is_dir": False, "file_size": 11}]


def test_methods_that_make_no_sense_are_refused(artifacts: Artifacts) -> None:
    for verb in ("POST", "PATCH", "OPTIONS"):
        reply = artifacts.session.request(verb, artifacts.url("x"), data=b"x", timeout=30)
        assert (reply.status_code, reply.json()["error_code"]) == (404, "ENDPOINT_NOT_FOUND")
    assert artifacts.session.put(f"{artifacts.server.url}/get-artifact", timeout=30).status_code == 404


def test_without_the_proxy_its_paths_say_so(tmp_path: Path) -> None:
    with start_standalone(tmp_path, options=["--no-serve-artifacts"]) as server:
        for verb in ("GET", "PUT", "DELETE"):
            reply = requests.request(
                verb, f"{server.url}{PROXY}1/x/artifacts/x", headers=server.headers, timeout=30
            )
            assert (reply.status_code, reply.json()["error_code"]) == (501, "NOT_IMPLEMENTED")
