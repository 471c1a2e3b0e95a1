"""What runs log: metrics, params and tags, checked and written for many requests at a time.

An ``Entries`` is one request and one unit: all of it is stored, or nothing. First every entry is judged,
then what passed is written in a few statements.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from jupyter_tracking.protocol.errors import InvalidParameterValue, ResourceDoesNotExist, TrackingError

from . import tags
from .bulk import BulkInsert
from .codes import ACTIVE, LIFECYCLE
from .faults import LostRace
from .tables import latest_metrics, logged_model_metrics, metric_tail, params

if TYPE_CHECKING:
    from .database import Transaction


class MetricPoint(NamedTuple):
    """A point of a metric; ``timestamp`` in milliseconds."""

    key: str
    value: float
    timestamp: int
    step: int
    model_id: str | None = None
    dataset_name: str | None = None
    dataset_digest: str | None = None


@dataclass(slots=True)
class Entries:
    """What one request logs for one run. Param keys are distinct.

    Of several tags of one key the last counts.
    """

    run_id: str
    metrics: Sequence[MetricPoint] = field(default_factory=list)
    params: Sequence[tuple[str, str]] = field(default_factory=list)
    tags: Sequence[tuple[str, str]] = field(default_factory=list)


May = Callable[["Transaction", str, int], None]
"""Raises a ``TrackingError`` unless the caller may log to what is in this experiment; the text is what a
caller is told who may not know of it."""

_APPEND = BulkInsert(metric_tail, ("rid", "key", "step", "timestamp", "value"))
_RAISE_LATEST = BulkInsert(
    latest_metrics,
    ("rid", "key", "value", "step", "timestamp"),
    "ON CONFLICT (rid, key) DO UPDATE SET value = excluded.value, step = excluded.step, "
    "timestamp = excluded.timestamp WHERE (excluded.step, excluded.timestamp, coalesce(excluded.value, 0)) "
    "> (latest_metrics.step, latest_metrics.timestamp, coalesce(latest_metrics.value, 0))",
)
_ADD_PARAMS = BulkInsert(params, ("rid", "key", "value"), "ON CONFLICT DO NOTHING")
_ADD_MODEL_METRICS = BulkInsert(
    logged_model_metrics,
    ("mid", "key", "run_id", "step", "timestamp", "value", "dataset_name", "dataset_digest"),
    "ON CONFLICT DO NOTHING",
)


class _Run(NamedTuple):
    rid: int
    experiment: int
    lifecycle: int


class _Model(NamedTuple):
    mid: int
    experiment: int


def log(tx: Transaction, batch: Sequence[Entries], may: Sequence[May]) -> list[TrackingError | None]:
    """Store many requests' entries; ``may`` holds for each of them what its caller may.

    Returns:
        For each of them why it was refused, and so left nothing behind; None if it is stored.

    Raises:
        LostRace: another transaction logged the same param meanwhile; nothing of this one may be kept.
    """
    judge = _Judge(tx, batch)
    judged = [judge.judge(entries, allowed) for entries, allowed in zip(batch, may, strict=True)]
    accepted = [
        (rid, entries)
        for rid, entries in zip(judged, batch, strict=True)
        if not isinstance(rid, TrackingError)
    ]
    if accepted:
        _write_metrics(tx, accepted, judge.models)
        _write_params(tx, judge.new_params)
        _write_tags(tx, accepted)
    return [rid if isinstance(rid, TrackingError) else None for rid in judged]


class _Judge:
    """What must be known to accept entries, read once for a whole batch.

    Attributes:
        models: each logged model that the batch names, by id.
        new_params: (rid, key) → value of the params to be added by the entries accepted so far.
    """

    def __init__(self, tx: Transaction, batch: Sequence[Entries]) -> None:
        self.new_params: dict[tuple[int, str], str] = {}
        self._tx = tx
        self._runs = _find_runs(tx, {entries.run_id for entries in batch})
        named = {point.model_id for entries in batch for point in entries.metrics if point.model_id}
        self.models = _find_models(tx, named) if named else {}
        logging = [entries for entries in batch if entries.params]
        self._stored = _find_params(tx, logging, self._runs) if logging else {}

    def judge(self, entries: Entries, may: May) -> int | TrackingError:
        """The run's internal id, or why the entries cannot be stored."""
        try:
            return self._accept(entries, may)
        except TrackingError as verdict:
            return verdict

    def _accept(self, entries: Entries, may: May) -> int:
        run = self._runs.get(entries.run_id)
        if run is None:
            raise ResourceDoesNotExist(_no_run(entries.run_id))
        may(self._tx, _no_run(entries.run_id), run.experiment)
        if run.lifecycle != ACTIVE:
            raise InvalidParameterValue(
                f"The run {entries.run_id} must be in the 'active' state. "
                f"Current state is {LIFECYCLE[run.lifecycle].value}."
            )
        if self.models or any(point.model_id for point in entries.metrics):
            self._check_models(entries, run.experiment, may)
        if entries.params:
            self._check_params(entries, run.rid)
        return run.rid

    def _check_models(self, entries: Entries, allowed: int, may: May) -> None:
        """Each model is there, and the caller may log to it as to those in the experiment ``allowed``."""
        for model_id in {point.model_id for point in entries.metrics if point.model_id}:
            model = self.models.get(model_id)
            if model is None:
                raise ResourceDoesNotExist(_no_model(model_id))
            if model.experiment != allowed:
                may(self._tx, _no_model(model_id), model.experiment)

    def _check_params(self, entries: Entries, rid: int) -> None:
        new: dict[tuple[int, str], str] = {}
        conflicts: list[tuple[str, str, str]] = []
        for key, value in entries.params:
            place = rid, key
            there = self._stored.get(place, self.new_params.get(place))
            if there is None:
                new[place] = value
            elif there != value:
                conflicts.append((key, there, value))
        if conflicts:
            raise InvalidParameterValue(_param_conflict(entries, conflicts))
        self.new_params.update(new)


