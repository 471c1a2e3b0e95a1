"""Logged models with their params, tags and metrics."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from jupyter_tracking.protocol.enums import LoggedModelStatus
from jupyter_tracking.protocol.errors import InvalidParameterValue, ResourceDoesNotExist
from jupyter_tracking.protocol.logged_models import (
    LoggedModel,
    LoggedModelData,
    LoggedModelInfo,
    ModelParam,
    ModelTag,
)
from jupyter_tracking.protocol.metrics import Metric
from jupyter_tracking.protocol.wire import to_double

from .bulk import BulkInsert
from .codes import ACTIVE, DELETED, MODEL_STATUS, MODEL_STATUS_CODE
from .database import Transaction
from .tables import logged_model_params, logged_model_tags

__all__ = [
    "NewLoggedModel",
    "create",
    "delete",
    "delete_tag",
    "get",
    "load",
    "log_params",
    "set_status",
    "set_tags",
]

_PARAMS = BulkInsert(logged_model_params, ["mid", "key", "value"])
_TAGS = BulkInsert(
    logged_model_tags,
    ["mid", "key", "value"],
    "ON CONFLICT (mid, key) DO UPDATE SET value = excluded.value",
)


@dataclass(frozen=True, slots=True)
class NewLoggedModel:
    """What a new logged model is; ``now`` in milliseconds."""

    model_id: str
    experiment: int
    name: str
    artifact_uri: str
    now: int
    model_type: str | None = None
    source_run_id: str | None = None
    params: Sequence[ModelParam] = field(default_factory=list)
    tags: Sequence[ModelTag] = field(default_factory=list)


def create(tx: Transaction, new: NewLoggedModel) -> None:
    """Store a new logged model, pending.

    Raises:
        InvalidParameterValue: two of its params have one key and different values.
    """
    tx.driver(
        "INSERT INTO logged_models (model_id, experiment, name, artifact_uri, status, lifecycle, created, "
        "updated, model_type, source_run_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            new.model_id,
            new.experiment,
            new.name,
            new.artifact_uri,
            MODEL_STATUS_CODE[LoggedModelStatus.PENDING],
            ACTIVE,
            new.now,
            new.now,
            new.model_type,
            new.source_run_id,
        ],
    )
    mid = _mid(tx, new.model_id)
    _add_params(tx, mid, new.model_id, new.params)
    _put_tags(tx, mid, new.tags)


def get(tx: Transaction, model_id: str, deleted: bool = False) -> LoggedModel | None:
    """One logged model; a deleted one only if ``deleted``."""
    rows = tx.driver("SELECT mid, lifecycle FROM logged_models WHERE model_id = ?", [model_id])
    if not rows or (rows[0][1] == DELETED and not deleted):
        return None
    return load(tx, [rows[0][0]])[0]


def set_status(tx: Transaction, model_id: str, status: LoggedModelStatus, now: int) -> None:
    """Say where the upload of its files stands.

    Raises:
        ResourceDoesNotExist: there is no such model.
    """
    tx.driver(
        "UPDATE logged_models SET status = ?, updated = ? WHERE mid = ?",
        [MODEL_STATUS_CODE[status], now, _mid(tx, model_id)],
    )


def delete(tx: Transaction, model_id: str, now: int) -> None:
    """Mark a model deleted; one that is so already stays so.

    Raises:
        ResourceDoesNotExist: there is no such model.
    """
    tx.driver(
        "UPDATE logged_models SET lifecycle = ?, updated = ? WHERE mid = ? AND lifecycle = ?",
        [DELETED, now, _mid(tx, model_id), ACTIVE],
    )


def set_tags(tx: Transaction, model_id: str, tags: Sequence[ModelTag], now: int) -> None:
    """Set tags; of one key given twice the last wins.

    Raises:
        ResourceDoesNotExist: there is no such model.
    """
    mid = _mid(tx, model_id)
    _put_tags(tx, mid, tags)
    _touch(tx, mid, now)


def delete_tag(tx: Transaction, model_id: str, key: str, now: int) -> bool:
    """Remove a tag; False if the model has none of that key.

    Raises:
        ResourceDoesNotExist: there is no such model.
    """
    mid = _mid(tx, model_id)
    number = tx.keys.find(tx, [key]).get(key)
    held = [mid, number]
    if number is None or not tx.driver("SELECT 1 FROM logged_model_tags WHERE mid = ? AND key = ?", held):
        return False
    tx.driver("DELETE FROM logged_model_tags WHERE mid = ? AND key = ?", held)
    _touch(tx, mid, now)
    return True


def log_params(tx: Transaction, model_id: str, params: Sequence[ModelParam], now: int) -> None:
    """Add params; the same value again is fine.

    Raises:
        ResourceDoesNotExist: there is no such model.
        InvalidParameterValue: a param is there with another value.
    """
    mid = _mid(tx, model_id)
    _add_params(tx, mid, model_id, params)
    _touch(tx, mid, now)


def _mid(tx: Transaction, model_id: str) -> int:
    rows = tx.driver("SELECT mid FROM logged_models WHERE model_id = ?", [model_id])
    if not rows:
        raise ResourceDoesNotExist(f"Logged model with ID '{model_id}' not found.")
    return int(rows[0][0])


def _touch(tx: Transaction, mid: int, now: int) -> None:
    tx.driver("UPDATE logged_models SET updated = ? WHERE mid = ?", [now, mid])


def _put_tags(tx: Transaction, mid: int, tags: Sequence[ModelTag]) -> None:
    last = {tag.key: tag.value for tag in tags}
    numbers = tx.keys.intern(tx, last)
    _TAGS.run(tx, [(mid, numbers[key], value) for key, value in last.items()])


def _add_params(tx: Transaction, mid: int, model_id: str, params: Sequence[ModelParam]) -> None:
    if not params:
        return
    numbers = tx.keys.intern(tx, {param.key for param in params})
    stored = dict(tx.driver("SELECT key, value FROM logged_model_params WHERE mid = ?", [mid]))
    new: dict[int, str] = {}
    for param in params:
        number = numbers[param.key]
        old = stored.get(number, new.get(number))
        if old is not None and old != param.value:
            raise InvalidParameterValue(
                f"Changing param values is not allowed. Param with key='{param.key}' was already logged with "
                f"value='{old}' for model ID='{model_id}'. Attempted logging new value '{param.value}'."
            )
        if number not in stored:
            new[number] = param.value
    _PARAMS.run(tx, [(mid, number, value) for number, value in new.items()])


def load(tx: Transaction, mids: Sequence[int]) -> list[LoggedModel]:
    """The models, in the order given."""
    if not mids:
        return []
    array = tx.array(mids)
    rows = tx.driver(
        "SELECT mid, model_id, experiment, name, artifact_uri, status, created, updated, model_type, "
        f"source_run_id, status_message FROM logged_models WHERE {tx.among('mid')}",
        [array],
    )
    tags = _texts(tx, "logged_model_tags", array)
    params = _texts(tx, "logged_model_params", array)
    metrics = _newest_metrics(tx, array)
    models: dict[int, LoggedModel] = {}
    for mid, model_id, experiment, name, uri, status, created, updated, kind, source, message in rows:
        info = LoggedModelInfo(
            model_id=model_id,
            experiment_id=str(experiment),
            name=name,
            creation_timestamp_ms=created,
            last_updated_timestamp_ms=updated,
            artifact_uri=uri,
            status=MODEL_STATUS[status],
            model_type=kind,
            source_run_id=source,
            status_message=message,
            tags=[ModelTag(key, value) for key, value in tags[mid]],
        )
        held = [ModelParam(key, value) for key, value in params[mid]]
        points = [
            Metric(key, value, timestamp, step, run_id, model_id, dataset, digest)
            for key, value, timestamp, step, run_id, dataset, digest in metrics[mid]
        ]
        models[mid] = LoggedModel(info, LoggedModelData(held, points))
    return [models[mid] for mid in mids]


def _texts(tx: Transaction, table: str, mids: object) -> defaultdict[int, list[tuple[str, str]]]:
    """Key and value of each param or tag, by model, in the order of the keys."""
    rows = tx.driver(f"SELECT mid, key, value FROM {table} WHERE {tx.among('mid')}", [mids])
    names = tx.keys.texts(tx, {key for _, key, _ in rows})
    found: defaultdict[int, list[tuple[str, str]]] = defaultdict(list)
    for mid, key, value in sorted(rows, key=lambda row: names[row[1]]):
        found[mid].append((names[key], value))
    return found


def _newest_metrics(tx: Transaction, mids: object) -> defaultdict[int, list[tuple[Any, ...]]]:
    """The newest point of each metric on each dataset from each run, by model, in the order of the keys."""
    rows = tx.driver(
        "SELECT mid, key, value, timestamp, step, run_id, dataset_name, dataset_digest FROM ("
        "SELECT *, row_number() OVER (PARTITION BY mid, key, run_id, dataset_name, dataset_digest "
        "ORDER BY timestamp DESC, step DESC) AS place "
        f"FROM logged_model_metrics WHERE {tx.among('mid')}) AS points WHERE place = 1",
        [mids],
    )
    names = tx.keys.texts(tx, {row[1] for row in rows})
    found: defaultdict[int, list[tuple[Any, ...]]] = defaultdict(list)
    for mid, key, value, *rest in sorted(
        rows, key=lambda row: (names[row[1]], row[5], row[6] or "", row[7] or "")
    ):
        found[mid].append((names[key], to_double(math.nan if value is None else value), *rest))
    return found
