"""Search of runs as plainly as Python can say it: what the SQL must agree with."""

from __future__ import annotations

import itertools
import math
import operator
import re
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from jupyter_tracking.protocol.datasets import Dataset, DatasetInput, InputTag
from jupyter_tracking.protocol.enums import LifecycleStage, RunStatus
from jupyter_tracking_server.store import datasets, entries, experiments, runs
from jupyter_tracking_server.store.database import Database

TEXT_START = 200
"""Characters by which texts are ordered."""

Scalar = str | float | int | None
_names = itertools.count()


@dataclass
class ModelRun:
    start_time: int
    end_time: int | None = None
    name: str = "n"
    user: str = "u"
    status: RunStatus = RunStatus.RUNNING
    deleted: bool = False
    metrics: dict[str, float] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    datasets: list[tuple[str, str, str | None]] = field(default_factory=list)
    run_id: str = field(default_factory=lambda: uuid.uuid4().hex)

    def attribute(self, name: str) -> Scalar:
        return {
            "run_id": self.run_id,
            "run_name": self.name,
            "status": self.status.value,
            "user_id": self.user,
            "start_time": self.start_time,
            "end_time": self.end_time,
        }[name]

    def value(self, entity: str, key: str) -> Scalar:
        if entity == "attributes":
            return self.attribute(key)
        if entity == "metrics":
            return self.metrics.get(key)
        return {"params": self.params, "tags": self.tags}[entity].get(key)


@dataclass(frozen=True)
class ModelClause:
    entity: str
    key: str
    comparator: str
    operand: Scalar

    def text(self) -> str:
        name = f"{self.entity}.`{self.key}`"
        if self.operand is None:
            return f"{name} {self.comparator}"
        if isinstance(self.operand, str):
            quote = "'" if '"' in self.operand else '"'
            return f"{name} {self.comparator} {quote}{self.operand}{quote}"
        return f"{name} {self.comparator} {self.operand!r}"

    def holds(self, run: ModelRun) -> bool:
        if self.entity == "datasets":
            column = ("name", "digest", "context").index(self.key)
            return any(compare(item[column], self.comparator, self.operand) for item in run.datasets)
        value = run.value(self.entity, self.key)
        if self.comparator.startswith("IS"):
            return (value is None) == (self.comparator == "IS NULL")
        return compare(value, self.comparator, self.operand)


@dataclass(frozen=True)
class ModelOrder:
    entity: str
    key: str
    descending: bool

    def text(self) -> str:
        return f"{self.entity}.`{self.key}` {'DESC' if self.descending else 'ASC'}"


def compare(value: Scalar, comparator: str, operand: Scalar) -> bool:
    if value is None:
        return False
    if comparator in {"LIKE", "ILIKE"}:
        assert isinstance(value, str)
        assert isinstance(operand, str)
        if comparator == "ILIKE":
            value, operand = ascii_lower(value), ascii_lower(operand)
        pattern = "".join({"%": ".*", "_": "."}.get(c, re.escape(c)) for c in operand)
        return re.fullmatch(pattern, value, re.DOTALL) is not None
    tests: dict[str, Callable[[Any, Any], bool]] = {
        "=": operator.eq,
        "!=": operator.ne,
        "<": operator.lt,
        "<=": operator.le,
        ">": operator.gt,
        ">=": operator.ge,
    }
    return tests[comparator](value, operand)


def ascii_lower(text: str) -> str:
    return re.sub("[A-Z]", lambda match: match[0].lower(), text)


def search(
    found: Sequence[ModelRun], clauses: Sequence[ModelClause], order: Sequence[ModelOrder]
) -> list[str]:
    """The ids of the active runs that meet all clauses, in order."""
    chosen = [run for run in found if not run.deleted and all(clause.holds(run) for clause in clauses)]
    ties = [ModelOrder("attributes", "start_time", True), ModelOrder("attributes", "run_id", False)]
    given = {(item.entity, item.key) for item in order}
    for item in reversed([*order, *(tie for tie in ties if (tie.entity, tie.key) not in given)]):
        chosen.sort(key=lambda run: sortable(run.value(item.entity, item.key)), reverse=item.descending)
        chosen.sort(key=lambda run: rank(run.value(item.entity, item.key)))
    return [run.run_id for run in chosen]


def rank(value: Scalar) -> int:
    if value is None:
        return 2
    return int(isinstance(value, float) and math.isnan(value))


def sortable(value: Scalar) -> tuple[float, bytes]:
    if isinstance(value, str):
        return 0.0, value[:TEXT_START].encode()
    return (0.0 if rank(value) else float(value or 0)), b""


def store(database: Database, model: Sequence[ModelRun]) -> str:
    """Put the runs into a new experiment; its id. Their ids begin with it, as ids are unique in a store."""
    with database.write() as tx:
        new = experiments.NewExperiment(f"experiment {next(_names)} {uuid.uuid4()}", "mlflow-artifacts:", 1)
        experiment = experiments.create(tx, new)
        for run in model:
            run.run_id = f"{experiment}-{run.run_id}"
            runs.create(
                tx,
                runs.NewRun(
                    run.run_id, experiment, run.name, run.user, run.start_time, "mlflow-artifacts:/x"
                ),
            )
            runs.update(tx, run.run_id, status=run.status, end_time=run.end_time)
            if run.deleted:
                runs.set_lifecycle(tx, run.run_id, LifecycleStage.DELETED, 1)
            inputs = [
                DatasetInput(
                    Dataset(name, digest),
                    [] if context is None else [InputTag(datasets.CONTEXT_TAG, context)],
                )
                for name, digest, context in run.datasets
            ]
            datasets.log_inputs(tx, run.run_id, inputs, [])
        logged = [
            entries.Entries(
                run.run_id,
                [entries.MetricPoint(key, value, 1, 0) for key, value in run.metrics.items()],
                list(run.params.items()),
                list(run.tags.items()),
            )
            for run in model
            if not run.deleted
        ]
        verdicts = entries.log(tx, logged, [lambda *_: None] * len(logged))
    assert verdicts == [None] * len(logged)
    return str(experiment)
