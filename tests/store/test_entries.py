"""What runs log: checked, all or nothing, many requests at a time."""

from __future__ import annotations

import math
import random
import threading

import pytest

from jupyter_tracking.protocol.enums import LifecycleStage
from jupyter_tracking.protocol.errors import (
    InvalidParameterValue,
    PermissionDenied,
    ResourceDoesNotExist,
    TrackingError,
)
from jupyter_tracking.protocol.metrics import Metric
from jupyter_tracking.protocol.params import Param
from jupyter_tracking_server.store import entries, runs
from jupyter_tracking_server.store.database import Database, Transaction
from jupyter_tracking_server.store.entries import Entries, MetricPoint
from jupyter_tracking_server.store.faults import LostRace

from .scene import anyone, in_tail, log, new_experiment, new_run, until, whole


def refusal(verdict: TrackingError | None, kind: type[TrackingError]) -> str:
    assert type(verdict) is kind
    return verdict.message


def test_a_run_that_is_not_there_or_deleted_is_refused(database: Database) -> None:
    run_id = new_run(database)
    with database.write() as tx:
        runs.set_lifecycle(tx, run_id, LifecycleStage.DELETED, 1)
    missing, deleted = log(database, Entries("none"), Entries(run_id, params=[("p", "1")]))
    assert refusal(missing, ResourceDoesNotExist) == "Run with id=none not found"
    assert refusal(deleted, InvalidParameterValue) == (
        f"The run {run_id} must be in the 'active' state. Current state is deleted."
    )
    assert whole(database, run_id).data.params == []


def test_who_may_not_write_in_the_experiment_is_refused(database: Database) -> None:
    closed = new_experiment(database)

    def may(tx: Transaction, run_id: str, experiment: int) -> None:
        del tx, run_id
        if experiment == closed:
            raise PermissionDenied("No.")

    mine, theirs = new_run(database), new_run(database, closed)
    with database.write() as tx:
        batch = [Entries(run_id, params=[("p", "1")]) for run_id in (theirs, mine)]
        verdicts = entries.log(tx, batch, [may, may])
    assert refusal(verdicts[0], PermissionDenied) == "No."
    assert verdicts[1] is None
    assert [len(whole(database, run_id).data.params) for run_id in (theirs, mine)] == [0, 1]


def test_a_param_is_written_once(database: Database) -> None:
    run_id = new_run(database)
    assert log(database, Entries(run_id, params=[("a", "1"), ("b", "2")])) == [None]
    same, other, others = log(
        database,
        Entries(run_id, params=[("a", "1")]),
        Entries(run_id, params=[("a", "9")]),
        Entries(run_id, params=[("a", "8"), ("b", "7"), ("c", "6")], tags=[("t", "1")]),
    )
    assert same is None
    assert refusal(other, InvalidParameterValue) == (
        "Changing param values is not allowed. Param with key='a' was already logged with value='1' "
        f"for run ID='{run_id}'. Attempted logging new value '9'."
    )
    assert refusal(others, InvalidParameterValue) == (
        "Changing param values is not allowed. Params were already logged='["
        "{'key': 'a', 'old_value': '1', 'new_value': '8'}, "
        "{'key': 'b', 'old_value': '2', 'new_value': '7'}]' "
        f"for run ID='{run_id}'."
    )
    data = whole(database, run_id).data
    assert data.params == [Param("a", "1"), Param("b", "2")]
    assert [tag.key for tag in data.tags] == ["mlflow.runName"]


def test_a_conflict_inside_one_batch_of_requests_goes_to_the_later_one(database: Database) -> None:
    run_id, second = new_run(database), new_run(database)
    verdicts = log(
        database,
        Entries(run_id, params=[("a", "1")]),
        Entries(run_id, [MetricPoint("m", 1.0, 1, 1)], [("a", "2"), ("b", "2")]),
        Entries(run_id, params=[("a", "1"), ("b", "3")]),
        Entries(second, params=[("a", "4")]),
    )
    assert [verdict is None for verdict in verdicts] == [True, False, True, True]
    data = whole(database, run_id).data
    assert (data.params, data.metrics) == ([Param("a", "1"), Param("b", "3")], [])
    assert whole(database, second).data.params == [Param("a", "4")]


def test_a_refused_request_leaves_nothing_of_it(database: Database) -> None:
    run_id = new_run(database)
    log(database, Entries(run_id, params=[("a", "1")]))
    before = whole(database, run_id)
    refused = Entries(run_id, [MetricPoint("m", 1.0, 1, 1)], [("new", "1"), ("a", "2")], [("t", "x")])
    assert refusal(log(database, refused)[0], InvalidParameterValue)
    assert whole(database, run_id) == before
    with database.read() as tx:
        assert in_tail(tx) == []
        assert tx.keys.find(tx, ["m", "new", "t"]) == {}


