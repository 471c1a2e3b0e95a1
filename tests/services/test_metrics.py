"""Metric histories: whole, paged, of several runs, and sampled."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import Api, Refused

IPV = (400, "INVALID_PARAMETER_VALUE")
AJAX = "ajax-api/2.0/mlflow"


def log_steps(api: Api, run: str, count: int, key: str = "m") -> None:
    for start in range(0, count, 1000):
        api.post(
            "runs/log-batch",
            run_id=run,
            metrics=[
                {"key": key, "value": step * 0.5, "timestamp": 10_000 - step // 2, "step": step}
                for step in range(start, min(start + 1000, count))
            ],
        )


def test_history_goes_by_time_then_step_then_value(api: Api, run: str) -> None:
    for time, step, value in [(2, 0, 1.0), (1, 5, 3.0), (1, 5, 2.0), (1, 4, 9.0)]:
        api.post("runs/log-metric", run_id=run, key="m", value=value, timestamp=time, step=step)
    points = api.get("metrics/get-history", run_id=run, metric_key="m")["metrics"]
    assert [(p["timestamp"], p["step"], p["value"]) for p in points] == [
        (1, 4, 9),
        (1, 5, 2),
        (1, 5, 3),
        (2, 0, 1),
    ]
    assert all(set(p) == {"key", "value", "timestamp", "step"} for p in points)


def test_pages_join_to_the_whole(api: Api, run: str) -> None:
    log_steps(api, run, 2500)
    whole = api.get("metrics/get-history", run_id=run, metric_key="m")["metrics"]
    joined: list[Any] = []
    query: dict[str, object] = {"run_id": run, "metric_key": "m", "max_results": 700}
    while True:
        page = api.get("metrics/get-history", **query)
        joined += page["metrics"]
        if "next_page_token" not in page:
            break
        query["page_token"] = page["next_page_token"]
    assert len(whole) == 2500
    assert joined == whole


@pytest.mark.parametrize("asked", [{"run_id": "nowhere", "metric_key": "m"}, {"metric_key": "other"}])
def test_an_unknown_run_or_key_has_no_points(api: Api, run: str, asked: dict[str, object]) -> None:
    assert api.get("metrics/get-history", **{"run_id": run, **asked}) == {}


@pytest.mark.parametrize(
    "query", [{"max_results": 0}, {"max_results": -1}, {"max_results": "x"}, {"page_token": "?"}]
)
def test_a_malformed_page_is_refused(api: Api, run: str, query: dict[str, object]) -> None:
    log_steps(api, run, 3)
    with pytest.raises(Refused) as caught:
        api.get("metrics/get-history", run_id=run, metric_key="m", **query)
    assert caught.value.verdict == IPV


def test_bulk_goes_by_run_and_is_cut_in_all(api: Api, experiment: str) -> None:
    runs = sorted(api.run(experiment) for _ in range(3))
    for run_id in runs:
        log_steps(api, run_id, 4)
    points = api.get("metrics/get-history-bulk", AJAX, run_id=runs[::-1], metric_key="m", max_results=10)[
        "metrics"
    ]
    assert [point["run_id"] for point in points] == [runs[0]] * 4 + [runs[1]] * 4 + [runs[2]] * 2


def interval(api: Api, **query: object) -> list[tuple[str, int]]:
    points = api.get("metrics/get-history-bulk-interval", AJAX, metric_key="m", **query).get("metrics", [])
    return [(point["run_id"], point["step"]) for point in points]


def test_a_sample_is_even_and_ends_with_the_last_point(api: Api, experiment: str) -> None:
    runs = [api.run(experiment), api.run(experiment)]
    log_steps(api, runs[0], 3000)
    log_steps(api, runs[1], 5)
    found = interval(api, run_ids=runs, max_results=10)
    steps = [step for run_id, step in found if run_id == runs[0]]
    assert steps == [0, 300, 600, 900, 1200, 1500, 1800, 2100, 2400, 2999]
    assert [step for run_id, step in found if run_id == runs[1]] == [0, 1, 2, 3, 4]
    assert interval(api, run_ids=[runs[0]], max_results=1) == [(runs[0], 2999)]


def test_a_sample_of_a_range_stays_in_it(api: Api, run: str) -> None:
    log_steps(api, run, 50)
    assert interval(api, run_ids=[run], start_step=10, end_step=12) == [(run, 10), (run, 11), (run, 12)]
    assert interval(api, run_ids=[run], start_step=60, end_step=70) == []


@pytest.mark.parametrize(
    "query",
    [
        {"start_step": 1},
        {"end_step": 1},
        {"start_step": 2, "end_step": 1},
        {"max_results": 0},
        {"max_results": 2501},
        {"run_ids": ["r"] * 101},
        {"run_ids": []},
    ],
)
def test_a_malformed_sample_is_refused(api: Api, run: str, query: dict[str, object]) -> None:
    with pytest.raises(Refused) as caught:
        interval(api, **{"run_ids": [run], **query})
    assert caught.value.verdict == IPV
