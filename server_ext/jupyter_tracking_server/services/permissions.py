"""Rules of permissions: what clients of MLflow's basic-auth ask, told in grants."""

from __future__ import annotations

from jupyter_tracking.protocol import Empty
from jupyter_tracking.protocol import permissions as wire
from jupyter_tracking.protocol.errors import (
    NotImplementedHere,
    ResourceAlreadyExists,
    ResourceDoesNotExist,
)
from jupyter_tracking.protocol.grants import RemoveGrant, Role, SetGrant, SubjectKind
from jupyter_tracking.protocol.permissions import Permission

from ..context import Context
from ..store import grants as store
from ..store import memberships
from . import grants, owners

ROLES: dict[Permission, Role] = {
    Permission.READ: Role.READER,
    Permission.EDIT: Role.EDITOR,
    Permission.MANAGE: Role.OWNER,
}
PERMISSIONS = {role: permission for permission, role in ROLES.items()}


def create_experiment_permission(
    context: Context, request: wire.CreateExperimentPermission
) -> wire.ExperimentPermissionReply:
    """Give a user a first permission; ``NO_PERMISSIONS`` is what they have, and leaves nothing behind.

    Raises:
        ResourceAlreadyExists: the user has one.
    """
    number = int(owners.experiment(context, request.experiment_id, "manage").experiment_id)
    if store.given(context.tx, number, SubjectKind.USER, request.username) is not None:
        raise ResourceAlreadyExists(
            f"Experiment permission (experiment_id={request.experiment_id}, username={request.username}) "
            "already exists."
        )
    if request.permission in ROLES:
        _give(context, number, request.username, request.permission)
    return _reply(number, request.username, request.permission)


def get_experiment_permission(
    context: Context, request: wire.GetExperimentPermission
) -> wire.ExperimentPermissionReply:
    """What was given to a user, not to groups or everyone.

    Raises:
        ResourceDoesNotExist: nothing was.
    """
    number = int(owners.experiment(context, request.experiment_id, "read").experiment_id)
    return _reply(number, request.username, _given(context, number, request.username))


def update_experiment_permission(context: Context, request: wire.UpdateExperimentPermission) -> Empty:
    """Give a user another permission; ``NO_PERMISSIONS`` takes it away.

    Raises:
        ResourceDoesNotExist: the user has none.
        InvalidState: nobody would own the experiment any more.
    """
    number = int(owners.experiment(context, request.experiment_id, "manage").experiment_id)
    _given(context, number, request.username)
    if request.permission in ROLES:
        _give(context, number, request.username, request.permission)
    else:
        _take(context, number, request.username)
    return Empty()


def delete_experiment_permission(context: Context, request: wire.DeleteExperimentPermission) -> Empty:
    """Take a user's permission away.

    Raises:
        ResourceDoesNotExist: the user has none.
        InvalidState: nobody would own the experiment any more.
    """
    number = int(owners.experiment(context, request.experiment_id, "manage").experiment_id)
    _given(context, number, request.username)
    _take(context, number, request.username)
    return Empty()


def grant_user_permission(context: Context, request: wire.GrantUserPermission) -> Empty:
    """The same as ``create_experiment_permission``.

    Raises:
        NotImplementedHere: for resources that are no experiments.
    """
    _check_type(request.resource_type)
    create_experiment_permission(
        context, wire.CreateExperimentPermission(request.resource_id, request.username, request.permission)
    )
    return Empty()


def revoke_user_permission(context: Context, request: wire.RevokeUserPermission) -> Empty:
    """The same as ``delete_experiment_permission``.

    Raises:
        NotImplementedHere: for resources that are no experiments.
    """
    _check_type(request.resource_type)
    return delete_experiment_permission(
        context, wire.DeleteExperimentPermission(request.resource_id, request.username)
    )


def get_user_permission(context: Context, request: wire.GetUserPermission) -> wire.UserPermission:
    """What a user may do, also through groups. What others may is told to owners alone: it tells of groups.

    Raises:
        NotImplementedHere: for resources that are no experiments.
    """
    _check_type(request.resource_type)
    caller, user = context.caller, request.username
    own = user == caller.user
    number = int(owners.experiment(context, request.resource_id, "read" if own else "manage").experiment_id)
    if own:
        role = context.access.role(context.tx, caller, number)
    else:
        groups = memberships.groups_of(context.tx, user)
        role = store.role_of(context.tx, number, store.Subject(user, groups))
    found = Permission.NO_PERMISSIONS if role is None else PERMISSIONS[role]
    return wire.UserPermission(found in {Permission.EDIT, Permission.MANAGE}, found)


def _check_type(resource_type: str) -> None:
    if resource_type != "experiment":
        raise NotImplementedHere(
            f"Permissions on {resource_type!r} are not kept here: 'resource_type' must be 'experiment'. "
            "Runs, models and artifacts go by the experiment that they are in."
        )


def _given(context: Context, number: int, user: str) -> Permission:
    role = store.given(context.tx, number, SubjectKind.USER, user)
    if role is None:
        raise ResourceDoesNotExist(
            f"Experiment permission with experiment_id={number} and username={user} not found"
        )
    return PERMISSIONS[role]


def _give(context: Context, number: int, user: str, permission: Permission) -> None:
    grants.set_grant(context, SetGrant(str(number), SubjectKind.USER, ROLES[permission], user))


def _take(context: Context, number: int, user: str) -> None:
    grants.remove_grant(context, RemoveGrant(str(number), SubjectKind.USER, user))


def _reply(number: int, user: str, permission: Permission) -> wire.ExperimentPermissionReply:
    return wire.ExperimentPermissionReply(wire.ExperimentPermission(str(number), user, permission))