def test_the_latest_point_is_the_greatest_however_points_arrive(database: Database) -> None:
    points = [
        (step, timestamp, value)
        for step in (-(2**63), -1, 0, 2**63 - 1)
        for timestamp in (0, 5)
        for value in (-math.inf, -1.0, math.nan, 0.5)
    ]
    expected = max(points, key=lambda p: (p[0], p[1], 0.0 if math.isnan(p[2]) else p[2]))
    generator = random.Random(4)
    for _ in range(5):
        run_id = new_run(database)
        generator.shuffle(points)
        for start in range(0, len(points), 7):
            batch = [
                Entries(run_id, [MetricPoint("m", value, timestamp, step)])
                for step, timestamp, value in points[start : start + 7]
            ]
            assert log(database, *batch) == [None] * len(batch)
        step, timestamp, value = expected
        assert whole(database, run_id).data.metrics == [Metric("m", value, timestamp, step)]


@pytest.mark.parametrize(("values", "latest"), [((-1.0, math.nan), "NaN"), ((math.nan, 1.0), 1.0)])
def test_nan_counts_as_zero(database: Database, values: tuple[float, float], latest: float | str) -> None:
    run_id = new_run(database)
    for value in values:
        log(database, Entries(run_id, [MetricPoint("m", value, 1, 1)]))
    assert [metric.value for metric in whole(database, run_id).data.metrics] == [latest]


def test_one_request_may_log_many_keys_of_many_kinds(database: Database) -> None:
    run_id = new_run(database)
    points = [MetricPoint(f"m{number % 7}", number / 3, number, number) for number in range(1000)]
    given = [(f"p{number}", "é" * 6000) for number in range(100)]
    assert log(database, Entries(run_id, points, given, [("t", "1"), ("t", "2")])) == [None]
    data = whole(database, run_id).data
    assert {metric.key: metric.value for metric in data.metrics} == {
        f"m{number % 7}": number / 3 for number in range(993, 1000)
    }
    assert data.params == [Param(key, value) for key, value in sorted(given)]
    assert {tag.key: tag.value for tag in data.tags}["t"] == "2"


def test_metrics_of_a_logged_model_are_stored_with_it_too(database: Database) -> None:
    run_id = new_run(database)
    with database.write() as tx:
        tx.driver(
            "INSERT INTO logged_models "
            "(model_id, experiment, name, artifact_uri, status, lifecycle, created, updated) "
            "VALUES (?, 0, 'n', 'u', 1, 0, 1, 1)",
            ["m-1"],
        )
    point = MetricPoint("acc", 0.5, 7, 3, "m-1", "digits", "abc")
    missing = MetricPoint("acc", 0.5, 7, 3, "m-2")
    verdicts = log(
        database, Entries(run_id, [point, missing]), Entries(run_id, [point, point]), Entries(run_id, [point])
    )
    assert refusal(verdicts[0], ResourceDoesNotExist) == "Logged model with ID 'm-2' not found."
    assert verdicts[1:] == [None, None]
    with database.read() as tx:
        rows = tx.driver(
            "SELECT run_id, step, timestamp, value, dataset_name, dataset_digest FROM logged_model_metrics"
        )
    assert rows == [(run_id, 3, 7, 0.5, "digits", "abc")]
    (verdict,) = log(database, Entries(run_id, [missing]))
    assert refusal(verdict, ResourceDoesNotExist)


def test_a_param_that_another_server_logs_meanwhile_is_a_lost_race(postgres_uri: str) -> None:
    database, other = Database(postgres_uri), Database(postgres_uri)
    database.migrate("root")
    run_id = new_run(database)
    outcomes: list[object] = []

    def late() -> None:
        try:
            outcomes.append(log(other, Entries(run_id, params=[("a", "2")])))
        except LostRace as error:
            outcomes.append(error)

    def waiting() -> bool:
        with database.read() as tx:
            return bool(tx.driver("SELECT 1 FROM pg_locks WHERE NOT granted"))

    with database.write() as tx:
        tx.keys.intern(tx, ["a"])
    with database.write() as tx:
        assert entries.log(tx, [Entries(run_id, params=[("a", "1")])], [anyone]) == [None]
        thread = threading.Thread(target=late)
        thread.start()
        until(waiting)
    thread.join()
    assert isinstance(outcomes[0], LostRace)
    assert refusal(log(other, Entries(run_id, params=[("a", "2")]))[0], InvalidParameterValue)
    assert whole(database, run_id).data.params == [Param("a", "1")]
    database.close()
    other.close()
