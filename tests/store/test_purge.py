"""What is due in the trash, and how it leaves the database."""

from __future__ import annotations

import threading
import time

import pytest

from jupyter_tracking.protocol.enums import LifecycleStage
from jupyter_tracking.protocol.logged_models import ModelParam, ModelTag
from jupyter_tracking_server.store import (
    destination,
    experiments,
    fold,
    logged_models,
    purge,
    runs,
    trash,
)
from jupyter_tracking_server.store.database import Database
from jupyter_tracking_server.store.entries import Entries, MetricPoint
from jupyter_tracking_server.store.trash import Choice, Kind, Owner

from .scene import log, log_points, new_experiment, new_run, rid_of

DELETED, ACTIVE = LifecycleStage.DELETED, LifecycleStage.ACTIVE
TABLES = (
    *("runs", "params", "tags", "latest_metrics", "metric_tail", "metric_chunk", "dataset_inputs"),
    *("model_inputs", "model_outputs", "logged_models", "logged_model_params", "logged_model_tags"),
    *("logged_model_metrics", "experiment_tags", "datasets", "purges"),
)


def trashed_run(database: Database, experiment: int = 0, at: int = 1000) -> str:
    run_id = new_run(database, experiment)
    with database.write() as tx:
        runs.set_lifecycle(tx, run_id, DELETED, at)
    return run_id


def new_model(database: Database, model_id: str, experiment: int = 0) -> str:
    uri = f"mlflow-artifacts:/{experiment}/models/{model_id}/artifacts"
    new = logged_models.NewLoggedModel(
        model_id, experiment, "m", uri, 5, params=[ModelParam("p", "v")], tags=[ModelTag("t", "v")]
    )
    with database.write() as tx:
        logged_models.create(tx, new)
    return model_id


def trashed_experiment(database: Database, at: int = 1000) -> int:
    number = new_experiment(database)
    with database.write() as tx:
        experiments.set_lifecycle(tx, number, DELETED, at)
    return number


def due(database: Database, kind: Kind, before: int = 2000, **chosen: object) -> list[str]:
    with database.read() as tx:
        return [owner.name for owner in trash.due(tx, kind, Choice(before=before, **chosen))]  # type: ignore[arg-type]  # as given by the test


def owner_of(database: Database, kind: Kind, name: str) -> Owner:
    """Whether it is due or not."""
    table, number, column, location = {
        "run": ("runs", "rid", "run_id", "artifact_uri"),
        "model": ("logged_models", "mid", "model_id", "artifact_uri"),
        "experiment": ("experiments", "id", "id", "artifact_location"),
    }[kind]
    value = int(name) if kind == "experiment" else name
    with database.read() as tx:
        ((found, where),) = tx.driver(f"SELECT {number}, {location} FROM {table} WHERE {column} = ?", [value])
    return Owner(kind, found, name, where)


def remove(database: Database, kind: Kind, name: str, before: int = 2000) -> purge.Purge | None:
    owner = owner_of(database, kind, name)
    with database.write() as tx:
        return purge.remove(tx, owner, before, 3000)


def empty_out(database: Database, gone: purge.Purge) -> int:
    """Remove its points and forget it; how many slices that took."""
    slices = 0
    while True:
        with database.write() as tx:
            if not purge.remove_points(tx, gone):
                purge.drop(tx, gone)
                return slices
        slices += 1


def counts(database: Database) -> dict[str, int]:
    """Of each table that holds something."""
    with database.read() as tx:
        found = {table: tx.driver(f"SELECT count(*) FROM {table}")[0][0] for table in TABLES}
    return {table: number for table, number in found.items() if number}


def test_what_has_been_in_the_trash_for_long_enough_is_due(database: Database) -> None:
    new_run(database)
    old, younger = trashed_run(database, at=1000), trashed_run(database, at=2001)
    assert due(database, "run") == [old]
    assert due(database, "run", before=2001) == [old, younger]
    new_model(database, "m-active")
    new_model(database, "m-old")
    with database.write() as tx:
        logged_models.delete(tx, "m-old", 2000)
    assert due(database, "model", 1999) == []
    assert due(database, "model") == ["m-old"]


def test_an_experiment_takes_its_runs_and_models_with_it(database: Database) -> None:
    number = new_experiment(database)
    run_id, model_id = new_run(database, number), new_model(database, "m-1", number)
    with database.write() as tx:
        experiments.set_lifecycle(tx, number, DELETED, 1000)
    assert due(database, "run") == [run_id]
    assert due(database, "model") == [model_id]
    assert due(database, "experiment") == [str(number)]
    with database.write() as tx:
        runs.set_lifecycle(tx, run_id, ACTIVE, 0)
    assert due(database, "run") + due(database, "model") + due(database, "experiment") == []


