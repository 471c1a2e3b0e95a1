"""Rules of artifacts: what is listed. Bytes go by ``http/``, uploads in parts by ``artifact_uploads.py``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from jupyter_tracking.protocol import artifacts as wire
from jupyter_tracking.protocol.limits import ARTIFACTS_PER_PAGE
from jupyter_tracking.protocol.logged_models import ListLoggedModelArtifacts

from ..access import Concealed, Denied
from ..artifact_stores.base import Entry
from ..artifact_stores.errors import NoSuchArtifact
from ..artifact_stores.keys import Key, text
from ..context import Context, FilesContext
from ..search.pages import Pages
from ..store import logged_models, runs
from ..store.page_secret import page_secret
from . import artifact_paths, owners
from .artifact_paths import Place

_Request = wire.ListArtifacts | ListLoggedModelArtifacts | wire.ListProxyArtifacts
_encode = msgspec.json.Encoder().encode


class _Folder(NamedTuple):
    """A folder to list: where it is, what each name in it is told with, and who makes its page tokens."""

    key: Key
    prefix: str
    pages: Pages
    root_uri: str | None = None


async def list_artifacts(context: FilesContext, request: wire.ListArtifacts) -> bytes:
    """One folder of a run; paths are relative to the run's root.

    Raises:
        InvalidParameterValue: the path is unsafe, the run's artifacts are not kept by this server, or the
            page token is another folder's.
        ResourceDoesNotExist: there is no such run.
    """

    def find(reading: Context) -> _Folder:
        location = owners.run(reading, request.run_id, "read").artifact_uri
        return _owned(reading, location, artifact_paths.below(reading, location, request.path))

    return await _list(context, await context.read(find), request)


async def list_logged_model_artifacts(context: FilesContext, request: ListLoggedModelArtifacts) -> bytes:
    """One folder of a logged model; paths are relative to the model's root.

    Raises:
        InvalidParameterValue: as ``list_artifacts``.
        ResourceDoesNotExist: there is no such model.
    """

    def find(reading: Context) -> _Folder:
        location = owners.logged_model(reading, request.model_id, "read").info.artifact_uri
        return _owned(
            reading, location, artifact_paths.below(reading, location, request.artifact_directory_path)
        )

    return await _list(context, await context.read(find), request)


async def list_proxy_artifacts(context: FilesContext, request: wire.ListProxyArtifacts) -> bytes:
    """One folder of the proxy, by base name; nothing if it is not there.

    Raises:
        Concealed: it is not the caller's to read, who is told the same.
        InvalidParameterValue: the path is unsafe, or the page token is another folder's.
    """
    key = artifact_paths.split(request.path, folder=True)

    def find(reading: Context) -> _Folder:
        folder = artifact_paths.place_to_list(reading, key)
        return _Folder(folder, "", _pages(reading, folder))

    try:
        return await _list(context, await context.read(find), request)
    except NoSuchArtifact as error:
        if isinstance(error.__cause__, Denied):
            raise Concealed(b"{}") from error.__cause__
        return b"{}"


def _owned(reading: Context, location: str, place: Place) -> _Folder:
    inner = text(place.key[len(place.root) :])
    return _Folder(place.key, f"{inner}/" if inner else "", _pages(reading, place.key), location)


def _pages(reading: Context, folder: Key) -> Pages:
    return Pages(page_secret(reading.tx), ("artifacts", *folder))


def title(context: Context, place: Place) -> str:
    """What a file or folder is called: by its own name; a whole root by the name of its run or model."""
    if place.key != place.root:
        return place.key[-1]
    owner = place.root[-2] if len(place.root) > 1 else "artifacts"
    model = logged_models.get(context.tx, owner, deleted=True)
    run = None if model else runs.info(context.tx, owner)
    name = model.info.name if model else run.run_name if run else ""
    # Names are free; a file's is not.
    return re.sub(r'[\\/:*?"<>|\x00-\x1f\x7f]', "_", name).strip(". ") or owner


async def _list(context: FilesContext, folder: _Folder, request: _Request) -> bytes:
    """The reply as JSON, put together page by page: a hundred thousand files must not hold up others."""
    found = folder.pages.cursor(request.page_token)
    cursor = str(found[0]) if found else ""
    slices: list[bytes] = []
    while True:
        page = await context.artifacts.entries(folder.key, cursor, request.max_results or ARTIFACTS_PER_PAGE)
        cursor = page.cursor
        shown = page.entries if folder.key else await _shown(context, page.entries)
        if shown:
            files = [
                wire.FileInfo(folder.prefix + name, is_dir=size is None, file_size=size)
                for name, size in shown
            ]
            slices.append(_encode(files)[1:-1])
        if not cursor or (slices and request.max_results is not None):
            break
    return _joined(folder, slices, folder.pages.token((cursor,)) if cursor else None)


async def _shown(context: FilesContext, entries: Sequence[Entry]) -> Sequence[Entry]:
    """What the caller may see of the root of the proxy, which holds everybody's experiments."""
    names = [name for name, _ in entries]
    visible = await context.read(lambda reading: artifact_paths.shown_in_root(reading, names))
    return [entry for entry in entries if entry.name in visible]


def _joined(folder: _Folder, slices: list[bytes], token: str | None) -> bytes:
    """An ``ArtifactList`` or ``ProxyArtifactList``, whose bytes are copied once."""
    pieces: list[bytes] = []
    if folder.root_uri is not None:
        pieces += (b',"root_uri":', _encode(folder.root_uri))
    for number, files in enumerate(slices):
        pieces += (b"," if number else b',"files":[', files)
    if slices:
        pieces.append(b"]")
    if token is not None:
        pieces += (b',"next_page_token":', _encode(token))
    if pieces:
        pieces[0] = pieces[0][1:]
    return b"".join((b"{", *pieces, b"}"))
