"""Grants: which role a user, a group or everybody has in an experiment.

A *role* includes those before it: a reader reads, an editor also writes, an owner also deletes, moves and
grants. A *subject* is whom a grant is for. An experiment always keeps an owner.
"""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import msgspec
from msgspec import Meta

from .call import Call, Empty
from .limits import ExperimentId


class Role(Enum):
    """What a subject may do in an experiment; the later include the earlier."""

    READER = "reader"
    EDITOR = "editor"
    OWNER = "owner"


class SubjectKind(Enum):
    """Whom a grant is for; ``everyone`` is each caller that is known to the server."""

    USER = "user"
    GROUP = "group"
    EVERYONE = "everyone"


SubjectName = Annotated[str, Meta(max_length=255)]


class Grant(msgspec.Struct, frozen=True):
    """The role of a subject; ``everyone`` has an empty name."""

    kind: SubjectKind
    name: str
    role: Role


class WhoAmI(msgspec.Struct, frozen=True):
    """Who the server takes the caller for."""


class Identity(msgspec.Struct, frozen=True):
    """The caller.

    ``rights`` says whether this server keeps roles at all; where it does not, every caller owns everything.
    """

    user: str
    groups: list[str]
    admin: bool
    rights: bool
    how: str
    scopes: list[str]


class ListGrants(msgspec.Struct, frozen=True):
    """All grants of an experiment."""

    experiment_id: ExperimentId


class GrantsReply(msgspec.Struct, frozen=True):
    """The grants of an experiment, and the caller's own role in it."""

    experiment_id: str
    role: Role
    grants: list[Grant]


class SetGrant(msgspec.Struct, frozen=True):
    """Give a subject a role, in place of the one that it had."""

    experiment_id: ExperimentId
    kind: SubjectKind
    role: Role
    name: SubjectName = ""


class RemoveGrant(msgspec.Struct, frozen=True):
    """Take a subject's role away."""

    experiment_id: ExperimentId
    kind: SubjectKind
    name: SubjectName = ""


who_am_i = Call("who_am_i", ("GET",), "whoami", WhoAmI, Identity, action="read", family="jupyter-tracking")
list_grants = Call(
    "list_grants", ("GET",), "grants/list", ListGrants, GrantsReply, action="read", family="jupyter-tracking"
)
set_grant = Call(
    "set_grant", ("POST",), "grants/set", SetGrant, Empty, action="manage", family="jupyter-tracking"
)
remove_grant = Call(
    "remove_grant", ("POST",), "grants/remove", RemoveGrant, Empty, action="manage", family="jupyter-tracking"
)