def test_the_default_experiment_stays(database: Database) -> None:
    run_id = new_run(database)
    with database.write() as tx:
        experiments.set_lifecycle(tx, 0, DELETED, 1000)
    assert due(database, "run") == [run_id]
    assert due(database, "experiment") == []


def test_of_the_named_only_those_in_the_trash_go(database: Database) -> None:
    first, _, active = trashed_run(database), trashed_run(database), new_run(database)
    number, other = trashed_experiment(database), trashed_experiment(database)
    inside = trashed_run(database, number)
    assert due(database, "run", run_ids=[first, active]) == [first]
    assert due(database, "experiment", run_ids=[first]) == []
    assert due(database, "model", run_ids=[first]) == []
    assert due(database, "run", experiment_ids=[number]) == [inside]
    assert due(database, "experiment", experiment_ids=[number, 99]) == [str(number)]
    named = Choice(before=2000, run_ids=[first, active], model_ids=["m-?"], experiment_ids=[other, 99])
    with database.read() as tx:
        assert trash.missing(tx, named) == [("run", active), ("model", "m-?"), ("experiment", "99")]
        assert trash.count(tx, named) == 2
        assert trash.count(tx, Choice(before=2000)) == 5


def test_pages_go_on_after_a_number(database: Database) -> None:
    made = [trashed_run(database) for _ in range(5)]
    with database.read() as tx:
        first = trash.due(tx, "run", Choice(before=2000), limit=2)
        rest = trash.due(tx, "run", Choice(before=2000), first[-1].number)
    assert [owner.name for owner in first + rest] == made


def test_all_of_a_run_goes_and_nothing_of_another(database: Database) -> None:
    before = counts(database)
    kept = fill_run(database)
    alone = counts(database)
    gone = fill_run(database)
    with database.write() as tx:
        runs.set_lifecycle(tx, gone, DELETED, 1000)
    found = remove(database, "run", gone)
    assert found is not None
    assert (found.kind, found.owner, found.since) == ("run", gone, 3000)
    assert found.location == f"mlflow-artifacts:/0/{gone}/artifacts"
    with database.read() as tx:
        assert purge.pending(tx) == [found]
        assert runs.get(tx, gone) is None
    assert empty_out(database, found) > 0
    assert counts(database) == alone
    with database.write() as tx:
        runs.set_lifecycle(tx, kept, DELETED, 1000)
    last = remove(database, "run", kept)
    assert last is not None
    empty_out(database, last)
    assert counts(database) == before | {"datasets": 1}


def fill_run(database: Database) -> str:
    """A run with a row in every table, and points in tail and chunks."""
    run_id = new_run(database)
    log_points(database, run_id, "m", [(step, step, 1.0) for step in range(3000)])
    rid = rid_of(database, run_id)
    log(database, Entries(run_id, [], [("p", "v")], [("t", "v")]))
    with database.write() as tx:
        fold.fold(tx, rid, 2500)
        tx.driver(
            "INSERT INTO datasets (experiment, name, digest, source_type, source) "
            "VALUES (0, 'd', 'x', 's', 's') ON CONFLICT DO NOTHING"
        )
        tx.driver("INSERT INTO dataset_inputs (rid, dataset, tags) SELECT ?, id, '[]' FROM datasets", [rid])
        tx.driver("INSERT INTO model_inputs (rid, model_id) VALUES (?, 'm-1')", [rid])
        tx.driver("INSERT INTO model_outputs (rid, model_id, step) VALUES (?, 'm-1', 0)", [rid])
    return run_id


def test_all_of_a_model_goes(database: Database) -> None:
    run_id = new_run(database)
    alone = counts(database)
    new_model(database, "m-1")
    points = [MetricPoint("m", 1.0, step, step, "m-1") for step in range(30)]
    assert log(database, Entries(run_id, points)) == [None]
    with database.write() as tx:
        logged_models.delete(tx, "m-1", 1000)
    gone = remove(database, "model", "m-1")
    assert gone is not None
    assert empty_out(database, gone) == 1
    # The run keeps its own points.
    assert counts(database) == alone | {"metric_tail": 30, "latest_metrics": 1}


