"""Rules of runs."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence

from jupyter_tracking.protocol import Empty
from jupyter_tracking.protocol import runs as wire
from jupyter_tracking.protocol.enums import LifecycleStage
from jupyter_tracking.protocol.errors import InvalidParameterValue, ResourceDoesNotExist
from jupyter_tracking.protocol.limits import check_key
from jupyter_tracking.protocol.tags import TagEntry

from ..context import Context
from ..store import model_outputs, run_search, tags
from ..store import runs as store
from ..store.grants import Subject
from . import default_experiment, owners
from .entries import USER_TAG
from .names import random_name

RUN_NAME_TAG = "mlflow.runName"
MODEL_HISTORY_TAG = "mlflow.log-model.history"
_MODEL_FIELDS = ("artifact_path", "flavors", "utc_time_created", "run_id")
_MODEL_KEPT = frozenset({*_MODEL_FIELDS, "model_uuid", "model_id", "mlflow_version", "model_size_bytes"})


def create_run(context: Context, request: wire.CreateRun) -> wire.RunReply:
    """Start a run: status RUNNING, artifacts below its experiment's location.

    Raises:
        InvalidParameterValue: the experiment is deleted, or name and name tag differ.
        ResourceDoesNotExist: there is no such experiment.
        ResourceLimitExceeded: the caller, or a group of theirs, has as many runs as they may.
    """
    for index, tag in enumerate(request.tags):
        check_key(tag.key, f"tags[{index}].key")
    experiment_id = request.experiment_id or "0"
    default_experiment.ensure(context, experiment_id)
    experiment = owners.active_experiment(context, experiment_id, "write")
    name = _name(request.run_name, request.tags)
    user = context.caller.user if context.access.rights else request.user_id or context.caller.user
    context.quotas.require_run(context.tx, Subject(user, context.caller.groups))
    given = [
        (tag.key, user if tag.key == USER_TAG and context.access.rights else tag.value)
        for tag in request.tags
        if tag.key != RUN_NAME_TAG
    ]
    run_id = uuid.uuid4().hex
    location = experiment.artifact_location.rstrip("/")
    store.create(
        context.tx,
        store.NewRun(
            run_id=run_id,
            experiment=int(experiment.experiment_id),
            name=name,
            user_id=user,
            start_time=request.start_time,
            artifact_uri=f"{location}/{run_id}/artifacts",
            tags=[*given, (RUN_NAME_TAG, name)],
        ),
    )
    return wire.RunReply(_whole(context, run_id))


def _name(run_name: str, given: Sequence[TagEntry]) -> str:
    tag = next((tag.value for tag in reversed(given) if tag.key == RUN_NAME_TAG), "")
    if run_name and tag and run_name != tag:
        raise InvalidParameterValue(
            f"Both 'run_name' argument and '{RUN_NAME_TAG}' tag are specified, but with different values "
            f"(run_name='{run_name}', {RUN_NAME_TAG}='{tag}')."
        )
    return run_name or tag or random_name()


def _whole(context: Context, run_id: str) -> wire.Run:
    found = store.get(context.tx, run_id)
    if found is None:
        raise ResourceDoesNotExist(f"Run with id={run_id} not found")
    return found


def get_run(context: Context, request: wire.GetRun) -> wire.RunReply:
    """One run, whole, also a deleted one."""
    found = _whole(context, request.run_id)
    if not context.may("read", int(found.info.experiment_id)):
        raise ResourceDoesNotExist(f"Run with id={request.run_id} not found")
    return wire.RunReply(found)


def update_run(context: Context, request: wire.UpdateRun) -> wire.UpdatedRun:
    """Change what is given of status, end time and name.

    Raises:
        InvalidParameterValue: the run is deleted.
    """
    owners.active_run(context, request.run_id, "write")
    store.update(
        context.tx,
        request.run_id,
        status=request.status,
        end_time=request.end_time,
        name=request.run_name or None,
    )
    return wire.UpdatedRun(owners.run(context, request.run_id, "write"))


def delete_run(context: Context, request: wire.DeleteRun) -> Empty:
    """Mark a run deleted; a second time is fine."""
    owners.run(context, request.run_id, "manage")
    store.set_lifecycle(context.tx, request.run_id, LifecycleStage.DELETED, context.now())
    return Empty()


def restore_run(context: Context, request: wire.RestoreRun) -> Empty:
    """Make a deleted run active again; an active one stays as it is."""
    owners.run(context, request.run_id, "manage")
    store.set_lifecycle(context.tx, request.run_id, LifecycleStage.ACTIVE, context.now())
    return Empty()


def search_runs(context: Context, request: wire.SearchRuns) -> wire.FoundRuns:
    """Runs by filter and order, a page at a time."""
    return run_search.search(context.tx, default_experiment.searched(context, request), context.visible)


def log_outputs(context: Context, request: wire.LogOutputs) -> Empty:
    """Record the models that a run made."""
    owners.active_run(context, request.run_id, "write")
    model_outputs.log(context.tx, request.run_id, request.models)
    return Empty()


def record_model(context: Context, request: wire.RecordModel) -> Empty:
    """Append a model to the run's history tag, without what only its files need.

    Raises:
        InvalidParameterValue: the text is no JSON object or lacks a field.
    """
    model = _model(request.model_json)
    owners.active_run(context, request.run_id, "write")
    history = json.loads(tags.get(context.tx, request.run_id, MODEL_HISTORY_TAG) or "[]")
    history.append({field: value for field, value in model.items() if field in _MODEL_KEPT})
    tags.set(context.tx, request.run_id, MODEL_HISTORY_TAG, json.dumps(history))
    return Empty()


def _model(text: str) -> dict[str, object]:
    try:
        model = json.loads(text)
    except (ValueError, RecursionError):
        raise InvalidParameterValue(
            f"Malformed model info: 'model_json' is not a valid JSON: {text[:200]!r}"
        ) from None
    if not isinstance(model, dict):
        raise InvalidParameterValue("Malformed model info: 'model_json' must be a JSON object.")
    missing = [field for field in _MODEL_FIELDS if field not in model]
    if missing:
        raise InvalidParameterValue(f"Model json is missing mandatory fields: {missing}")
    return model
