"""Runs: what they are. What they hold is loaded by ``run_loader``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jupyter_tracking.protocol.datasets import ModelInput
from jupyter_tracking.protocol.enums import LifecycleStage, RunStatus
from jupyter_tracking.protocol.runs import Run, RunInfo, RunInputs

from . import tags
from .codes import ACTIVE, DELETED, RUN_STATUS_CODE
from .run_loader import INFO_COLUMNS, load, run_info

if TYPE_CHECKING:
    from .database import Transaction

__all__ = ["NewRun", "create", "experiments_of", "get", "info", "load", "set_lifecycle", "update"]

_ENDED = frozenset({RunStatus.FINISHED, RunStatus.FAILED, RunStatus.KILLED})


@dataclass(frozen=True)
class NewRun:
    """A run to be made; ``start_time`` in milliseconds, ``experiment`` the number of one that is there.

    The name is stored as the tag ``mlflow.runName`` too.
    """

    run_id: str
    experiment: int
    name: str
    user_id: str
    start_time: int
    artifact_uri: str
    tags: Sequence[tuple[str, str]] = field(default_factory=list)


def create(tx: Transaction, new: NewRun) -> None:
    """Store a new run: active, RUNNING."""
    ((rid,),) = tx.driver(
        "INSERT INTO runs (run_id, experiment, name, user_id, status, lifecycle, start_time, artifact_uri) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING rid",
        (
            new.run_id,
            new.experiment,
            new.name,
            new.user_id,
            RUN_STATUS_CODE[RunStatus.RUNNING],
            ACTIVE,
            new.start_time,
            new.artifact_uri,
        ),
    )
    tx.tally.add(new.user_id, runs=1)
    given = {**dict(new.tags), tags.RUN_NAME: new.name}
    tags.put(tx, [(rid, key, value) for key, value in given.items()])


def info(tx: Transaction, run_id: str) -> RunInfo | None:
    """What a run is, also a deleted one: one row by its index."""
    rows = tx.driver(f"SELECT {INFO_COLUMNS} FROM runs WHERE run_id = ?", [run_id])
    return run_info(rows[0]) if rows else None


def get(tx: Transaction, run_id: str) -> Run | None:
    """A run, whole, also a deleted one; in contrast to a page of runs with its model inputs."""
    rows = tx.driver("SELECT rid FROM runs WHERE run_id = ?", [run_id])
    if not rows:
        return None
    (run,) = load(tx, [rows[0][0]])
    models = tx.driver("SELECT model_id FROM model_inputs WHERE rid = ? ORDER BY model_id", rows[0])
    if not models:
        return run
    inputs = RunInputs(run.inputs.dataset_inputs, [ModelInput(model_id) for (model_id,) in models])
    return Run(run.info, run.data, inputs, run.outputs)


def experiments_of(tx: Transaction, run_ids: Sequence[str]) -> dict[str, int]:
    """The experiment of each of these runs that exists."""
    sql = f"SELECT run_id, experiment FROM runs WHERE {tx.among('run_id', 'text')}"
    return dict(tx.driver(sql, [tx.array(run_ids)]))


def update(
    tx: Transaction,
    run_id: str,
    *,
    status: RunStatus | None = None,
    end_time: int | None = None,
    name: str | None = None,
) -> None:
    """Change what is given; a new name goes into the tag ``mlflow.runName`` too."""
    changes: dict[str, Any] = {}
    if status is not None:
        changes["status"] = RUN_STATUS_CODE[status]
    if end_time is not None:
        changes["end_time"] = end_time
    if changes:
        assignments = ", ".join(f"{column} = ?" for column in changes)
        sql = f"UPDATE runs SET {assignments} WHERE run_id = ? RETURNING rid"
        rows = tx.driver(sql, [*changes.values(), run_id])
        if status in _ENDED:
            tx.ended_runs.extend(rid for (rid,) in rows)
    if name is not None:
        tags.set(tx, run_id, tags.RUN_NAME, name)


def set_lifecycle(tx: Transaction, run_id: str, stage: LifecycleStage, now: int) -> None:
    """Delete or restore a run; nothing changes if it is there already."""
    code, deleted_time = (DELETED, now) if stage is LifecycleStage.DELETED else (ACTIVE, None)
    tx.driver(
        "UPDATE runs SET lifecycle = ?, deleted_time = ? WHERE run_id = ? AND lifecycle <> ?",
        (code, deleted_time, run_id, code),
    )
