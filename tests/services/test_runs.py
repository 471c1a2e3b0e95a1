"""Runs: create, read, update, delete, restore, search, models."""

from __future__ import annotations

import json
import re

import pytest

from .conftest import Api, Refused

IPV = (400, "INVALID_PARAMETER_VALUE")
RDNE = (404, "RESOURCE_DOES_NOT_EXIST")


def test_a_new_run_is_running_and_named(api: Api, experiment: str) -> None:
    tags = [{"key": "mlflow.user", "value": "jane"}]
    info = api.post("runs/create", experiment_id=experiment, start_time=7, user_id="jane", tags=tags)["run"][
        "info"
    ]
    assert re.fullmatch(r"[0-9a-f]{32}", info["run_id"])
    assert info["run_uuid"] == info["run_id"]
    assert (info["status"], info["start_time"], info["user_id"]) == ("RUNNING", 7, "jane")
    assert "end_time" not in info
    assert info["artifact_uri"] == f"mlflow-artifacts:/{experiment}/{info['run_id']}/artifacts"
    assert api.texts(info["run_id"], "tags") == {"mlflow.user": "jane", "mlflow.runName": info["run_name"]}


@pytest.mark.parametrize(
    "fields", [{"run_name": "mine"}, {"tags": [{"key": "mlflow.runName", "value": "mine"}]}]
)
def test_a_name_comes_from_the_field_or_the_tag(api: Api, experiment: str, fields: dict[str, object]) -> None:
    run_id = api.run(experiment, **fields)
    assert api.read(run_id)["info"]["run_name"] == "mine"
    assert api.texts(run_id, "tags") == {"mlflow.runName": "mine"}


def test_two_different_names_are_refused(api: Api, experiment: str) -> None:
    with pytest.raises(Refused, match="different values") as caught:
        api.run(experiment, run_name="a", tags=[{"key": "mlflow.runName", "value": "b"}])
    assert caught.value.verdict == IPV


def test_without_an_experiment_the_default_is_used(api: Api) -> None:
    assert api.post("runs/create")["run"]["info"]["experiment_id"] == "0"


def test_a_run_of_no_experiment_is_refused(api: Api) -> None:
    with pytest.raises(Refused, match="No Experiment with id=424242 exists") as caught:
        api.run("424242")
    assert caught.value.verdict == RDNE


def test_update_changes_only_what_is_given(api: Api, run: str) -> None:
    api.post("runs/update", run_id=run, run_name="second")
    assert api.texts(run, "tags")["mlflow.runName"] == "second"
    info = api.post("runs/update", run_uuid=run, status="FINISHED", end_time=9)["run_info"]
    assert (info["status"], info["end_time"], info["run_name"]) == ("FINISHED", 9, "second")
    info = api.post("runs/update", run_id=run, status=1)["run_info"]
    assert (info["status"], info["end_time"]) == ("RUNNING", 9)


def test_the_name_tag_renames(api: Api, run: str) -> None:
    api.post("runs/set-tag", run_id=run, key="mlflow.runName", value="third")
    assert api.read(run)["info"]["run_name"] == "third"


def test_delete_and_restore_may_be_repeated(api: Api, run: str) -> None:
    for call, stage in (
        ("delete", "deleted"),
        ("delete", "deleted"),
        ("restore", "active"),
        ("restore", "active"),
    ):
        assert api.post(f"runs/{call}", run_id=run) == {}
        assert api.read(run)["info"]["lifecycle_stage"] == stage


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("runs/update", {"status": "FINISHED"}),
        ("runs/log-metric", {"key": "a", "value": 1, "timestamp": 1}),
        ("runs/log-parameter", {"key": "a", "value": "1"}),
        ("runs/set-tag", {"key": "a", "value": "1"}),
        ("runs/log-batch", {"params": [{"key": "a", "value": "1"}]}),
        ("runs/log-inputs", {"models": [{"model_id": "m-1"}]}),
        ("runs/outputs", {"models": [{"model_id": "m-1", "step": 0}]}),
    ],
)
def test_a_deleted_or_missing_run_takes_nothing(
    api: Api, run: str, path: str, fields: dict[str, object]
) -> None:
    before = api.read(run)["data"]
    api.post("runs/delete", run_id=run)
    with pytest.raises(Refused, match=f"The run {run} must be in the 'active' state") as caught:
        api.post(path, run_id=run, **fields)
    assert caught.value.verdict == IPV
    with pytest.raises(Refused, match="Run with id=nowhere not found") as caught:
        api.post(path, run_id="nowhere", **fields)
    assert caught.value.verdict == RDNE
    assert api.read(run)["data"] == before


