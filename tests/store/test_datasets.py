"""Datasets, inputs and outputs of runs."""

from __future__ import annotations

import pytest

from jupyter_tracking.protocol.datasets import Dataset, DatasetInput, DatasetSummary, InputTag
from jupyter_tracking.protocol.errors import ResourceDoesNotExist
from jupyter_tracking.protocol.runs import ModelOutput, Run
from jupyter_tracking_server.store import datasets, experiments, model_outputs, runs
from jupyter_tracking_server.store.database import Database

IRIS = Dataset("iris", "1", "local", "file:/iris", '{"mlflow_colspec": []}', '{"rows": 150}')


def used(dataset: Dataset, context: str) -> DatasetInput:
    return DatasetInput(dataset, [InputTag("note", "é"), InputTag(datasets.CONTEXT_TAG, context)])


def make_runs(database: Database, *names: str, experiment: str = "e") -> int:
    with database.write() as tx:
        number = experiments.create(tx, experiments.NewExperiment(experiment, "mlflow-artifacts:", 1))
        for name in names:
            runs.create(tx, runs.NewRun(name, number, name, "u", 1, "x:"))
    return number


def get(database: Database, run_id: str) -> Run:
    with database.read() as tx:
        run = runs.get(tx, run_id)
    assert run is not None
    return run


def test_inputs_come_back_with_the_run(database: Database) -> None:
    make_runs(database, "r")
    with database.write() as tx:
        datasets.log_inputs(
            tx, "r", [used(IRIS, "training"), DatasetInput(Dataset("wine", "2"))], ["m-1", "m-1"]
        )
    inputs = get(database, "r").inputs
    assert inputs.dataset_inputs == [used(IRIS, "training"), DatasetInput(Dataset("wine", "2"))]
    assert [model.model_id for model in inputs.model_inputs] == ["m-1"]


def test_the_first_of_a_dataset_and_of_an_input_stays(database: Database) -> None:
    make_runs(database, "r", "s")
    other = Dataset("iris", "1", "http", "http://elsewhere")
    with database.write() as tx:
        datasets.log_inputs(tx, "r", [used(IRIS, "training"), used(other, "test")], ["m-1"])
    with database.write() as tx:
        datasets.log_inputs(tx, "r", [used(other, "test")], ["m-1", "m-2"])
        datasets.log_inputs(tx, "s", [used(other, "test")], [])
    assert get(database, "r").inputs.dataset_inputs == [used(IRIS, "training")]
    assert get(database, "s").inputs.dataset_inputs == [used(IRIS, "test")]
    assert [model.model_id for model in get(database, "r").inputs.model_inputs] == ["m-1", "m-2"]


def test_nothing_to_log_is_fine(database: Database) -> None:
    make_runs(database, "r")
    with database.write() as tx:
        datasets.log_inputs(tx, "r", [], [])
        model_outputs.log(tx, "r", [])
    run = get(database, "r")
    assert run.inputs.dataset_inputs == []
    assert run.outputs is None


def test_a_dataset_belongs_to_an_experiment(database: Database) -> None:
    one = make_runs(database, "r", experiment="one")
    two = make_runs(database, "s", experiment="two")
    with database.write() as tx:
        datasets.log_inputs(tx, "r", [used(IRIS, "training")], [])
        datasets.log_inputs(tx, "s", [DatasetInput(Dataset("iris", "1", "", "elsewhere"))], [])
    assert get(database, "s").inputs.dataset_inputs[0].dataset.source == "elsewhere"
    with database.read() as tx:
        assert datasets.summaries(tx, [one]) == [DatasetSummary(str(one), "iris", "1", "training")]
        assert datasets.summaries(tx, [two]) == [DatasetSummary(str(two), "iris", "1")]
        assert len(datasets.summaries(tx, [one, two])) == 2
        assert datasets.summaries(tx, []) == []


def test_summaries_are_distinct_and_bounded(database: Database) -> None:
    number = make_runs(database, "r", "s")
    many = [DatasetInput(Dataset("d", str(index))) for index in range(1100)]
    with database.write() as tx:
        datasets.log_inputs(tx, "r", many, [])
        datasets.log_inputs(tx, "s", many[:600], [])
    with database.read() as tx:
        found = datasets.summaries(tx, [number])
    assert len(found) == len({summary.digest for summary in found}) == 1000


def test_outputs_come_back_with_the_run(database: Database) -> None:
    make_runs(database, "r")
    with database.write() as tx:
        model_outputs.log(tx, "r", [ModelOutput("m-1", 3), ModelOutput("m-2"), ModelOutput("m-2", 5)])
    with database.write() as tx:
        model_outputs.log(tx, "r", [ModelOutput("m-1", 4)])
    outputs = get(database, "r").outputs
    assert outputs is not None
    assert outputs.model_outputs == [ModelOutput("m-2", 0), ModelOutput("m-1", 3)]


def test_a_run_that_is_not_there(database: Database) -> None:
    with pytest.raises(ResourceDoesNotExist, match="Run with id=r not found"), database.write() as tx:
        datasets.log_inputs(tx, "r", [], [])
    with pytest.raises(ResourceDoesNotExist, match="Run with id=r not found"), database.write() as tx:
        model_outputs.log(tx, "r", [])
