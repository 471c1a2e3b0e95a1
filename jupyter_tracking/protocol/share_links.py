"""Share links: addresses by which anybody reads one run, or one file or folder of it, for some time.

Whoever has the address needs no account. Its secret is told once, by the reply that makes the link; the
server keeps a digest.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from .call import Call, Empty
from .limits import ArtifactPath, ExperimentId, Required, RunId, Timestamp

DAY = 86_400
"""Seconds."""
Lifetime = Annotated[int, Meta(ge=1, le=365 * DAY)]
"""Seconds."""


class ShareLink(msgspec.Struct, frozen=True, omit_defaults=True):
    """A link to a run, or to the file or folder at ``path`` below its root.

    ``url`` is where it leads; only the reply that makes the link has it.
    """

    id: str
    run_id: str
    path: str
    created_by: str
    created: Timestamp
    expires: Timestamp
    url: str = ""


class CreateShareLink(msgspec.Struct, frozen=True):
    """Let anybody with a new address read a run, or one file or folder of it, for ``expires_in`` seconds."""

    run_id: RunId
    path: ArtifactPath = ""
    expires_in: Lifetime = 7 * DAY


class ShareLinkReply(msgspec.Struct, frozen=True):
    """The new link, with its address."""

    share_link: ShareLink


class ListShareLinks(msgspec.Struct, frozen=True):
    """The links that still work of one run, or of all runs of an experiment; the newest first."""

    run_id: RunId | None = None
    experiment_id: ExperimentId | None = None


class ShareLinks(msgspec.Struct, frozen=True):
    """Links, without their addresses."""

    share_links: list[ShareLink]


class RevokeShareLink(msgspec.Struct, frozen=True):
    """End a link at once, whoever made it."""

    id: Annotated[Required, Meta(max_length=64)]


create_share_link = Call(
    "create_share_link",
    ("POST",),
    "share-links/create",
    CreateShareLink,
    ShareLinkReply,
    action="manage",
    family="jupyter-tracking",
)
list_share_links = Call(
    "list_share_links",
    ("GET",),
    "share-links/list",
    ListShareLinks,
    ShareLinks,
    action="manage",
    family="jupyter-tracking",
)
revoke_share_link = Call(
    "revoke_share_link",
    ("POST",),
    "share-links/revoke",
    RevokeShareLink,
    Empty,
    action="manage",
    family="jupyter-tracking",
)
