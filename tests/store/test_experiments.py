"""Experiments: names, tags, lifecycle."""

from __future__ import annotations

import pytest

from jupyter_tracking.protocol.enums import LifecycleStage
from jupyter_tracking.protocol.errors import ResourceAlreadyExists
from jupyter_tracking.protocol.experiments import Experiment, ExperimentTag
from jupyter_tracking_server.store import experiments, runs
from jupyter_tracking_server.store.database import Database
from jupyter_tracking_server.store.experiments import NewExperiment
from jupyter_tracking_server.store.writer import Writer

from .scene import new_experiment, new_run, whole


def get(database: Database, number: int) -> Experiment:
    with database.read() as tx:
        found = experiments.get(tx, number)
    assert found is not None
    return found


def test_an_experiment_comes_back_as_it_was_made(database: Database) -> None:
    tags = [ExperimentTag("b", "2"), ExperimentTag("a", "1"), ExperimentTag("b", "3")]
    with database.write() as tx:
        placed = experiments.create(
            tx, NewExperiment("été ☀", "root", 7, location="s3://bucket/x", tags=tags)
        )
        below = experiments.create(tx, NewExperiment("other", "root", 8))
    assert get(database, placed) == Experiment(
        str(placed),
        "été ☀",
        "s3://bucket/x",
        LifecycleStage.ACTIVE,
        7,
        7,
        [ExperimentTag("a", "1"), ExperimentTag("b", "3")],
    )
    assert get(database, below).artifact_location == f"root/{below}"
    with database.read() as tx:
        assert experiments.get_by_name(tx, "other") == get(database, below)
        assert experiments.get_by_name(tx, "none") is None
        assert experiments.get(tx, 4711) is None
        assert experiments.load(tx, [below, 4711, placed]) == [get(database, below), get(database, placed)]


def test_a_name_is_taken_for_good(database: Database) -> None:
    number = new_experiment(database, "taken")
    with database.write() as tx:
        experiments.set_lifecycle(tx, number, LifecycleStage.DELETED, 9)
    with database.write() as tx:
        with pytest.raises(ResourceAlreadyExists, match=r"^Experiment\(name=taken\) already exists\.$"):
            experiments.create(tx, NewExperiment("taken", "root", 1))
        experiments.rename(tx, 0, "renamed", 11)
        with pytest.raises(ResourceAlreadyExists, match="taken"):
            experiments.rename(tx, 0, "taken", 12)
    assert (get(database, 0).name, get(database, 0).last_update_time) == ("renamed", 11)


def test_of_two_who_create_the_same_name_at_once_one_wins(writer: Writer, database: Database) -> None:
    work = [
        writer.submit(lambda tx: experiments.create(tx, NewExperiment("wanted", "root", 1)))
        for _ in range(20)
    ]
    outcomes = [future.exception() or future.result() for future in work]
    winners = [outcome for outcome in outcomes if isinstance(outcome, int)]
    assert len(winners) == 1
    assert all(isinstance(outcome, ResourceAlreadyExists) for outcome in outcomes if outcome != winners[0])
    assert get(database, winners[0]).name == "wanted"


def test_deleting_and_restoring_takes_all_runs_along(database: Database) -> None:
    number = new_experiment(database)
    kept, deleted = new_run(database, number), new_run(database, number)
    elsewhere = new_run(database)
    with database.write() as tx:
        runs.set_lifecycle(tx, deleted, LifecycleStage.DELETED, 3)
        assert experiments.set_lifecycle(tx, number, LifecycleStage.DELETED, 20)
        assert not experiments.set_lifecycle(tx, number, LifecycleStage.DELETED, 21)
        assert not experiments.set_lifecycle(tx, 4711, LifecycleStage.DELETED, 21)
    stages = [whole(database, run_id).info.lifecycle_stage.value for run_id in (kept, deleted, elsewhere)]
    assert stages == ["deleted", "deleted", "active"]
    assert get(database, number).last_update_time == 20
    with database.write() as tx:
        assert experiments.set_lifecycle(tx, number, LifecycleStage.ACTIVE, 30)
        assert not experiments.set_lifecycle(tx, number, LifecycleStage.ACTIVE, 31)
    assert [whole(database, run_id).info.lifecycle_stage.value for run_id in (kept, deleted)] == [
        "active"
    ] * 2
    assert get(database, number).lifecycle_stage is LifecycleStage.ACTIVE


def test_tags_are_set_replaced_and_removed(database: Database) -> None:
    with database.write() as tx:
        experiments.set_tag(tx, 0, "team", "red")
        experiments.set_tag(tx, 0, "team", "blue")
        experiments.set_tag(tx, 0, "unit", "")
        assert experiments.delete_tag(tx, 0, "unit")
        assert not experiments.delete_tag(tx, 0, "unit")
        assert not experiments.delete_tag(tx, 0, "never")
    assert get(database, 0).tags == [ExperimentTag("team", "blue")]
