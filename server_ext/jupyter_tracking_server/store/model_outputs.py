"""Outputs: the logged models that a run made."""

from __future__ import annotations

from collections.abc import Sequence

from jupyter_tracking.protocol.errors import ResourceDoesNotExist
from jupyter_tracking.protocol.runs import ModelOutput

from .bulk import BulkInsert
from .database import Transaction
from .tables import model_outputs

__all__ = ["log"]

_INSERT = BulkInsert(model_outputs, ["rid", "model_id", "step"], "ON CONFLICT DO NOTHING")


def log(tx: Transaction, run_id: str, models: Sequence[ModelOutput]) -> None:
    """Record models that a run made; one that is there already is left as it is.

    Raises:
        ResourceDoesNotExist: there is no such run.
    """
    found = tx.driver("SELECT rid FROM runs WHERE run_id = ?", [run_id])
    if not found:
        raise ResourceDoesNotExist(f"Run with id={run_id} not found")
    _INSERT.run(tx, [(found[0][0], model.model_id, model.step) for model in models])
