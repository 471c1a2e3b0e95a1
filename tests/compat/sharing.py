"""Scenes in which ``mlflow`` and ``jupyter_tracking`` share runs; run by an interpreter that has mlflow.

Usage: ``python sharing.py GROUP``. A scene asserts what it shows; after the last one "ok" is printed.
"""

from __future__ import annotations

import logging
import secrets
import sys
from collections.abc import Callable
from typing import Any

import jupyter_tracking as tracking


def mlflow_module() -> Any:
    import mlflow

    return mlflow


def ids(mlflow: Any) -> tuple[str | None, str | None]:
    """The active run as each of the two sees it."""
    theirs, ours = mlflow.active_run(), tracking.active_run()
    return (theirs.info.run_id if theirs else None), (ours.run_id if ours else None)


def mlflow_is_imported_after_our_run_started() -> None:
    run = tracking.start_run()
    mlflow = mlflow_module()
    assert mlflow.__spec__.loader is mlflow.__loader__
    assert type(mlflow.__loader__).__name__ == "SourceFileLoader"
    assert not any(type(finder).__module__.startswith("jupyter_tracking") for finder in sys.meta_path)
    mlflow.log_param("theirs", 1)
    tracking.log_param("ours", 2)
    assert ids(mlflow) == (run.run_id, run.run_id)
    tracking.end_run()
    assert ids(mlflow) == (None, None)
    (found,) = tracking.search_runs()
    assert (found["params.theirs"], found["params.ours"], found["status"]) == ("1", "2", "FINISHED")


def mlflow_started_the_run() -> None:
    mlflow = mlflow_module()
    run = mlflow.start_run(run_name="theirs")
    tracking.log_metric("m", 1)
    assert ids(mlflow) == (run.info.run_id, run.info.run_id)
    active = tracking.active_run()
    assert active is not None
    assert active.name == "theirs"
    mlflow.end_run()
    assert ids(mlflow) == (None, None)
    assert mlflow.get_run(run.info.run_id).data.metrics == {"m": 1.0}


def each_ends_what_the_other_started() -> None:
    mlflow = mlflow_module()
    tracking.log_param("a", 1)
    first = ids(mlflow)
    assert first[0] == first[1]
    mlflow.end_run("KILLED")
    tracking.log_param("a", 2)
    second = ids(mlflow)
    assert second[0] == second[1] != first[0]
    tracking.end_run()
    mlflow.start_run()
    tracking.end_run("FAILED")
    assert ids(mlflow) == (None, None)
    assert [run["status"] for run in reversed(tracking.search_runs())] == ["KILLED", "FINISHED", "FAILED"]


def a_run_that_mlflow_killed_stays_killed() -> None:
    mlflow = mlflow_module()
    with tracking.start_run() as run:
        mlflow.end_run("KILLED")
    assert tracking.get_run(run.run_id)["status"] == "KILLED"


def runs_are_nested_in_each_other() -> None:
    mlflow = mlflow_module()
    with mlflow.start_run() as outer:
        with tracking.start_run(nested=True) as inner:
            assert ids(mlflow) == (inner.run_id, inner.run_id)
            with mlflow.start_run(nested=True) as innermost:
                assert ids(mlflow) == (innermost.info.run_id, innermost.info.run_id)
            assert ids(mlflow) == (inner.run_id, inner.run_id)
        assert ids(mlflow) == (outer.info.run_id, outer.info.run_id)
    parents = [run.get("tags.mlflow.parentRunId") for run in tracking.search_runs()]
    assert parents == [inner.run_id, outer.info.run_id, None]


def the_experiment_is_shared_too() -> None:
    mlflow = mlflow_module()
    theirs = mlflow.set_experiment("chosen in mlflow")
    with tracking.start_run() as run:
        assert run.experiment_id == theirs.experiment_id
    ours = tracking.set_experiment("chosen here")
    with mlflow.start_run() as other:
        assert other.info.experiment_id == ours.experiment_id


def the_experiment_is_known_to_an_mlflow_imported_later() -> None:
    ours = tracking.set_experiment("chosen before")
    mlflow = mlflow_module()
    with mlflow.start_run() as run:
        assert run.info.experiment_id == ours.experiment_id


def another_server_is_not_shared_and_that_is_said_once() -> None:
    said: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]  # a one-line handler
    logging.getLogger("jupyter_tracking").addHandler(handler)
    assert tracking.get_tracking_uri()
    mlflow = mlflow_module()
    mlflow.set_tracking_uri("http://127.0.0.1:9/elsewhere")
    run = tracking.start_run()
    tracking.log_param("a", 1)
    assert ids(mlflow) == (None, run.run_id)
    (line,) = said
    assert "http://127.0.0.1:9/elsewhere" in line
    assert "os.environ.update(jupyter_tracking.environment())" in line


def autolog_fills_the_run_of_a_magic() -> None:
    mlflow = mlflow_module()
    from sklearn.linear_model import LinearRegression  # type: ignore[import-untyped]  # it has no types

    with tracking.start_run() as run:
        mlflow.sklearn.autolog(log_models=False)
        LinearRegression().fit([[1.0], [2.0]], [1.0, 2.0])
    assert tracking.get_run(run.run_id)["params.fit_intercept"] == "True"


# What one process can play: mlflow is imported once.
SCENES: dict[str, tuple[Callable[[], None], ...]] = {
    "imported later": (mlflow_is_imported_after_our_run_started,),
    "imported later, experiment": (the_experiment_is_known_to_an_mlflow_imported_later,),
    "loaded": (
        mlflow_started_the_run,
        each_ends_what_the_other_started,
        a_run_that_mlflow_killed_stays_killed,
        runs_are_nested_in_each_other,
        autolog_fills_the_run_of_a_magic,
        the_experiment_is_shared_too,
        another_server_is_not_shared_and_that_is_said_once,
    ),
}

if __name__ == "__main__":
    for scene in SCENES[sys.argv[1]]:
        tracking.set_experiment(f"{scene.__name__} {secrets.token_hex(6)}")
        scene()
    print("ok")
