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


def pages(api: Api, size: int, /, call: str, prefix: str, **query: object) -> list[list[str]]:
    """The paths of a listing, page by page."""
    found: list[list[str]] = []
    more: dict[str, str] = {}
    while True:
        reply = api.get(call, prefix, max_results=size, **query, **more)
        found.append([item["path"] for item in reply.get("files", [])])
        if "next_page_token" not in reply:
            return found
        more = {"page_token": reply["next_page_token"]}


def test_a_long_listing_comes_in_pages(api: Api, run: str) -> None:
    root = put(api, run, "d/a", "d/b/x", "d/c", "d/d", "d/e")
    mlflow = "api/2.0/mlflow"
    expected = [["d/a", "d/b"], ["d/c", "d/d"], ["d/e"]]
    assert pages(api, 2, call="artifacts/list", prefix=mlflow, run_id=run, path="d") == expected
    expected = [["a", "b", "c"], ["d", "e"]]
    assert pages(api, 3, call="artifacts", prefix=PROXY, path=f"{root}/d") == expected
    assert pages(api, 5, call="artifacts", prefix=PROXY, path=f"{root}/d") == [["a", "b", "c", "d", "e"]]
    assert pages(api, 1000, call="artifacts/list", prefix=mlflow, run_id=run, path="none") == [[]]


def test_the_files_of_a_model_come_in_pages(api: Api, experiment: str) -> None:
    model = api.post("logged-models", experiment_id=experiment, name="m")["model"]["info"]
    root = model["artifact_uri"].removeprefix("mlflow-artifacts:/")
    for name in ("a", "b", "c"):
        url = f"{api.url}/{PROXY}/artifacts/{root}/{name}"
        assert api.session.put(url, data=b"x", timeout=60).status_code == 200
    call = f"logged-models/{model['model_id']}/artifacts/directories"
    assert pages(api, 2, call=call, prefix="api/2.0/mlflow") == [["a", "b"], ["c"]]


def test_without_a_size_all_that_is_left_comes_at_once(api: Api, run: str) -> None:
    put(api, run, *(f"{number:02}" for number in range(12)))
    first = api.get("artifacts/list", run_id=run, max_results=5)
    rest = api.get("artifacts/list", run_id=run, page_token=first["next_page_token"])
    assert [item["path"] for item in rest["files"]] == [f"{number:02}" for number in range(5, 12)]
    assert "next_page_token" not in rest


def test_a_page_token_is_good_for_its_folder_alone(api: Api, run: str) -> None:
    root = put(api, run, "d/a", "d/b", "e/a", "e/b")
    token = api.get("artifacts/list", run_id=run, path="d", max_results=1)["next_page_token"]
    altered = ("A" if token[0] != "A" else "B") + token[1:]
    for path, given in (("e", token), ("", token), ("d", altered), ("d", "none")):
        with pytest.raises(Refused, match="Invalid page token") as caught:
            api.get("artifacts/list", run_id=run, path=path, page_token=given)
        assert caught.value.verdict == IPV
    assert api.get("artifacts", PROXY, path=f"{root}/d", page_token=token)["files"][0]["path"] == "b"


@pytest.mark.parametrize("size", [0, -1, 1001, "many"])
def test_a_page_has_a_size(api: Api, run: str, size: object) -> None:
    with pytest.raises(Refused, match="max_results") as caught:
        api.get("artifacts/list", run_id=run, max_results=size)
    assert caught.value.verdict == IPV


def test_the_proxy_lists_nothing_of_what_is_not_there(api: Api, run: str) -> None:
    root = put(api, run, "a")
    for path in (f"{root}/a", f"{root}/none", "none", "424242", f"424242/{run}/artifacts"):
        assert api.get("artifacts", PROXY, path=path) == {}


def test_presigned_downloads_are_refused_in_the_words_that_clients_know(api: Api) -> None:
    with pytest.raises(Refused, match="501 ") as caught:
        api.get("presigned/1/run/artifacts/a", PROXY)
    assert caught.value.message == "Multipart download is not supported for the current artifact repository"
