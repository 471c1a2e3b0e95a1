"""Experiments: create, find, rename, delete, restore, tag."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor

import pytest

from .conftest import Api, Refused

IPV = (400, "INVALID_PARAMETER_VALUE")
RDNE = (404, "RESOURCE_DOES_NOT_EXIST")
RAE = (400, "RESOURCE_ALREADY_EXISTS")


def test_default_exists_from_the_start(api: Api) -> None:
    found = api.get("experiments/get", experiment_id="0")["experiment"]
    assert (found["name"], found["artifact_location"]) == ("Default", "mlflow-artifacts:/0")


def test_a_new_experiment_is_found_by_id_and_by_name(api: Api) -> None:
    name = f"naïve 实验 {secrets.token_hex(4)}"
    number = api.experiment(name, tags=[{"key": "team", "value": "vision"}])
    found = api.get("experiments/get", experiment_id=number)["experiment"]
    assert found == api.get("experiments/get-by-name", experiment_name=name)["experiment"]
    assert found["tags"] == [{"key": "team", "value": "vision"}]
    assert found["artifact_location"] == f"mlflow-artifacts:/{number}"
    assert found["lifecycle_stage"] == "active"
    assert found["creation_time"] == found["last_update_time"] > 1_700_000_000_000


def test_a_name_is_taken_once_also_by_a_deleted_experiment(api: Api) -> None:
    name = secrets.token_hex(6)
    number = api.experiment(name)
    for _ in range(2):
        with pytest.raises(Refused, match=name) as caught:
            api.experiment(name)
        assert caught.value.verdict == RAE
        if api.get("experiments/get", experiment_id=number)["experiment"]["lifecycle_stage"] == "active":
            api.post("experiments/delete", experiment_id=number)


def test_a_race_for_a_name_has_one_winner(api: Api) -> None:
    name = secrets.token_hex(6)

    def attempt(_: int) -> str:
        try:
            return api.experiment(name)
        except Refused as refused:
            return refused.code

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(attempt, range(8)))
    assert outcomes.count("RESOURCE_ALREADY_EXISTS") == 7
    assert api.get("experiments/get-by-name", experiment_name=name)["experiment"]["experiment_id"] in outcomes


@pytest.mark.parametrize(
    "location",
    [
        "runs:/a/b",
        "s3://bucket/#fragment",
        "s3://bucket/a;b",
        "http://host/?q=1",
        "s3://user:password@bucket/a",
        "mlflow-artifacts:/1/../2",
        "mlflow-artifacts:/%2e%2e/2",
        "C:\\folder",
        "s3://bucket/a\nb",
        "x" * 2049,
    ],
)
def test_a_location_that_is_no_place_for_files_is_refused(api: Api, location: str) -> None:
    with pytest.raises(Refused, match="artifact") as caught:
        api.experiment(artifact_location=location)
    assert caught.value.verdict == IPV


def test_a_location_is_kept_and_inherited_by_runs(api: Api) -> None:
    number = api.experiment(artifact_location="s3://bucket/folder/")
    uri = api.read(api.run(number))["info"]["artifact_uri"]
    assert uri.startswith("s3://bucket/folder/")
    assert uri.endswith("/artifacts")


@pytest.mark.parametrize(
    ("asked", "verdict"), [("999999", RDNE), ("x", IPV), ("-1", IPV), ("9" * 30, IPV), ("1.0", IPV)]
)
def test_an_unknown_id_is_missing_and_a_malformed_one_refused(api: Api, asked: str, verdict: object) -> None:
    with pytest.raises(Refused, match=asked[:20]) as caught:
        api.get("experiments/get", experiment_id=asked)
    assert caught.value.verdict == verdict


def test_an_unknown_name_is_missing(api: Api) -> None:
    with pytest.raises(Refused, match="'nowhere'") as caught:
        api.get("experiments/get-by-name", experiment_name="nowhere")
    assert caught.value.verdict == RDNE


def test_delete_and_restore_take_all_runs_along(api: Api, experiment: str) -> None:
    runs = [api.run(experiment), api.run(experiment)]
    api.post("runs/delete", run_id=runs[0])
    api.post("experiments/delete", experiment_id=experiment)
    assert {api.read(run)["info"]["lifecycle_stage"] for run in runs} == {"deleted"}
    with pytest.raises(Refused) as caught:
        api.post("experiments/delete", experiment_id=experiment)
    assert caught.value.verdict == RDNE
    with pytest.raises(Refused, match="must be in the 'active' state") as caught:
        api.run(experiment)
    assert caught.value.verdict == IPV
    api.post("experiments/restore", experiment_id=experiment)
    assert {api.read(run)["info"]["lifecycle_stage"] for run in runs} == {"active"}
    with pytest.raises(Refused) as caught:
        api.post("experiments/restore", experiment_id=experiment)
    assert caught.value.verdict == RDNE


def test_rename_an_active_experiment_only_and_to_a_free_name(api: Api, experiment: str) -> None:
    name, taken = secrets.token_hex(6), secrets.token_hex(6)
    before = api.get("experiments/get", experiment_id=experiment)["experiment"]
    api.post("experiments/update", experiment_id=experiment, new_name=name)
    after = api.get("experiments/get", experiment_id=experiment)["experiment"]
    assert after["name"] == name
    assert after["last_update_time"] >= before["last_update_time"]
    api.experiment(taken)
    with pytest.raises(Refused) as caught:
        api.post("experiments/update", experiment_id=experiment, new_name=taken)
    assert caught.value.verdict == RAE
    api.post("experiments/delete", experiment_id=experiment)
    with pytest.raises(Refused, match="non-active") as caught:
        api.post("experiments/update", experiment_id=experiment, new_name="other")
    assert caught.value.verdict == (500, "INVALID_STATE")


def test_tags_are_set_replaced_and_removed(api: Api, experiment: str) -> None:
    for value in ("1", "2"):
        api.post("experiments/set-experiment-tag", experiment_id=experiment, key="a b", value=value)
    assert api.get("experiments/get", experiment_id=experiment)["experiment"]["tags"] == [
        {"key": "a b", "value": "2"}
    ]
    api.post("experiments/delete-experiment-tag", experiment_id=experiment, key="a b")
    assert "tags" not in api.get("experiments/get", experiment_id=experiment)["experiment"]
    with pytest.raises(Refused, match="No tag with name: a b") as caught:
        api.post("experiments/delete-experiment-tag", experiment_id=experiment, key="a b")
    assert caught.value.verdict == RDNE


def test_a_tag_of_a_deleted_experiment_is_refused(api: Api, experiment: str) -> None:
    api.post("experiments/delete", experiment_id=experiment)
    with pytest.raises(Refused, match="active") as caught:
        api.post("experiments/set-experiment-tag", experiment_id=experiment, key="a", value="1")
    assert caught.value.verdict == IPV


def test_search_pages_through_all_in_order(api: Api) -> None:
    mark = secrets.token_hex(4)
    for index in range(5):
        api.experiment(f"{mark}-{index}")
    asked = {"filter": f"name LIKE '{mark}%'", "order_by": ["name DESC"], "max_results": 2}
    names, token = [], None
    while True:
        page = api.post("experiments/search", **asked, page_token=token)
        names += [found["name"] for found in page["experiments"]]
        if not (token := page.get("next_page_token")):
            break
    assert names == [f"{mark}-{index}" for index in reversed(range(5))]
    assert (
        api.get("experiments/search", **{**asked, "max_results": 5})["experiments"][0]["name"] == f"{mark}-4"
    )
