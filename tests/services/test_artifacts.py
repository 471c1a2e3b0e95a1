"""Artifacts as a client lists them, and what this store refuses."""

from __future__ import annotations

import pytest

from .conftest import Api, Refused

IPV = (400, "INVALID_PARAMETER_VALUE")
RDNE = (404, "RESOURCE_DOES_NOT_EXIST")
PROXY = "api/2.0/mlflow-artifacts"


def put(api: Api, run: str, *names: str) -> str:
    """Store artifacts whose bytes are their names; the run's root in the proxy."""
    root: str = api.read(run)["info"]["artifact_uri"].removeprefix("mlflow-artifacts:/")
    for name in names:
        reply = api.session.put(f"{api.url}/{PROXY}/artifacts/{root}/{name}", data=name.encode(), timeout=60)
        assert reply.status_code == 200, reply.text
    return root


def test_a_run_lists_its_artifacts_by_path(api: Api, run: str) -> None:
    root = put(api, run, "b", "a/y", "a/x", "B")
    assert api.get("artifacts/list", run_id=run) == {
        "root_uri": f"mlflow-artifacts:/{root}",
        "files": [
            {"path": "B", "is_dir": False, "file_size": 1},
            {"path": "a", "is_dir": True},
            {"path": "b", "is_dir": False, "file_size": 1},
        ],
    }
    inner = api.get("artifacts/list", run_uuid=run, path="a/")["files"]
    assert [item["path"] for item in inner] == ["a/x", "a/y"]


@pytest.mark.parametrize("path", ["", "none", "a"])
def test_of_what_is_no_folder_only_the_root_is_told(api: Api, run: str, path: str) -> None:
    root = (
        put(api, run, "a")
        if path
        else api.read(run)["info"]["artifact_uri"].removeprefix("mlflow-artifacts:/")
    )
    assert api.get("artifacts/list", run_id=run, path=path) == {"root_uri": f"mlflow-artifacts:/{root}"}


@pytest.mark.parametrize("path", ["..", "../..", "a/../b", "/etc", "a//b", ".", "a\\b", "C:/x", "a\tb"])
def test_an_unsafe_path_is_refused(api: Api, run: str, path: str) -> None:
    for call in ("artifacts/list", "artifacts"):
        with pytest.raises(Refused, match="Invalid path") as caught:
            api.get(call, PROXY if call == "artifacts" else "api/2.0/mlflow", run_id=run, path=path)
        assert caught.value.verdict == IPV


def test_a_run_that_is_not_there_has_no_artifacts(api: Api) -> None:
    with pytest.raises(Refused, match="Run with id=none not found") as caught:
        api.get("artifacts/list", run_id="none")
    assert caught.value.verdict == RDNE


def test_artifacts_elsewhere_are_not_listed_from_here(api: Api) -> None:
    run = api.run(api.experiment(artifact_location="s3://bucket/path"))
    with pytest.raises(Refused, match="s3: location, which this server does not serve") as caught:
        api.get("artifacts/list", run_id=run)
    assert caught.value.verdict == IPV


def test_the_proxy_lists_base_names(api: Api, run: str) -> None:
    root = put(api, run, "a/x", "empty", "b")
    assert api.get("artifacts", PROXY, path=root)["files"] == [
        {"path": "a", "is_dir": True},
        {"path": "b", "is_dir": False, "file_size": 1},
        {"path": "empty", "is_dir": False, "file_size": 5},
    ]
    assert api.get("artifacts", PROXY, path=f"{root}/a")["files"] == [
        {"path": "x", "is_dir": False, "file_size": 3}
    ]
    experiment = root.partition("/")[0]
    assert api.get("artifacts", PROXY, path=experiment)["files"] == [{"path": run, "is_dir": True}]
    assert {"path": experiment, "is_dir": True} in api.get("artifacts", PROXY)["files"]


def test_the_proxy_lists_nothing_of_what_is_not_there(api: Api, run: str) -> None:
    root = put(api, run, "a")
    for path in (f"{root}/a", f"{root}/none", "none", "424242", f"424242/{run}/artifacts"):
        assert api.get("artifacts", PROXY, path=path) == {}


@pytest.mark.parametrize("call", ["mpu/create", "mpu/complete", "mpu/abort"])
def test_multipart_is_refused_in_the_words_that_clients_know(api: Api, call: str) -> None:
    body = {"path": "/home/jane/a.bin", "num_parts": 2, "upload_id": "u", "parts": []}
    reply = api.session.post(f"{api.url}/{PROXY}/{call}/1/run/artifacts", json=body, timeout=60)
    assert (reply.status_code, reply.json()) == (
        501,
        {
            "error_code": "NOT_IMPLEMENTED",
            "message": "Multipart upload is not supported for the current artifact repository",
        },
    )


def test_presigned_downloads_are_refused_in_the_words_that_clients_know(api: Api) -> None:
    with pytest.raises(Refused, match="501 ") as caught:
        api.get("presigned/1/run/artifacts/a", PROXY)
    assert caught.value.message == "Multipart download is not supported for the current artifact repository"
