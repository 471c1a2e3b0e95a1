"""What runs log: metrics, params and tags, alone and in batches."""

from __future__ import annotations

import math
import random
import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from .conftest import Api, Refused

IPV = (400, "INVALID_PARAMETER_VALUE")


def latest(api: Api, run: str) -> dict[str, Any]:
    return {item["key"]: item["value"] for item in api.read(run)["data"].get("metrics", [])}


def history(api: Api, run: str, key: str) -> list[tuple[int, int, Any]]:
    points = api.get("metrics/get-history", run_id=run, metric_key=key).get("metrics", [])
    return [(point["timestamp"], point["step"], point["value"]) for point in points]


def test_the_latest_point_is_the_greatest_by_step_time_and_value(api: Api, run: str) -> None:
    points = [(step, time, value) for step in (-1, 0, 2) for time in (5, 9) for value in (-1.0, 0.5)]
    random.Random(7).shuffle(points)
    for step, time, value in points:
        api.post("runs/log-metric", run_id=run, key="m", value=value, timestamp=time, step=step)
    metric = api.read(run)["data"]["metrics"][0]
    assert metric == {"key": "m", "value": 0.5, "timestamp": 9, "step": 2}


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, -math.inf, 5e-324, 1.7976931348623157e308, -0.0, 0.1 + 0.2]
)
def test_a_float_comes_back_bit_for_bit(api: Api, run: str, value: float) -> None:
    wire = (
        value if math.isfinite(value) else {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[str(value)]
    )
    api.post("runs/log-metric", run_id=run, key="m", value=wire, timestamp=1)
    assert latest(api, run)["m"] == wire
    assert history(api, run, "m") == [(1, 0, wire)]


def test_nan_counts_as_zero_for_the_latest_point(api: Api, run: str) -> None:
    for value in (-1.0, "NaN"):
        api.post("runs/log-metric", run_id=run, key="below", value=value, timestamp=1)
    for value in ("NaN", 1.0):
        api.post("runs/log-metric", run_id=run, key="above", value=value, timestamp=1)
    assert latest(api, run) == {"below": "NaN", "above": 1.0}


def test_the_same_point_again_is_no_second_point(api: Api, run: str) -> None:
    point = {"key": "m", "value": 1.5, "timestamp": 3, "step": 1}
    for _ in range(3):
        api.post("runs/log-metric", run_id=run, **point)
        api.post("runs/log-batch", run_id=run, metrics=[point, point])
    assert history(api, run, "m") == [(3, 1, 1.5)]


def test_a_param_is_written_once(api: Api, run: str) -> None:
    for _ in range(2):
        api.post("runs/log-parameter", run_id=run, key="lr", value="0.1")
    with pytest.raises(Refused, match=r"'lr'.*'0.1'.*'0.2'") as caught:
        api.post("runs/log-parameter", run_id=run, key="lr", value="0.2")
    assert caught.value.verdict == IPV
    assert api.texts(run, "params") == {"lr": "0.1"}


def test_long_values_are_cut(api: Api, run: str) -> None:
    api.post("runs/log-parameter", run_id=run, key="p", value="é" * 7000)
    api.post("runs/set-tag", run_id=run, key="t", value="é" * 9000)
    assert api.texts(run, "params")["p"] == "é" * 6000
    assert api.texts(run, "tags")["t"] == "é" * 8000


@pytest.mark.parametrize(
    "text", ["", " ", "\n", "日本語 🚀 \u202e", "'; DROP TABLE runs; --", "%_\\", "\ufeff", "\U0010ffff"]
)
def test_any_text_comes_back_as_it_was(api: Api, run: str, text: str) -> None:
    api.post(
        "runs/log-batch", run_id=run, params=[{"key": "p", "value": text}], tags=[{"key": "t", "value": text}]
    )
    assert (api.texts(run, "params")["p"], api.texts(run, "tags")["t"]) == (text, text)


def test_a_batch_is_stored_whole(api: Api, run: str) -> None:
    metrics = [
        {"key": f"m{index % 7}", "value": index, "timestamp": 1, "step": index} for index in range(800)
    ]
    params = [{"key": f"p{index}", "value": str(index)} for index in range(100)]
    tags = [{"key": f"t{index}", "value": str(index)} for index in range(100)]
    assert api.post("runs/log-batch", run_id=run, metrics=metrics, params=params, tags=tags) == {}
    assert latest(api, run)["m6"] == 797.0
    assert len(history(api, run, "m0")) == 115
    assert len(api.texts(run, "params")) == 100
    assert len(api.texts(run, "tags")) == 101


def test_a_conflict_leaves_nothing_of_a_batch_behind(api: Api, run: str) -> None:
    api.post("runs/log-parameter", run_id=run, key="b", value="1")
    with pytest.raises(Refused, match="'key': 'b', 'old_value': '1', 'new_value': '2'") as caught:
        api.post(
            "runs/log-batch",
            run_id=run,
            metrics=[{"key": "m", "value": 1, "timestamp": 1}],
            params=[{"key": "a", "value": "1"}, {"key": "b", "value": "2"}],
            tags=[{"key": "t", "value": "1"}],
        )
    assert caught.value.verdict == IPV
    assert api.texts(run, "params") == {"b": "1"}
    assert "t" not in api.texts(run, "tags")
    assert latest(api, run) == {}
    assert history(api, run, "m") == []


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"metrics": [{"key": "m", "value": 1, "timestamp": 1}] * 1001}, "at most 1000 metrics"),
        (
            {"params": [{"key": f"p{index}", "value": ""} for index in range(101)]},
            "at most 100 params. Got 101 params",
        ),
        ({"tags": [{"key": "t", "value": ""}] * 101}, "at most 100 tags"),
        (
            {"metrics": [{"key": "m", "value": 1, "timestamp": 1}] * 999, "tags": [{"key": "t"}] * 2},
            "at most 1000",
        ),
        ({"params": [{"key": "a", "value": "1"}] * 2}, r"Duplicate parameter keys.*\['a'\]"),
        ({"metrics": [{"key": "m", "value": 1, "timestamp": 1}, {"key": "m"}]}, r"metrics\[1\]\.value"),
        ({"metrics": [{"key": "a//b", "value": 1, "timestamp": 1}]}, r"metrics\[0\]\.name.*a/b"),
        ({"params": [{"key": "ok"}, {"key": "no?"}]}, r"params\[1\]\.key"),
        ({"tags": [{"key": "x" * 251}]}, r"tags\[0\]\.key"),
    ],
)
def test_a_malformed_batch_is_refused_whole(api: Api, run: str, fields: dict[str, object], why: str) -> None:
    before = api.read(run)["data"]
    with pytest.raises(Refused, match=why) as caught:
        api.post("runs/log-batch", run_id=run, **fields)
    assert caught.value.verdict == IPV
    assert api.read(run)["data"] == before


