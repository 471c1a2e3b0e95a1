"""Rules of share links: owners make, see and end them; who opens one reads its run and nothing else."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple, TypeVar

import msgspec

from jupyter_tracking.protocol import Empty
from jupyter_tracking.protocol import share_links as wire
from jupyter_tracking.protocol.artifacts import ArtifactList, ListArtifacts
from jupyter_tracking.protocol.errors import (
    InvalidParameterValue,
    PermissionDenied,
    ResourceDoesNotExist,
    TrackingError,
)
from jupyter_tracking.protocol.runs import RunInfo

from ..access import Caller, LinkAccess
from ..artifact_stores.errors import NoSuchArtifact, NotAFile
from ..artifact_stores.keys import Key, text
from ..context import Context, FilesContext
from ..store import share_links as store
from . import artifact_paths, artifacts, owners

__all__ = [
    "NoSuchLink",
    "Opened",
    "confined",
    "create_share_link",
    "list_folder",
    "list_share_links",
    "opened",
    "revoke_share_link",
]

T = TypeVar("T")
SECRET_BYTES = 32
PAGE = 500
"""Entries of a folder on a page."""


class NoSuchLink(ResourceDoesNotExist):
    """No link, or none any more; which of the two is nobody's business."""

    def __init__(self) -> None:
        super().__init__("There is no such share link, or it has ended.")


class Opened(NamedTuple):
    """A link that somebody holds, the run that it opens, and a context that reads no more than that."""

    link: wire.ShareLink
    run: RunInfo
    context: Context


async def create_share_link(context: FilesContext, request: wire.CreateShareLink) -> wire.ShareLinkReply:
    """Make a link to a run, or to a file or folder of it that is there.

    Raises:
        InvalidParameterValue: the run is deleted, or the path is unsafe.
        ResourceDoesNotExist: no such run or artifact.
        PermissionDenied: the caller does not own the experiment.
    """
    key: Key = ()
    if request.path:

        def find(reading: Context) -> artifact_paths.Place:
            return artifact_paths.in_run(reading, request.run_id, request.path, "manage")

        place = await context.read(find)
        key = place.key[len(place.root) :]
        await _require_artifact(context, place.key)
    secret = secrets.token_urlsafe(SECRET_BYTES)
    created = context.now()
    link = wire.ShareLink(
        id=secrets.token_hex(8),
        run_id=request.run_id,
        path=text(key),
        created_by=context.caller.user,
        created=created,
        expires=created + request.expires_in * 1000,
    )

    def add(writing: Context) -> None:
        owners.active_run(writing, request.run_id, "manage")
        store.remove_expired(writing.tx, request.run_id, created)
        store.add(writing.tx, link, _digest(secret))

    await context.write(add)
    return wire.ShareLinkReply(msgspec.structs.replace(link, url=f"{context.base_url}/share/{secret}"))


async def _require_artifact(context: FilesContext, key: Key) -> None:
    try:
        await context.artifacts.info(key)
    except (NoSuchArtifact, NotAFile):
        if not (await context.artifacts.entries(key, limit=1)).entries:
            raise NoSuchArtifact(key) from None


def list_share_links(context: Context, request: wire.ListShareLinks) -> wire.ShareLinks:
    """The links that still work of a run, or of an experiment.

    Raises:
        InvalidParameterValue: neither is given, or both.
        ResourceDoesNotExist: no such run or experiment.
        PermissionDenied: the caller does not own the experiment.
    """
    if (request.run_id is None) == (request.experiment_id is None):
        raise InvalidParameterValue("Give either 'run_id' or 'experiment_id'.")
    if request.run_id is not None:
        owners.run(context, request.run_id, "manage")
        return wire.ShareLinks(store.of_run(context.tx, request.run_id, context.now()))
    found = owners.experiment(context, request.experiment_id or "", "manage")
    return wire.ShareLinks(store.of_experiment(context.tx, int(found.experiment_id), context.now()))


def revoke_share_link(context: Context, request: wire.RevokeShareLink) -> Empty:
    """End a link; from the next request on, it opens nothing.

    Raises:
        ResourceDoesNotExist: there is none of this id, or its run is not the caller's to read.
        PermissionDenied: the caller does not own the experiment.
    """
    found = store.get(context.tx, request.id)
    if found is None or not context.may("read", found.experiment):
        raise ResourceDoesNotExist(f"No share link with id={request.id} exists")
    context.require("manage", found.experiment)
    store.remove(context.tx, request.id)
    return Empty()


def opened(context: Context, secret: str) -> Opened:
    """What a secret opens at this moment; the given context's own caller does not matter.

    Raises:
        NoSuchLink: nothing: there is no such link, it has ended, or its run is deleted.
    """
    found = store.find(context.tx, _digest(secret))
    if found is None or found.link.expires <= context.now():
        raise NoSuchLink
    caller = Caller("", "link", frozenset({"read", "artifacts"}), credential=found.link.id)
    guest = replace(context, caller=caller, access=LinkAccess(found.experiment))
    try:
        return Opened(found.link, owners.active_run(guest, found.link.run_id, "read"), guest)
    except TrackingError:
        raise NoSuchLink from None


def confined(context: FilesContext, secret: str) -> FilesContext:
    """The same for whoever holds a link: each look at the store asks anew what the link opens."""

    async def read(work: Callable[[Context], T]) -> T:
        return await context.read(lambda reading: work(opened(reading, secret).context))

    async def write(work: Callable[[Context], T]) -> T:
        del work
        raise PermissionDenied("A share link is for reading.")

    return replace(context, read=read, write=write)


async def list_folder(context: FilesContext, run_id: str, path: str, page_token: str | None) -> ArtifactList:
    """A page of a folder of a run; paths are relative to the run's root."""
    request = ListArtifacts(run_id, path, page_token, max_results=PAGE)
    return msgspec.json.decode(await artifacts.list_artifacts(context, request), type=ArtifactList)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()
