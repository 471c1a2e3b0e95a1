"""Logged models: create, finish, tag, search, delete."""

from __future__ import annotations

import re
from typing import Any

import pytest

from .conftest import Api, Refused

IPV = (400, "INVALID_PARAMETER_VALUE")
RDNE = (404, "RESOURCE_DOES_NOT_EXIST")


@pytest.fixture
def model(api: Api, experiment: str) -> dict[str, Any]:
    created: dict[str, Any] = api.post(
        "logged-models",
        experiment_id=experiment,
        name="clf",
        model_type="classifier",
        params=[{"key": "depth", "value": "3"}],
        tags=[{"key": "stage", "value": "dev"}],
    )["model"]
    return created


def read(api: Api, model_id: str) -> dict[str, Any]:
    found: dict[str, Any] = api.get(f"logged-models/{model_id}")["model"]
    return found


def test_a_new_model_is_pending(api: Api, experiment: str, model: dict[str, Any]) -> None:
    info = model["info"]
    assert re.fullmatch(r"m-[0-9a-f]{32}", info["model_id"])
    assert info["artifact_uri"] == f"mlflow-artifacts:/{experiment}/models/{info['model_id']}/artifacts"
    assert (info["name"], info["status"], info["model_type"]) == ("clf", "LOGGED_MODEL_PENDING", "classifier")
    assert info["tags"] == [{"key": "stage", "value": "dev"}]
    assert model["data"]["params"] == [{"key": "depth", "value": "3"}]
    assert read(api, info["model_id"]) == model


def test_a_model_without_a_name_gets_one(api: Api, experiment: str) -> None:
    assert api.post("logged-models", experiment_id=experiment)["model"]["info"]["name"]


@pytest.mark.parametrize("name", ["a/b", "a:b", "a.b", "a%b", "a'b", 'a"b'])
def test_a_malformed_name_is_refused(api: Api, experiment: str, name: str) -> None:
    with pytest.raises(Refused, match="Invalid model name") as caught:
        api.post("logged-models", experiment_id=experiment, name=name)
    assert caught.value.verdict == IPV


def test_finish_a_model_by_its_path_alone(api: Api, model: dict[str, Any]) -> None:
    path = f"logged-models/{model['info']['model_id']}"
    info = api.post(path, "PATCH", status="LOGGED_MODEL_READY")["model"]["info"]
    assert info["status"] == "LOGGED_MODEL_READY"
    assert info["last_updated_timestamp_ms"] >= info["creation_timestamp_ms"]
    with pytest.raises(Refused, match="'status'") as caught:
        api.post(path, "PATCH", status="DONE")
    assert caught.value.verdict == IPV


def test_tags_are_set_and_removed_also_with_a_slash_in_the_key(api: Api, model: dict[str, Any]) -> None:
    model_id = model["info"]["model_id"]
    api.post(
        f"logged-models/{model_id}/tags",
        "PATCH",
        tags=[{"key": "a/b", "value": "1"}, {"key": "stage", "value": "x"}],
    )
    assert read(api, model_id)["info"]["tags"] == [
        {"key": "a/b", "value": "1"},
        {"key": "stage", "value": "x"},
    ]
    assert api.post(f"logged-models/{model_id}/tags/a/b", "DELETE") == {}
    with pytest.raises(Refused) as caught:
        api.post(f"logged-models/{model_id}/tags/a/b", "DELETE")
    assert caught.value.verdict == RDNE


def test_params_are_added_once(api: Api, model: dict[str, Any]) -> None:
    path = f"logged-models/{model['info']['model_id']}/params"
    for _ in range(2):
        api.post(path, params=[{"key": "more", "value": "1"}, {"key": "depth", "value": "3"}])
    with pytest.raises(Refused, match="depth") as caught:
        api.post(path, params=[{"key": "new", "value": "1"}, {"key": "depth", "value": "4"}])
    assert caught.value.verdict == IPV
    params = {item["key"]: item["value"] for item in read(api, model["info"]["model_id"])["data"]["params"]}
    assert params == {"depth": "3", "more": "1"}


def test_a_metric_may_belong_to_a_model_too(api: Api, experiment: str, model: dict[str, Any]) -> None:
    run_id, model_id = api.run(experiment), model["info"]["model_id"]
    point = {
        "key": "acc",
        "value": 0.9,
        "timestamp": 5,
        "step": 1,
        "model_id": model_id,
        "dataset_name": "iris",
        "dataset_digest": "d",
    }
    for _ in range(2):
        api.post("runs/log-batch", run_id=run_id, metrics=[point])
    metric = read(api, model_id)["data"]["metrics"]
    assert metric == [{**point, "run_id": run_id}]
    assert api.read(run_id)["data"]["metrics"] == [{"key": "acc", "value": 0.9, "timestamp": 5, "step": 1}]


def test_a_metric_of_an_unknown_model_is_refused_whole(api: Api, run: str) -> None:
    with pytest.raises(Refused, match="'m-nowhere'") as caught:
        api.post("runs/log-metric", run_id=run, key="a", value=1, timestamp=1, model_id="m-nowhere")
    assert caught.value.verdict == RDNE
    assert "metrics" not in api.read(run)["data"]


def test_search_filters_orders_and_pages(api: Api, experiment: str) -> None:
    run_id = api.run(experiment)
    ids = []
    for index in range(4):
        model_id = api.post("logged-models", experiment_id=experiment, name=f"n{index}")["model"]["info"][
            "model_id"
        ]
        api.post("runs/log-metric", run_id=run_id, key="acc", value=index, timestamp=1, model_id=model_id)
        ids.append(model_id)
    asked = {
        "experiment_ids": [experiment],
        "filter": "metrics.acc > 0",
        "order_by": [{"field_name": "metrics.acc", "ascending": False}],
    }

    def found(**page: object) -> tuple[list[str], str | None]:
        reply = api.post("logged-models/search", **asked, **page)
        return [item["info"]["model_id"] for item in reply.get("models", [])], reply.get("next_page_token")

    assert found() == (ids[:0:-1], None)
    first, token = found(max_results=2)
    assert first + found(max_results=2, page_token=token)[0] == ids[:0:-1]


def test_a_deleted_model_is_gone_unless_asked_for(api: Api, experiment: str, model: dict[str, Any]) -> None:
    path = f"logged-models/{model['info']['model_id']}"
    for _ in range(2):
        assert api.post(path, "DELETE") == {}
    with pytest.raises(Refused, match="not found") as caught:
        api.get(path)
    assert caught.value.verdict == RDNE
    assert api.get(path, allow_deleted="true")["model"]["info"]["name"] == "clf"
    assert api.post("logged-models/search", experiment_ids=[experiment]) == {}
