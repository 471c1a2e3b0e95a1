"""The experiment of clients that name none: they send the id 0.

Where all callers own everything, that is the experiment 0, which every database has. Where users have rights,
0 stands for the caller's own experiment ``Default``, which is made when something is first logged to it; but
who was given a role in the experiment 0 itself means that.
"""

from __future__ import annotations

import contextlib
from typing import TypeVar

import msgspec

from jupyter_tracking.protocol.datasets import SearchDatasets
from jupyter_tracking.protocol.errors import ResourceAlreadyExists
from jupyter_tracking.protocol.limits import experiment_number
from jupyter_tracking.protocol.logged_models import SearchLoggedModels
from jupyter_tracking.protocol.runs import SearchRuns

from ..context import Context
from ..store import experiments, grants

__all__ = ["ensure", "listed", "meant", "searched"]

NUMBER, NAME = 0, "Default"

Search = TypeVar("Search", SearchRuns, SearchLoggedModels, SearchDatasets)


def meant(context: Context, experiment_id: str) -> int | None:
    """The experiment that an id stands for, there or not; None for an own ``Default`` that is not made yet.

    Raises:
        InvalidParameterValue: the id is no integer.
    """
    number = experiment_number(experiment_id)
    if number != NUMBER:
        return number
    caller = context.caller
    if not _stands_for_own(context):
        context.own_defaults.pop(caller.user, None)
        return number
    own = experiments.own(context.tx, NAME, context.access.namespace(caller), caller.subject)
    if own is None or own in context.fresh:
        context.own_defaults.pop(caller.user, None)
    else:
        context.own_defaults[caller.user] = own
    return own


def searched(context: Context, request: Search) -> Search:
    """The same search, in the experiments that its ids stand for.

    Raises:
        InvalidParameterValue: an id is no integer.
    """
    if not context.access.rights or all(map(experiment_number, request.experiment_ids)):
        return request
    numbers = [meant(context, experiment_id) for experiment_id in request.experiment_ids]
    meaning = [str(number) for number in numbers if number is not None]
    return msgspec.structs.replace(request, experiment_ids=meaning)


def listed(context: Context) -> grants.Visible | None:
    """The condition on experiments that are listed: those to be seen, without one that 0 does not mean."""
    return context.visible or (grants.all_but(NUMBER) if _stands_for_own(context) else None)


def ensure(context: Context, experiment_id: str) -> None:
    """Make the caller's own ``Default`` if that is what the id stands for, and it is not there.

    Raises:
        InvalidParameterValue: the id is no integer.
        PermissionDenied: the credential does not allow to write.
    """
    if meant(context, experiment_id) is not None:
        return
    context.require("write", None)
    # Another server may make it at the same time.
    with contextlib.suppress(ResourceAlreadyExists):
        made = experiments.create(
            context.tx,
            experiments.NewExperiment(
                name=NAME,
                root=context.settings.artifact_root,
                now=context.now(),
                owner=context.caller.user,
                namespace=context.access.namespace(context.caller),
                namesake=context.caller.subject,
                grants=context.access.first_grants(context.caller),
            ),
        )
        context.fresh.append(made)


def _stands_for_own(context: Context) -> bool:
    """Whether 0 is the caller's own; an administrator, too, has a role in 0 only by a grant."""
    if not context.access.rights:
        return False
    return grants.role_of(context.tx, NUMBER, context.caller.subject) is None
