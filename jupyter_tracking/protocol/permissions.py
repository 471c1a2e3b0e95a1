"""Permissions: grants to users, as the clients of MLflow's basic-auth speak of them.

``READ`` is the role reader, ``EDIT`` editor, ``MANAGE`` owner, and ``NO_PERMISSIONS`` no grant. Clients of
MLflow 2 use the calls below ``experiments/permissions``, later ones those below ``users/permissions``.
"""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import msgspec
from msgspec import Meta

from .call import Call, Empty
from .limits import ExperimentId, Required

UserName = Annotated[str, Meta(min_length=1, max_length=255)]


class Permission(Enum):
    """What a user may do."""

    READ = "READ"
    EDIT = "EDIT"
    MANAGE = "MANAGE"
    NO_PERMISSIONS = "NO_PERMISSIONS"


class ExperimentPermission(msgspec.Struct, frozen=True):
    """A user's permission; ``user_id`` is the user's name here, as there are no numbers."""

    experiment_id: str
    user_id: str
    permission: Permission


class ExperimentPermissionReply(msgspec.Struct, frozen=True):
    """One permission."""

    experiment_permission: ExperimentPermission


class CreateExperimentPermission(msgspec.Struct, frozen=True):
    """Give a user a first permission in an experiment."""

    experiment_id: ExperimentId
    username: UserName
    permission: Permission


class GetExperimentPermission(msgspec.Struct, frozen=True):
    """The permission that was given to a user in an experiment."""

    experiment_id: ExperimentId
    username: UserName


class UpdateExperimentPermission(msgspec.Struct, frozen=True):
    """Give a user another permission in an experiment than before."""

    experiment_id: ExperimentId
    username: UserName
    permission: Permission


class DeleteExperimentPermission(msgspec.Struct, frozen=True):
    """Take a user's permission in an experiment away."""

    experiment_id: ExperimentId
    username: UserName


class GrantUserPermission(msgspec.Struct, frozen=True):
    """Give a user a first permission on a resource; here all permissions are on experiments."""

    username: UserName
    resource_type: Required
    resource_id: Required
    permission: Permission


class RevokeUserPermission(msgspec.Struct, frozen=True):
    """Take a user's permission on a resource away."""

    username: UserName
    resource_type: Required
    resource_id: Required


class GetUserPermission(msgspec.Struct, frozen=True):
    """What a user may do with a resource, by all grants together; what others may is told to its owners."""

    username: UserName
    resource_type: Required
    resource_id: Required


class UserPermission(msgspec.Struct, frozen=True):
    """A user's permission; ``allowed`` says whether it is good for more than reading."""

    allowed: bool
    permission: Permission


create_experiment_permission = Call(
    "create_experiment_permission",
    ("POST",),
    "experiments/permissions/create",
    CreateExperimentPermission,
    ExperimentPermissionReply,
    "manage",
)
get_experiment_permission = Call(
    "get_experiment_permission",
    ("GET",),
    "experiments/permissions/get",
    GetExperimentPermission,
    ExperimentPermissionReply,
    "read",
)
update_experiment_permission = Call(
    "update_experiment_permission",
    ("PATCH",),
    "experiments/permissions/update",
    UpdateExperimentPermission,
    Empty,
    "manage",
)
delete_experiment_permission = Call(
    "delete_experiment_permission",
    ("DELETE",),
    "experiments/permissions/delete",
    DeleteExperimentPermission,
    Empty,
    "manage",
)
grant_user_permission = Call(
    "grant_user_permission", ("POST",), "users/permissions/grant", GrantUserPermission, Empty, "manage"
)
revoke_user_permission = Call(
    "revoke_user_permission", ("POST",), "users/permissions/revoke", RevokeUserPermission, Empty, "manage"
)
get_user_permission = Call(
    "get_user_permission", ("GET",), "users/permissions/get", GetUserPermission, UserPermission, "read"
)