def test_an_experiment_goes_when_it_is_empty(database: Database) -> None:
    number = new_experiment(database)
    run_id, model_id = new_run(database, number), new_model(database, "m-1", number)
    with database.write() as tx:
        experiments.set_tag(tx, number, "k", "v")
        experiments.set_lifecycle(tx, number, DELETED, 1000)
    assert remove(database, "experiment", str(number)) is None
    for kind, name in (("run", run_id), ("model", model_id)):
        assert remove(database, kind, name) is not None  # type: ignore[arg-type]  # a kind
    gone = remove(database, "experiment", str(number))
    assert gone is not None
    assert gone.location == f"mlflow-artifacts:/{number}/traces"
    assert set(counts(database)) == {"purges"}
    with database.read() as tx:
        assert experiments.get(tx, number) is None
    # Neither the number nor anything below its location is given again.
    assert new_experiment(database) == number + 1


def test_what_was_restored_in_time_stays(database: Database) -> None:
    run_id, number = trashed_run(database), new_experiment(database)
    model_id = new_model(database, "m-1", number)
    with database.write() as tx:
        experiments.set_lifecycle(tx, number, DELETED, 1000)
    seen = [owner_of(database, "run", run_id), owner_of(database, "model", model_id)]
    seen.append(owner_of(database, "experiment", str(number)))
    with database.write() as tx:
        runs.set_lifecycle(tx, run_id, ACTIVE, 0)
        experiments.set_lifecycle(tx, number, ACTIVE, 1500)
    for owner in seen:
        with database.write() as tx:
            assert purge.remove(tx, owner, 2000, 3000) is None
    with database.read() as tx:
        assert purge.pending(tx) == []
        assert logged_models.get(tx, model_id) is not None


def test_who_is_first_decides_between_restoring_and_removing(database: Database) -> None:
    """The removal waits for the restore under way, and then sees that it has nothing to do."""
    run_id = trashed_run(database)
    owner = owner_of(database, "run", run_id)
    outcome: list[purge.Purge | None] = []

    def remove_it() -> None:
        with database.write() as tx:
            outcome.append(purge.remove(tx, owner, 2000, 3000))

    thread = threading.Thread(target=remove_it)
    with database.write() as tx:
        runs.set_lifecycle(tx, run_id, ACTIVE, 0)
        thread.start()
    thread.join()
    assert outcome == [None]
    with database.read() as tx:
        assert runs.get(tx, run_id) is not None


def test_points_go_in_slices_and_may_be_folded_meanwhile(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purge, "SLICE_ROWS", 700)
    monkeypatch.setattr(purge, "SLICE_CHUNKS", 2)
    run_id = fill_run(database)
    rid = rid_of(database, run_id)
    with database.write() as tx:
        runs.set_lifecycle(tx, run_id, DELETED, 1000)
    gone = remove(database, "run", run_id)
    assert gone is not None
    with database.write() as tx:
        assert purge.remove_points(tx, gone)
        fold.fold(tx, rid, 100)
    assert empty_out(database, gone) >= 2
    assert not {"metric_tail", "metric_chunk"} & set(counts(database))


def test_a_number_is_never_given_again(database: Database) -> None:
    """The points of a run that is gone would be another's."""
    run_id, model_id = trashed_run(database), new_model(database, "m-1")
    with database.write() as tx:
        logged_models.delete(tx, model_id, 1000)
    numbers = owner_of(database, "run", run_id).number, owner_of(database, "model", model_id).number
    remove(database, "run", run_id)
    remove(database, "model", model_id)
    assert rid_of(database, new_run(database)) > numbers[0]
    assert owner_of(database, "model", new_model(database, "m-2")).number > numbers[1]


@pytest.mark.slow
def test_many_points_go_in_several_short_transactions(database: Database) -> None:
    run_id = new_run(database)
    rid = rid_of(database, run_id)
    for start in range(0, 400_000, 50_000):
        log_points(
            database, run_id, f"m{start % 4}", [(step, step, 1.0) for step in range(start, start + 50_000)]
        )
        if start >= 100_000:  # what came last is still in the tail
            with database.write() as tx:
                fold.fold(tx, rid, 50_000)
    with database.write() as tx:
        runs.set_lifecycle(tx, run_id, DELETED, 1000)
    took: list[float] = []
    began = time.monotonic()
    gone = remove(database, "run", run_id)
    took.append(time.monotonic() - began)
    assert gone is not None
    more = True
    while more:
        began = time.monotonic()
        with database.write() as tx:
            more = purge.remove_points(tx, gone)
        took.append(time.monotonic() - began)
    print(f"{len(took)} transactions, the longest {max(took):.3f} s, all {sum(took):.3f} s")
    assert len(took) > 4
    assert not {"metric_tail", "metric_chunk"} & set(counts(database))


def test_the_destination_is_remembered(database: Database) -> None:
    with database.write() as tx:
        assert destination.recall(tx) == ""
        destination.remember(tx, "s3://a")
        destination.remember(tx, "file:///b")
        assert destination.recall(tx) == "file:///b"
