"""Rules of logged models."""

from __future__ import annotations

import re
import uuid

from jupyter_tracking.protocol import Empty
from jupyter_tracking.protocol import logged_models as wire
from jupyter_tracking.protocol.enums import LoggedModelStatus
from jupyter_tracking.protocol.errors import InvalidParameterValue, ResourceDoesNotExist
from jupyter_tracking.protocol.limits import check_key

from ..context import Context
from ..store import logged_model_search
from ..store import logged_models as store
from . import default_experiment, owners
from .names import random_name

_NAME_REFUSED = re.compile(r"[/:.%\"']")


def create_logged_model(context: Context, request: wire.CreateLoggedModel) -> wire.LoggedModelReply:
    """Create a logged model, pending until its files are there.

    Raises:
        InvalidParameterValue: its name or a key is malformed, or the experiment is deleted.
    """
    if _NAME_REFUSED.search(request.name):
        raise InvalidParameterValue(
            f"Invalid model name ('{request.name}') provided. "
            "Model name must be a non-empty string and cannot contain the following "
            "characters: ('/', ':', '.', '%', '\"', \"'\")"
        )
    for index, tag in enumerate(request.tags):
        check_key(tag.key, f"tags[{index}].key")
    for index, param in enumerate(request.params):
        check_key(param.key, f"params[{index}].key")
    default_experiment.ensure(context, request.experiment_id)
    experiment = owners.active_experiment(context, request.experiment_id, "write")
    model_id = f"m-{uuid.uuid4().hex}"
    location = experiment.artifact_location.rstrip("/")
    store.create(
        context.tx,
        store.NewLoggedModel(
            model_id=model_id,
            experiment=int(experiment.experiment_id),
            name=request.name or random_name(),
            artifact_uri=f"{location}/models/{model_id}/artifacts",
            now=context.now(),
            model_type=request.model_type,
            source_run_id=request.source_run_id,
            params=request.params,
            tags=request.tags,
        ),
    )
    return _reply(context, model_id, deleted=False)


def _reply(context: Context, model_id: str, deleted: bool) -> wire.LoggedModelReply:
    return wire.LoggedModelReply(owners.logged_model(context, model_id, "read", deleted))


def get_logged_model(context: Context, request: wire.GetLoggedModel) -> wire.LoggedModelReply:
    """One logged model."""
    return _reply(context, request.model_id, request.allow_deleted)


def finalize_logged_model(context: Context, request: wire.FinalizeLoggedModel) -> wire.LoggedModelReply:
    """Set the status that the upload ended with."""
    if request.status is LoggedModelStatus.UNSPECIFIED:
        raise InvalidParameterValue("Invalid value for parameter 'status': give the status to set.")
    owners.logged_model(context, request.model_id, "write")
    store.set_status(context.tx, request.model_id, request.status, context.now())
    return _reply(context, request.model_id, deleted=False)


def delete_logged_model(context: Context, request: wire.DeleteLoggedModel) -> Empty:
    """Mark a logged model deleted; a second time is fine."""
    owners.logged_model(context, request.model_id, "manage", deleted=True)
    store.delete(context.tx, request.model_id, context.now())
    return Empty()


def set_logged_model_tags(context: Context, request: wire.SetLoggedModelTags) -> Empty:
    """Set tags; of one key given twice the last wins."""
    for index, tag in enumerate(request.tags):
        check_key(tag.key, f"tags[{index}].key")
    owners.logged_model(context, request.model_id, "write")
    store.set_tags(context.tx, request.model_id, request.tags, context.now())
    return Empty()


def delete_logged_model_tag(context: Context, request: wire.DeleteLoggedModelTag) -> Empty:
    """Remove a tag.

    Raises:
        ResourceDoesNotExist: the model has no such tag.
    """
    owners.logged_model(context, request.model_id, "write")
    if not store.delete_tag(context.tx, request.model_id, request.tag_key, context.now()):
        raise ResourceDoesNotExist(
            f"No tag with key '{request.tag_key}' found for model '{request.model_id}'."
        )
    return Empty()


def log_logged_model_params(context: Context, request: wire.LogLoggedModelParams) -> Empty:
    """Add params; the same value again is fine, another value is refused."""
    for index, param in enumerate(request.params):
        check_key(param.key, f"params[{index}].key")
    owners.logged_model(context, request.model_id, "write")
    store.log_params(context.tx, request.model_id, request.params, context.now())
    return Empty()


def search_logged_models(context: Context, request: wire.SearchLoggedModels) -> wire.FoundLoggedModels:
    """Logged models by filter and order, a page at a time."""
    meaning = default_experiment.searched(context, request)
    return logged_model_search.search(context.tx, meaning, context.visible)
