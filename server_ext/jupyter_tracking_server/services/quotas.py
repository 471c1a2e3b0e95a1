"""Rules of quotas: who may see and set them, and what an upload may have."""

from __future__ import annotations

from jupyter_tracking.protocol import Empty
from jupyter_tracking.protocol import quotas as wire
from jupyter_tracking.protocol.errors import InvalidParameterValue, PermissionDenied, ResourceDoesNotExist
from jupyter_tracking.protocol.grants import SubjectKind

from ..context import Context, FilesContext
from ..quotas import Room
from ..search.pages import Pages
from ..store import memberships, usage
from ..store import quotas as store
from ..store.grants import Subject
from ..store.page_secret import page_secret
from . import artifact_files
from .artifact_paths import Place

__all__ = ["check", "check_name", "get_usage", "list_usage", "remove_quota", "room", "room_of", "set_quota"]


def get_usage(context: Context, request: wire.GetUsage) -> wire.UsageReply:
    """What the caller, or another, holds and may hold.

    Raises:
        InvalidParameterValue: everyone holds nothing in particular, or a group without a name.
        PermissionDenied: another one, asked for by who is no administrator.
    """
    subject = context.caller.subject
    if request.kind is SubjectKind.USER and request.name in {"", subject.user}:
        return wire.UsageReply([_told(one) for one in context.quotas.holdings(context.tx, subject)])
    if request.kind is SubjectKind.EVERYONE or not request.name:
        raise InvalidParameterValue("Ask for 'kind' user or group, and for a group by its 'name'.")
    is_user = request.kind is SubjectKind.USER
    if not context.access.is_admin(context.caller) and (is_user or request.name not in subject.groups):
        raise PermissionDenied("Only an administrator of this server sees what others hold.")
    held = (usage.of_user if is_user else usage.of_group)(context.tx, request.name)
    limits = store.limits_of(store.every(context.tx), request.kind, request.name)
    return wire.UsageReply([_told(store.Holding(request.kind, request.name, held, limits))])


def list_usage(context: Context, request: wire.ListUsage) -> wire.UsagePage:
    """Users, or groups, by name.

    Raises:
        InvalidParameterValue: everyone is no list of subjects, or the page token is another list's.
    """
    if request.kind is SubjectKind.EVERYONE:
        raise InvalidParameterValue("'kind' must be user or group.")
    pages = Pages(page_secret(context.tx), ("usage", request.kind.value))
    cursor = pages.cursor(request.page_token)
    after = None if cursor is None else str(cursor[0])
    found = store.holdings(context.tx, request.kind, after, request.max_results + 1)
    shown = found[: request.max_results]
    token = pages.token((shown[-1].name,)) if len(found) > len(shown) else None
    return wire.UsagePage([_told(one) for one in shown], token)


def set_quota(context: Context, request: wire.SetQuota) -> Empty:
    """Set a quota; what is held already stays, also where it is more.

    Raises:
        InvalidParameterValue: no limit at all, or a name that does not fit the kind.
    """
    check_name(request.kind, request.name)
    if request.max_bytes is None and request.max_runs is None:
        raise InvalidParameterValue("Give 'max_bytes', 'max_runs' or both; quotas/remove takes a quota away.")
    store.put(context.tx, request.kind, request.name, store.Limits(request.max_bytes, request.max_runs))
    context.quotas.forget()
    return Empty()


def remove_quota(context: Context, request: wire.RemoveQuota) -> Empty:
    """Take a quota away.

    Raises:
        ResourceDoesNotExist: there is none.
    """
    check_name(request.kind, request.name)
    if not store.remove(context.tx, request.kind, request.name):
        raise ResourceDoesNotExist(f"There is no quota of {request.kind.value} '{request.name}'.")
    context.quotas.forget()
    return Empty()


def check_name(kind: SubjectKind, name: str) -> None:
    """Refuse a name that does not fit the kind.

    Raises:
        InvalidParameterValue
    """
    if kind is SubjectKind.EVERYONE and name:
        raise InvalidParameterValue("'name' must be left out where 'kind' is 'everyone'.")
    if kind is not SubjectKind.EVERYONE and not name:
        raise InvalidParameterValue(f"'name' must be given: that of the {kind.value}.")


async def room(context: FilesContext, place: Place) -> Room | None:
    """How many bytes the caller may store at a place; None for any.

    What lies there of theirs goes for it. Where no quota applies this asks no database.
    """
    if not context.quotas.concern(context.caller.subject):
        return None

    return await context.read(lambda reading: _room_at(reading, place))


def check(context: Context, place: Place, size: int) -> None:
    """Go on only if the caller may store ``size`` bytes there.

    Raises:
        ResourceLimitExceeded
    """
    found = _room_at(context, place) if context.quotas.concern(context.caller.subject) else None
    if found is not None:
        found.check(size)


def _room_at(context: Context, place: Place) -> Room | None:
    there, subject = artifact_files.known(context, place), context.caller.subject
    own = there is not None and there.user_id == subject.user
    return context.quotas.room(context.tx, subject, there.size if there is not None and own else 0)


def room_of(context: Context, user: str) -> Room | None:
    """The same for a user who is not the caller, with the groups that the user was last known to be in."""
    if not context.quotas.concern_anybody:
        return None
    return context.quotas.room(context.tx, Subject(user, memberships.groups_of(context.tx, user)))


def _told(holding: store.Holding) -> wire.Holding:
    return wire.Holding(holding.kind, holding.name, *holding.held, *holding.limits)