def test_an_empty_batch_is_fine_and_the_last_of_two_tags_wins(api: Api, run: str) -> None:
    assert api.post("runs/log-batch", run_id=run) == {}
    api.post("runs/log-batch", run_id=run, tags=[{"key": "t", "value": "1"}, {"key": "t", "value": "2"}])
    assert api.texts(run, "tags")["t"] == "2"


def test_many_callers_at_once_lose_nothing_and_mix_nothing(api: Api, experiment: str) -> None:
    runs = [api.run(experiment) for _ in range(4)]

    def log(index: int) -> str:
        run_id = runs[index % 4]
        try:
            api.post(
                "runs/log-batch",
                run_id=run_id,
                metrics=[{"key": "m", "value": index, "timestamp": index, "step": index}],
                params=[{"key": "shared", "value": str(index % 8)}, {"key": f"own{index}", "value": "x"}],
                tags=[{"key": "same", "value": str(index)}],
            )
        except Refused as refused:
            return refused.code
        return "stored"

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(log, range(64)))
    for number, run_id in enumerate(runs):
        stored = [index for index in range(number, 64, 4) if outcomes[index] == "stored"]
        params = api.texts(run_id, "params")
        assert {int(key[3:]) for key in params if key.startswith("own")} == set(stored)
        assert {str(index % 8) for index in stored} == {params["shared"]}
        assert [step for _, step, _ in history(api, run_id, "m")] == stored
    assert outcomes.count("stored") >= 32
    assert set(outcomes) == {"stored", "INVALID_PARAMETER_VALUE"}


def test_a_race_for_a_new_tag_succeeds_for_all(api: Api, run: str) -> None:
    key = secrets.token_hex(4)
    with ThreadPoolExecutor(8) as pool:
        list(
            pool.map(lambda index: api.post("runs/set-tag", run_id=run, key=key, value=str(index)), range(16))
        )
    assert api.texts(run, "tags")[key] in {str(index) for index in range(16)}


def test_a_tag_is_removed_once(api: Api, run: str) -> None:
    api.post("runs/set-tag", run_id=run, key="t", value="1")
    assert api.post("runs/delete-tag", run_id=run, key="t") == {}
    assert "t" not in api.texts(run, "tags")
    with pytest.raises(Refused, match=f"No tag with name: t in run with id {run}") as caught:
        api.post("runs/delete-tag", run_id=run, key="t")
    assert caught.value.verdict == (404, "RESOURCE_DOES_NOT_EXIST")
