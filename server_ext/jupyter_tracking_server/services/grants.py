"""Rules of grants: owners give and take roles, and an experiment keeps an owner."""

from __future__ import annotations

from jupyter_tracking.protocol import Empty
from jupyter_tracking.protocol import grants as wire
from jupyter_tracking.protocol.errors import InvalidParameterValue, InvalidState, ResourceDoesNotExist
from jupyter_tracking.protocol.grants import Grant, Role, SubjectKind

from ..context import Context
from ..store import grants as store
from . import owners


def who_am_i(context: Context, request: wire.WhoAmI) -> wire.Identity:
    """The caller as this server knows them."""
    del request
    caller = context.caller
    return wire.Identity(
        user=caller.user,
        groups=sorted(caller.groups),
        admin=context.access.is_admin(caller),
        rights=context.access.rights,
        how=caller.how,
        scopes=sorted(caller.scopes),
    )


def list_grants(context: Context, request: wire.ListGrants) -> wire.GrantsReply:
    """All grants of an experiment, to whoever may read it."""
    found = owners.experiment(context, request.experiment_id, "read")
    number = int(found.experiment_id)
    role = context.access.role(context.tx, context.caller, number)
    return wire.GrantsReply(found.experiment_id, role or Role.READER, store.listed(context.tx, number))


def set_grant(context: Context, request: wire.SetGrant) -> Empty:
    """Give a subject a role, in place of the one that it had.

    Raises:
        InvalidParameterValue: a user or group without a name, or everyone with one.
        InvalidState: nobody would own the experiment any more.
    """
    _check_name(request.kind, request.name)
    found = owners.experiment(context, request.experiment_id, "manage")
    store.put(context.tx, int(found.experiment_id), [Grant(request.kind, request.name, request.role)])
    _settle(context, int(found.experiment_id))
    return Empty()


def remove_grant(context: Context, request: wire.RemoveGrant) -> Empty:
    """Take a subject's role away.

    Raises:
        ResourceDoesNotExist: it had none.
        InvalidState: nobody would own the experiment any more.
    """
    _check_name(request.kind, request.name)
    found = owners.experiment(context, request.experiment_id, "manage")
    if not store.remove(context.tx, int(found.experiment_id), request.kind, request.name):
        raise ResourceDoesNotExist(
            f"{_subject(request.kind, request.name)} has no role in experiment {found.experiment_id}."
        )
    _settle(context, int(found.experiment_id))
    return Empty()


def _check_name(kind: SubjectKind, name: str) -> None:
    if kind is SubjectKind.EVERYONE and name:
        raise InvalidParameterValue("'name' must be left out where 'kind' is 'everyone'.")
    if kind is not SubjectKind.EVERYONE and not name:
        raise InvalidParameterValue(f"'name' must be given: that of the {kind.value}.")


def _settle(context: Context, experiment: int) -> None:
    """Believe no older role; undo what would leave nobody but administrators to grant."""
    given = store.listed(context.tx, experiment)
    if not any(grant.role is Role.OWNER for grant in given) and not context.access.is_admin(context.caller):
        raise InvalidState("An experiment must keep an owner: make another one before this one goes.")
    context.access.forget()


def _subject(kind: SubjectKind, name: str) -> str:
    return "Everyone" if kind is SubjectKind.EVERYONE else f"The {kind.value} '{name}'"
