"""Runs, whole and by pages, and their tags."""

from __future__ import annotations

import math

import pytest

from jupyter_tracking.protocol.enums import LifecycleStage, RunStatus
from jupyter_tracking.protocol.metrics import Metric
from jupyter_tracking.protocol.params import Param
from jupyter_tracking.protocol.runs import Run, RunData, RunInfo, RunInputs
from jupyter_tracking.protocol.tags import RunTag
from jupyter_tracking_server.store import runs, tags
from jupyter_tracking_server.store.database import Database
from jupyter_tracking_server.store.entries import Entries, MetricPoint

from .scene import counted, log, new_experiment, new_run, rid_of, whole


def test_a_run_comes_back_as_it_was_made(database: Database) -> None:
    with database.write() as tx:
        new = runs.NewRun("f" * 32, 0, "first", "jane", 5, "root/0/f/artifacts", [("z", "1"), ("a", "ü")])
        runs.create(tx, new)
    info = RunInfo(
        run_id="f" * 32,
        run_uuid="f" * 32,
        run_name="first",
        experiment_id="0",
        user_id="jane",
        status=RunStatus.RUNNING,
        start_time=5,
        artifact_uri="root/0/f/artifacts",
        lifecycle_stage=LifecycleStage.ACTIVE,
    )
    given = [RunTag("a", "ü"), RunTag("mlflow.runName", "first"), RunTag("z", "1")]
    assert whole(database, "f" * 32) == Run(info, RunData(tags=given), RunInputs())
    with database.read() as tx:
        assert runs.info(tx, "f" * 32) == info
        assert runs.info(tx, "0" * 32) is None
        assert runs.get(tx, "0" * 32) is None


def test_a_page_of_runs_holds_what_each_logged_in_the_order_asked_for(database: Database) -> None:
    ids = [new_run(database) for _ in range(3)]
    for number, run_id in enumerate(ids):
        points = [MetricPoint("m", value, 9, 1) for value in (float(number), -1.0)]
        points += [MetricPoint("nan", math.nan, 9, 1), MetricPoint("inf", -math.inf, 9, 1)]
        assert log(database, Entries(run_id, points, [("p", str(number)), ("o", "")])) == [None]
    with database.read() as tx:
        page = runs.load(tx, [rid_of(database, run_id) for run_id in reversed(ids)] + [4711])
    assert [run.info.run_id for run in page] == list(reversed(ids))
    assert [run.data.params for run in page] == [[Param("o", ""), Param("p", str(n))] for n in (2, 1, 0)]
    assert page[0].data.metrics == [
        Metric("inf", "-Infinity", 9, 1),
        Metric("m", 2.0, 9, 1),
        Metric("nan", "NaN", 9, 1),
    ]
    assert page[0] == whole(database, ids[2])


@pytest.mark.parametrize("size", [1, 40])
def test_a_page_takes_the_same_number_of_statements_whatever_its_size(database: Database, size: int) -> None:
    ids = [new_run(database) for _ in range(size)]
    rids = [rid_of(database, run_id) for run_id in ids]
    with database.read() as tx:
        statements = counted(tx)
        assert len(runs.load(tx, rids)) == size
    assert len(statements) == 6


def test_an_update_changes_what_is_given(database: Database) -> None:
    run_id = new_run(database)
    with database.write() as tx:
        runs.update(tx, run_id, status=RunStatus.FINISHED)
        assert tx.ended_runs
        runs.update(tx, run_id, end_time=99)
        runs.update(tx, run_id)
    info = whole(database, run_id).info
    assert (info.status, info.end_time, info.run_name) == (RunStatus.FINISHED, 99, "a run")
    with database.write() as tx:
        runs.update(tx, run_id, status=RunStatus.RUNNING, name="renamed")
        assert tx.ended_runs == []
    run = whole(database, run_id)
    assert (run.info.status, run.info.end_time, run.info.run_name) == (RunStatus.RUNNING, 99, "renamed")
    assert run.data.tags == [RunTag("mlflow.runName", "renamed")]


def test_deleting_twice_keeps_the_first_time(database: Database) -> None:
    run_id = new_run(database)

    def state() -> tuple[str, int | None]:
        with database.read() as tx:
            ((time,),) = tx.driver("SELECT deleted_time FROM runs WHERE run_id = ?", [run_id])
        return whole(database, run_id).info.lifecycle_stage.value, time

    for now in (10, 20):
        with database.write() as tx:
            runs.set_lifecycle(tx, run_id, LifecycleStage.DELETED, now)
    assert state() == ("deleted", 10)
    for now in (30, 40):
        with database.write() as tx:
            runs.set_lifecycle(tx, run_id, LifecycleStage.ACTIVE, now)
    assert state() == ("active", None)


def test_the_experiment_of_each_run_that_exists(database: Database) -> None:
    number = new_experiment(database)
    one, other = new_run(database), new_run(database, number)
    with database.read() as tx:
        assert runs.experiments_of(tx, [one, "none", other]) == {one: 0, other: number}
        assert runs.experiments_of(tx, []) == {}


def test_tags_are_set_read_and_removed(database: Database) -> None:
    run_id = new_run(database)
    with database.write() as tx:
        tags.set(tx, run_id, "k", "one")
        tags.set(tx, run_id, "k", "two")
        assert tags.get(tx, run_id, "k") == "two"
        assert tags.get(tx, run_id, "never") is None
        assert tags.get(tx, "none", "k") is None
        assert tags.delete(tx, run_id, "k")
        assert not tags.delete(tx, run_id, "k")
        assert not tags.delete(tx, run_id, "never")
        tags.set(tx, "none", "k", "lost")
    assert whole(database, run_id).data.tags == [RunTag("mlflow.runName", "a run")]


def test_the_name_tag_renames_the_run(database: Database) -> None:
    run_id = new_run(database)
    with database.write() as tx:
        tags.set(tx, run_id, "mlflow.runName", "by set")
    assert whole(database, run_id).info.run_name == "by set"
    log(database, Entries(run_id, tags=[("mlflow.runName", "lost"), ("mlflow.runName", "by log")]))
    run = whole(database, run_id)
    assert run.info.run_name == "by log"
    assert run.data.tags == [RunTag("mlflow.runName", "by log")]
