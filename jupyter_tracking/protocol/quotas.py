"""Quotas: what users and groups hold, and may hold at most.

*Held* are the bytes of artifacts that a user stored through this server and the runs that the user made,
until they are purged; a group holds what its members do. The quota of ``everyone`` is for each user who has
none of their own. A limit that is null is none.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from .call import Call, Empty
from .grants import SubjectKind, SubjectName
from .limits import PageToken

Most = Annotated[int, Meta(ge=0, le=2**62)]
HoldingsPerPage = Annotated[int, Meta(ge=1, le=1000)]


class Holding(msgspec.Struct, frozen=True):
    """What a user or group holds and may hold: bytes of artifacts, and runs."""

    kind: SubjectKind
    name: str
    bytes: int
    runs: int
    max_bytes: int | None
    max_runs: int | None


class GetUsage(msgspec.Struct, frozen=True):
    """What the caller holds and may hold, then each of the caller's groups that has a quota.

    With ``kind`` and ``name``: that user or group, for administrators and for those who are meant.
    """

    kind: SubjectKind = SubjectKind.USER
    name: SubjectName = ""


class UsageReply(msgspec.Struct, frozen=True):
    """What each holds."""

    usage: list[Holding]


class ListUsage(msgspec.Struct, frozen=True):
    """Users (or groups) with what they hold and may hold, by name, a page at a time."""

    kind: SubjectKind = SubjectKind.USER
    max_results: HoldingsPerPage = 1000
    page_token: PageToken = ""


class UsagePage(msgspec.Struct, frozen=True, omit_defaults=True):
    """A page of users or groups."""

    usage: list[Holding]
    next_page_token: str | None = None


class SetQuota(msgspec.Struct, frozen=True):
    """Set what a user, a group or everyone may hold, in place of what was set before."""

    kind: SubjectKind
    name: SubjectName = ""
    max_bytes: Most | None = None
    max_runs: Most | None = None


class RemoveQuota(msgspec.Struct, frozen=True):
    """Take a quota away."""

    kind: SubjectKind
    name: SubjectName = ""


get_usage = Call(
    "get_usage", ("GET",), "usage/get", GetUsage, UsageReply, action="read", family="jupyter-tracking"
)
list_usage = Call(
    "list_usage", ("GET",), "usage/list", ListUsage, UsagePage, action="admin", family="jupyter-tracking"
)
set_quota = Call(
    "set_quota", ("POST",), "quotas/set", SetQuota, Empty, action="admin", family="jupyter-tracking"
)
remove_quota = Call(
    "remove_quota", ("POST",), "quotas/remove", RemoveQuota, Empty, action="admin", family="jupyter-tracking"
)
