"""Rules of experiments."""

from __future__ import annotations

from jupyter_tracking.protocol import Empty
from jupyter_tracking.protocol import experiments as wire
from jupyter_tracking.protocol.enums import LifecycleStage
from jupyter_tracking.protocol.errors import InvalidParameterValue, InvalidState, ResourceDoesNotExist
from jupyter_tracking.protocol.limits import check_key

from ..context import Context
from ..store import experiment_search
from ..store import experiments as store
from . import default_experiment, locations, owners


def create_experiment(context: Context, request: wire.CreateExperiment) -> wire.CreatedExperiment:
    """Create an experiment; the id is a running number.

    Raises:
        ResourceAlreadyExists: the name is taken, perhaps by a deleted experiment.
        InvalidParameterValue: the artifact location or a tag's key is malformed, or the location is in the
            artifact store of this server, where only administrators choose one.
    """
    context.require("write", None)
    for index, tag in enumerate(request.tags):
        check_key(tag.key, f"tags[{index}].key")
    number = store.create(
        context.tx,
        store.NewExperiment(
            name=request.name,
            location=_location(context, request.artifact_location),
            root=context.settings.artifact_root,
            tags=request.tags,
            now=context.now(),
            owner=context.caller.user,
            namespace=context.access.namespace(context.caller),
            namesake=context.caller.subject if context.access.rights else None,
            grants=context.access.first_grants(context.caller),
        ),
    )
    return wire.CreatedExperiment(str(number))


def _location(context: Context, given: str) -> str:
    """The location as it is stored. Whoever chose one in the store could choose that of others' artifacts."""
    location = locations.check(given)
    # Of whom there are no rights, is_admin holds.
    if not context.access.is_admin(context.caller) and locations.served(location, context.store_url):
        raise InvalidParameterValue(
            "'artifact_location' is a place in the artifact store of this server, where only administrators "
            "may choose one. Leave it out, and the experiment gets a folder of its own there."
        )
    return location


def get_experiment(context: Context, request: wire.GetExperiment) -> wire.ExperimentReply:
    """One experiment by id, also a deleted one."""
    return wire.ExperimentReply(owners.experiment(context, request.experiment_id, "read"))


def get_experiment_by_name(context: Context, request: wire.GetExperimentByName) -> wire.ExperimentReply:
    """One experiment by name, also a deleted one: the caller's own, else one that is shared with the caller.

    Raises:
        ResourceDoesNotExist: clients create it then.
    """
    access, caller = context.access, context.caller
    subject = caller.subject if access.rights else None
    found = store.get_by_name(context.tx, request.experiment_name, access.namespace(caller), subject)
    if found is None or not context.may("read", int(found.experiment_id)):
        raise ResourceDoesNotExist(f"Could not find experiment with name '{request.experiment_name}'")
    return wire.ExperimentReply(found)


def delete_experiment(context: Context, request: wire.DeleteExperiment) -> Empty:
    """Mark an experiment and all its runs deleted.

    Raises:
        ResourceDoesNotExist: there is none, or it is deleted already.
    """
    _move(context, request.experiment_id, LifecycleStage.DELETED)
    return Empty()


def restore_experiment(context: Context, request: wire.RestoreExperiment) -> Empty:
    """Make a deleted experiment and all its runs active again.

    Raises:
        ResourceDoesNotExist: there is none, or it is not deleted.
    """
    _move(context, request.experiment_id, LifecycleStage.ACTIVE)
    return Empty()


def _move(context: Context, experiment_id: str, stage: LifecycleStage) -> None:
    found = owners.experiment(context, experiment_id, "manage")
    if not store.set_lifecycle(context.tx, int(found.experiment_id), stage, context.now()):
        state = "active" if stage is LifecycleStage.DELETED else "deleted"
        raise ResourceDoesNotExist(f"No {state} Experiment with id={experiment_id} exists")


def update_experiment(context: Context, request: wire.UpdateExperiment) -> Empty:
    """Rename an active experiment, within the namespace that it is in.

    Raises:
        InvalidState: it is deleted.
        ResourceAlreadyExists: the name is taken.
    """
    found = owners.experiment(context, request.experiment_id, "manage")
    if found.lifecycle_stage is not LifecycleStage.ACTIVE:
        raise InvalidState("Cannot rename a non-active experiment. Restore it first.")
    caller = context.caller
    if context.access.rights and found.owner == context.access.namespace(caller):
        store.make_free(context.tx, request.new_name, found.owner, caller.subject)
    store.rename(context.tx, int(found.experiment_id), request.new_name, context.now())
    return Empty()


def search_experiments(context: Context, request: wire.SearchExperiments) -> wire.FoundExperiments:
    """Experiments by filter and order, a page at a time."""
    return experiment_search.search(context.tx, request, default_experiment.listed(context))


def set_experiment_tag(context: Context, request: wire.SetExperimentTag) -> Empty:
    """Set a tag of an active experiment."""
    check_key(request.key, "key")
    found = owners.active_experiment(context, request.experiment_id, "write")
    store.set_tag(context.tx, int(found.experiment_id), request.key, request.value)
    return Empty()


def delete_experiment_tag(context: Context, request: wire.DeleteExperimentTag) -> Empty:
    """Remove a tag of an experiment.

    Raises:
        ResourceDoesNotExist: it has no such tag.
    """
    found = owners.active_experiment(context, request.experiment_id, "write")
    if not store.delete_tag(context.tx, int(found.experiment_id), request.key):
        raise ResourceDoesNotExist(
            f"No tag with name: {request.key} in experiment with id {request.experiment_id}"
        )
    return Empty()