def test_search_filters_orders_and_pages(api: Api, experiment: str) -> None:
    runs = [api.run(experiment, start_time=index) for index in range(6)]
    for index, run_id in enumerate(runs):
        api.post("runs/log-metric", run_id=run_id, key="loss", value=index % 3, timestamp=1)
        api.post("runs/log-parameter", run_id=run_id, key="kind", value="even" if index % 2 == 0 else "odd")
    asked = {
        "experiment_ids": [experiment],
        "filter": "params.kind = 'even'",
        "order_by": ["metrics.loss DESC"],
    }
    found = api.post("runs/search", **asked)["runs"]
    assert [run["info"]["run_id"] for run in found] == [runs[2], runs[4], runs[0]]
    first = api.post("runs/search", **asked, max_results=2)
    second = api.post("runs/search", **asked, max_results=2, page_token=first["next_page_token"])
    assert first["runs"] + second["runs"] == found
    assert "next_page_token" not in second
    with pytest.raises(Refused, match="page token") as caught:
        api.post("runs/search", experiment_ids=[experiment], page_token=first["next_page_token"])
    assert caught.value.verdict == IPV


def test_search_minds_the_lifecycle(api: Api, experiment: str) -> None:
    kept, dropped = api.run(experiment), api.run(experiment)
    api.post("runs/delete", run_id=dropped)

    def found(view: str | None) -> set[str]:
        reply = api.post("runs/search", experiment_ids=[experiment], run_view_type=view)
        return {run["info"]["run_id"] for run in reply.get("runs", [])}

    assert (found(None), found("DELETED_ONLY"), found("ALL")) == ({kept}, {dropped}, {kept, dropped})


def test_search_of_no_experiment_finds_nothing(api: Api) -> None:
    assert api.post("runs/search") == {}
    assert api.post("runs/search", experiment_ids=["987654"]) == {}


def test_outputs_are_kept_once(api: Api, run: str) -> None:
    for _ in range(2):
        api.post("runs/outputs", run_id=run, models=[{"model_id": "m-1", "step": 3}])
    assert api.read(run)["outputs"] == {"model_outputs": [{"model_id": "m-1", "step": 3}]}


def test_a_model_of_an_older_client_enters_the_history_tag(api: Api, run: str) -> None:
    model = {
        "artifact_path": "m",
        "flavors": {"sklearn": {}},
        "utc_time_created": "t",
        "run_id": run,
        "big": "x",
    }
    for _ in range(2):
        api.post("runs/log-model", run_id=run, model_json=json.dumps(model))
    kept = {name: value for name, value in model.items() if name != "big"}
    assert json.loads(api.texts(run, "tags")["mlflow.log-model.history"]) == [kept, kept]


@pytest.mark.parametrize(
    ("text", "why"), [("x", "JSON"), ("[]", "object"), ("{}", "artifact_path"), ("[" * 9999, "JSON")]
)
def test_a_malformed_model_is_refused(api: Api, run: str, text: str, why: str) -> None:
    with pytest.raises(Refused, match=why) as caught:
        api.post("runs/log-model", run_id=run, model_json=text)
    assert caught.value.verdict == IPV