def _no_run(run_id: str) -> str:
    return f"Run with id={run_id} not found"


def _no_model(model_id: str) -> str:
    return f"Logged model with ID '{model_id}' not found."


def _param_conflict(entries: Entries, conflicts: Sequence[tuple[str, str, str]]) -> str:
    if len(entries.params) == 1:
        ((key, old, new),) = conflicts
        return (
            f"Changing param values is not allowed. Param with key='{key}' was already logged with "
            f"value='{old}' for run ID='{entries.run_id}'. Attempted logging new value '{new}'."
        )
    listed = [{"key": key, "old_value": old, "new_value": new} for key, old, new in conflicts]
    return (
        f"Changing param values is not allowed. Params were already logged='{listed}' "
        f"for run ID='{entries.run_id}'."
    )


def _find_runs(tx: Transaction, run_ids: set[str]) -> dict[str, _Run]:
    sql = f"SELECT run_id, rid, experiment, lifecycle FROM runs WHERE {tx.among('run_id', 'text')}"
    return {run_id: _Run(*rest) for run_id, *rest in tx.driver(sql, [tx.array(sorted(run_ids))])}


def _find_models(tx: Transaction, model_ids: set[str]) -> dict[str, _Model]:
    sql = (
        "SELECT model_id, mid, experiment FROM logged_models "
        f"WHERE lifecycle = ? AND {tx.among('model_id', 'text')}"
    )
    rows = tx.driver(sql, [ACTIVE, tx.array(sorted(model_ids))])
    return {model_id: _Model(*rest) for model_id, *rest in rows}


def _find_params(
    tx: Transaction, batch: Sequence[Entries], runs: dict[str, _Run]
) -> dict[tuple[int, str], str]:
    rids = sorted({runs[entries.run_id].rid for entries in batch if entries.run_id in runs})
    ids = tx.keys.find(tx, {key for entries in batch for key, _ in entries.params})
    if not rids or not ids:
        return {}
    texts = {number: text for text, number in ids.items()}
    rows = tx.driver(
        f"SELECT rid, key, value FROM params WHERE {tx.among('rid')} AND {tx.among('key')}",
        [tx.array(rids), tx.array(sorted(texts))],
    )
    return {(rid, texts[key]): value for rid, key, value in rows}


def _write_metrics(
    tx: Transaction, accepted: Sequence[tuple[int, Entries]], models: dict[str, _Model]
) -> None:
    ids = tx.keys.intern(tx, {point.key for _, entries in accepted for point in entries.metrics})
    tail: list[tuple[int, int, int, int, float | None]] = []
    latest: dict[tuple[int, int], tuple[int, int, float, float | None]] = {}
    for rid, entries in accepted:
        tx.logged_points[rid] += len(entries.metrics)
        for name, value, timestamp, step, *_ in entries.metrics:
            key = ids[name]
            # NaN is stored as NULL, and counts as 0 where points are compared.
            stored, compared = (value, value) if value == value else (None, 0.0)  # noqa: PLR0124 - NaN
            tail.append((rid, key, step, timestamp, stored))
            place, point = (rid, key), (step, timestamp, compared, stored)
            best = latest.get(place)
            if best is None or point[:3] > best[:3]:
                latest[place] = point
    _APPEND.run(tx, tail)
    # In one order everywhere, so that two transactions cannot wait for each other.
    _RAISE_LATEST.run(
        tx,
        [
            (*place, stored, step, timestamp)
            for place, (step, timestamp, _, stored) in sorted(latest.items(), key=lambda item: item[0])
        ],
    )
    if models:
        _write_model_metrics(tx, accepted, ids, models)


def _write_model_metrics(
    tx: Transaction,
    accepted: Sequence[tuple[int, Entries]],
    ids: dict[str, int],
    models: dict[str, _Model],
) -> None:
    rows = {
        (models[point.model_id].mid, ids[point.key], entries.run_id, point.step, point.timestamp): (
            None if point.value != point.value else point.value,
            point.dataset_name,
            point.dataset_digest,
        )
        for _, entries in accepted
        for point in reversed(entries.metrics)
        if point.model_id
    }
    _ADD_MODEL_METRICS.run(tx, [(*place, *rest) for place, rest in sorted(rows.items(), key=lambda r: r[0])])


def _write_params(tx: Transaction, new: dict[tuple[int, str], str]) -> None:
    if not new:
        return
    ids = tx.keys.intern(tx, {key for _, key in new})
    _ADD_PARAMS.run(tx, sorted((rid, ids[key], value) for (rid, key), value in new.items()))
    if tx.dialect == "sqlite":
        return  # it has one writer at a time, so nothing changed since the params were looked up
    rids = sorted({rid for rid, _ in new})
    rows = tx.driver(
        f"SELECT rid, key, value FROM params WHERE {tx.among('rid')} AND {tx.among('key')}",
        [tx.array(rids), tx.array(sorted(ids.values()))],
    )
    stored = {(rid, key): value for rid, key, value in rows}
    if any(stored[rid, ids[key]] != value for (rid, key), value in new.items()):
        raise LostRace("The tracking database is busy; try again.")


def _write_tags(tx: Transaction, accepted: Sequence[tuple[int, Entries]]) -> None:
    new = {(rid, key): value for rid, entries in accepted for key, value in entries.tags}
    if new:
        tags.put(tx, [(rid, key, value) for (rid, key), value in new.items()])
