"""Who else reads, writes or owns an experiment: the current one, unless another is named.

Matters on servers where users sign in; elsewhere every caller owns everything, and roles change nothing.
"""

from __future__ import annotations

from .protocol import grants
from .protocol.errors import InvalidParameterValue
from .protocol.grants import Grant, Role, SubjectKind
from .tracker import tracker

__all__ = ["Grant", "share", "shared_with", "unshare"]


def share(
    user: str = "",
    *,
    group: str = "",
    everyone: bool = False,
    role: str = "reader",
    experiment_id: str | None = None,
) -> None:
    """Give a user, a group or everyone a role in an experiment, in place of the one that they had.

    A ``reader`` reads, an ``editor`` also logs, an ``owner`` also deletes and shares.

    Raises:
        InvalidParameterValue: not exactly one of user, group and everyone; or no such role.
        PermissionDenied: only an owner may share.
    """
    if role not in {known.value for known in Role}:
        raise InvalidParameterValue(f"{role!r} is no role: choose one of {_words(Role)}.")
    kind, name = _subject(user, group, everyone)
    number = experiment_id or tracker.experiment_id()
    tracker.client.send(grants.set_grant, grants.SetGrant(number, kind, Role(role), name))


def unshare(
    user: str = "", *, group: str = "", everyone: bool = False, experiment_id: str | None = None
) -> None:
    """Take away the role of a user, a group or everyone.

    Raises:
        ResourceDoesNotExist: they had none.
        InvalidState: nobody would own the experiment any more.
    """
    kind, name = _subject(user, group, everyone)
    number = experiment_id or tracker.experiment_id()
    tracker.client.send(grants.remove_grant, grants.RemoveGrant(number, kind, name))


def shared_with(experiment_id: str | None = None) -> list[Grant]:
    """All roles in an experiment, the greatest first."""
    number = experiment_id or tracker.experiment_id()
    return tracker.client.send(grants.list_grants, grants.ListGrants(number)).grants


def role_lines() -> list[str]:
    """The roles in the current experiment, a line for each."""
    return [
        f"{grant.role.value}: {'everyone' if grant.kind is SubjectKind.EVERYONE else _named(grant)}"
        for grant in shared_with()
    ]


def _named(grant: Grant) -> str:
    return f"group {grant.name}" if grant.kind is SubjectKind.GROUP else grant.name


def _subject(user: str, group: str, everyone: bool) -> tuple[SubjectKind, str]:
    said = [
        (SubjectKind.USER, user),
        (SubjectKind.GROUP, group),
        (SubjectKind.EVERYONE, "everyone" if everyone else ""),
    ]
    given = [(kind, name) for kind, name in said if name]
    if len(given) != 1:
        raise InvalidParameterValue("Say with whom: one of a user, group=... or everyone=True.")
    kind, name = given[0]
    return kind, "" if kind is SubjectKind.EVERYONE else name


def _words(enum: type[Role]) -> str:
    return ", ".join(member.value for member in enum)
