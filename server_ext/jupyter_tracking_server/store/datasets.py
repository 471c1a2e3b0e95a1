"""Datasets, and the inputs that join them and logged models to the runs that read them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from jupyter_tracking.protocol.datasets import DatasetInput, DatasetSummary
from jupyter_tracking.protocol.errors import ResourceDoesNotExist

from .bulk import BulkInsert
from .database import Transaction
from .tables import dataset_inputs, datasets, model_inputs

__all__ = ["CONTEXT_TAG", "log_inputs", "summaries"]

CONTEXT_TAG = "mlflow.data.context"
"""The tag of an input that says what the run used the dataset for."""

SUMMARIES = 1000
"""Datasets that a listing may have."""

_DATASETS = BulkInsert(
    datasets,
    ["experiment", "name", "digest", "source_type", "source", "schema", "profile"],
    "ON CONFLICT DO NOTHING",
)
_INPUTS = BulkInsert(dataset_inputs, ["rid", "dataset", "tags", "context"], "ON CONFLICT DO NOTHING")
_MODEL_INPUTS = BulkInsert(model_inputs, ["rid", "model_id"], "ON CONFLICT DO NOTHING")


def log_inputs(tx: Transaction, run_id: str, inputs: Sequence[DatasetInput], models: Sequence[str]) -> None:
    """Record what a run read. What is there already stays as it is: datasets, inputs and their tags.

    Raises:
        ResourceDoesNotExist: there is no such run.
    """
    found = tx.driver("SELECT rid, experiment FROM runs WHERE run_id = ?", [run_id])
    if not found:
        raise ResourceDoesNotExist(f"Run with id={run_id} not found")
    rid, experiment = found[0]
    first: dict[tuple[str, str], DatasetInput] = {}
    for given in inputs:
        first.setdefault((given.dataset.name, given.dataset.digest), given)
    numbers = _intern(tx, experiment, first)
    _INPUTS.run(tx, [(rid, numbers[key], _json(given), _context(given)) for key, given in first.items()])
    _MODEL_INPUTS.run(tx, [(rid, model_id) for model_id in dict.fromkeys(models)])


def _intern(
    tx: Transaction, experiment: int, given: dict[tuple[str, str], DatasetInput]
) -> dict[tuple[str, str], int]:
    """The number of each dataset; new ones are stored."""
    if not given:
        return {}
    # Sorted, so that two transactions storing the same datasets cannot wait for each other.
    new = [given[key].dataset for key in sorted(given)]
    _DATASETS.run(
        tx,
        [(experiment, d.name, d.digest, d.source_type, d.source, d.schema, d.profile) for d in new],
    )
    rows = tx.driver(
        f"SELECT name, digest, id FROM datasets WHERE experiment = ? AND {tx.among('name', 'text')}",
        [experiment, tx.array(sorted({d.name for d in new}))],
    )
    return {(name, digest): number for name, digest, number in rows}


def _json(given: DatasetInput) -> str:
    return msgspec.json.encode(given.tags).decode()


def _context(given: DatasetInput) -> str | None:
    return next((tag.value for tag in given.tags if tag.key == CONTEXT_TAG), None)


def summaries(tx: Transaction, experiments: Sequence[int]) -> list[DatasetSummary]:
    """The distinct datasets of some experiments with their contexts, 1,000 at most."""
    rows = tx.driver(
        "SELECT DISTINCT d.experiment, d.name, d.digest, i.context FROM datasets d "
        f"JOIN dataset_inputs i ON i.dataset = d.id WHERE {tx.among('d.experiment')} "
        "ORDER BY d.experiment, d.name, d.digest, i.context LIMIT ?",
        [tx.array(experiments), SUMMARIES],
    )
    return [DatasetSummary(str(number), name, digest, context) for number, name, digest, context in rows]
