"""From an id on the wire to the row that owns it, with the caller's right asked once, on that row.

A thing that the caller may not know of is answered like a thing that is not there.
"""

from __future__ import annotations

from jupyter_tracking.protocol.call import Action
from jupyter_tracking.protocol.enums import LifecycleStage
from jupyter_tracking.protocol.errors import InvalidParameterValue, ResourceDoesNotExist
from jupyter_tracking.protocol.experiments import Experiment
from jupyter_tracking.protocol.logged_models import LoggedModel
from jupyter_tracking.protocol.runs import RunInfo

from ..access import Access, Caller
from ..context import Context
from ..store import experiments, logged_models, runs
from ..store.database import Transaction
from . import default_experiment


def check(access: Access, caller: Caller, tx: Transaction, missing: str, experiment: int) -> None:
    """Go on only if the caller may log to what is in the experiment.

    Raises:
        ResourceDoesNotExist: it is not the caller's to read; ``missing`` says so as if it were not there.
        PermissionDenied: the caller may read it but not log to it.
    """
    if access.may(tx, caller, "write", experiment):
        return
    if not access.may(tx, caller, "read", experiment):
        raise ResourceDoesNotExist(missing)
    access.require(tx, caller, "write", experiment)


def experiment(context: Context, experiment_id: str, action: Action) -> Experiment:
    """The experiment, also a deleted one.

    Raises:
        InvalidParameterValue: the id is no integer.
        ResourceDoesNotExist: there is none, or it is not the caller's to read.
        PermissionDenied: the caller may read it but not ``action`` it.
    """
    number = default_experiment.meant(context, experiment_id)
    found = None if number is None else experiments.get(context.tx, number)
    if found is None or not context.may("read", int(found.experiment_id)):
        raise ResourceDoesNotExist(f"No Experiment with id={experiment_id} exists")
    context.require(action, int(found.experiment_id))
    return found


def active_experiment(context: Context, experiment_id: str, action: Action) -> Experiment:
    """The experiment, which must be active.

    Raises:
        InvalidParameterValue: it is deleted.
    """
    found = experiment(context, experiment_id, action)
    if found.lifecycle_stage is not LifecycleStage.ACTIVE:
        raise InvalidParameterValue(
            f"The experiment {experiment_id} must be in the 'active' state. "
            f"Current state is {found.lifecycle_stage.value}."
        )
    return found


def run(context: Context, run_id: str, action: Action) -> RunInfo:
    """The run's info, also a deleted one's.

    Raises:
        ResourceDoesNotExist: there is none, or it is not the caller's to read.
        PermissionDenied: the caller may read it but not ``action`` it.
    """
    found = runs.info(context.tx, run_id)
    if found is None or not context.may("read", int(found.experiment_id)):
        raise ResourceDoesNotExist(f"Run with id={run_id} not found")
    context.require(action, int(found.experiment_id))
    return found


def active_run(context: Context, run_id: str, action: Action) -> RunInfo:
    """The run's info; it must be active.

    Raises:
        InvalidParameterValue: it is deleted.
    """
    found = run(context, run_id, action)
    if found.lifecycle_stage is not LifecycleStage.ACTIVE:
        raise InvalidParameterValue(
            f"The run {run_id} must be in the 'active' state. Current state is {found.lifecycle_stage.value}."
        )
    return found


def logged_model(context: Context, model_id: str, action: Action, deleted: bool = False) -> LoggedModel:
    """The logged model; a deleted one only if ``deleted``.

    Raises:
        ResourceDoesNotExist: there is none, or it is not the caller's to read.
        PermissionDenied: the caller may read it but not ``action`` it.
    """
    found = logged_models.get(context.tx, model_id, deleted)
    if found is None or not context.may("read", int(found.info.experiment_id)):
        raise ResourceDoesNotExist(f"Logged model with ID '{model_id}' not found.")
    context.require(action, int(found.info.experiment_id))
    return found
