"""Folders as one stream: ``?format=zip`` or ``tar``, made while it is sent, with nothing on a disk.

Only the page of the listing at hand and the next few small files are in memory.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from dataclasses import dataclass

from tornado.httputil import HTTPServerRequest

from jupyter_tracking.protocol.errors import InvalidParameterValue

from ..artifact_stores.base import ArtifactInfo, ArtifactStore, Entry
from ..artifact_stores.errors import NoSuchArtifact, NotAFile
from ..artifact_stores.keys import Key
from ..services.segments import split
from .archive_formats import FORMATS, Format

__all__ = ["archive", "asked_format"]

SMALL = 2**20
"""Bytes of a file that is read whole, beside others, before its turn: a remote store takes long to begin."""
AHEAD = 8
"""Files that may be read so."""
GATHER = 2**17
"""Bytes that are worth sending."""
HEAVY = 2**21
"""Bytes whose checksum would hold up the event loop."""


def asked_format(request: HTTPServerRequest) -> str:
    """The format that a request wants a folder in; ``""`` for a file as it is.

    Raises:
        InvalidParameterValue: it is none that there is.
    """
    given = request.query_arguments.get("format", [])
    if not given:
        return ""
    name = given[0].decode("latin-1")
    if len(given) > 1 or name not in FORMATS:
        raise InvalidParameterValue(f"Parameter 'format' must be one of {', '.join(FORMATS)}, given once.")
    return name


async def archive(store: ArtifactStore, key: Key, making: Format) -> AsyncGenerator[bytes, None]:
    """All files below a folder, by their paths in it; or a file alone, by its name.

    A file that goes while it is on, or comes, may be in it or not. The caller must close it.

    Raises:
        NoSuchArtifact: nothing is there; before any bytes.
        BrokenRead, StoreError: the store cannot go on; what is sent then lacks its end.
    """
    empty = True
    out = bytearray()
    async with contextlib.aclosing(_files(store, key)) as files:
        async for file in files:
            async with contextlib.aclosing(_member(store, file, making)) as pieces:
                async for piece in pieces:
                    empty = False
                    if out and len(out) + len(piece) > GATHER:
                        yield bytes(out)
                        out.clear()
                    if len(piece) > GATHER:
                        yield piece
                    else:
                        out += piece
    if empty:
        raise NoSuchArtifact(key)
    yield bytes(out)
    for piece in making.close():
        yield piece


@dataclass
class _File:
    """A file on its way into an archive: ``reading`` brings its bytes if it is small."""

    key: Key
    name: str
    reading: asyncio.Task[_Whole | None] | None


@dataclass
class _Whole:
    info: ArtifactInfo
    chunks: list[bytes]


async def _files(store: ArtifactStore, key: Key) -> AsyncGenerator[_File, None]:
    """What is to be in the archive, some of it being read already."""
    waiting: deque[_File] = deque()
    try:
        async for path, size in _walk(store, key):
            whole = key + path
            reading = asyncio.create_task(_read_small(store, whole)) if size <= SMALL else None
            waiting.append(_File(whole, "/".join(path or key[-1:]), reading))
            if len(waiting) > AHEAD:
                yield waiting[0]
                waiting.popleft()
        while waiting:
            yield waiting[0]
            waiting.popleft()
    finally:
        left = [file.reading for file in waiting if file.reading is not None]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


async def _walk(store: ArtifactStore, root: Key) -> AsyncIterator[tuple[Key, int]]:
    """Path below ``root`` and size of each file, in order; no path for ``root`` itself, if it is a file."""
    folders: list[tuple[Key, Iterator[Entry], str]] = [await _page(store, root, (), "")]
    empty = True
    while folders:
        folder, entries, cursor = folders[-1]
        entry = next(entries, None)
        if entry is None:
            folders.pop()
            if cursor:
                folders.append(await _page(store, root, folder, cursor))
        elif not _has_name(entry.name):
            continue
        elif entry.size is None:
            folders.append(await _page(store, root, (*folder, entry.name), ""))
        else:
            empty = False
            yield (*folder, entry.name), entry.size
    if empty:
        with contextlib.suppress(NotAFile, NoSuchArtifact):
            yield (), (await store.info(root)).size


async def _page(
    store: ArtifactStore, root: Key, folder: Key, cursor: str
) -> tuple[Key, Iterator[Entry], str]:
    page = await store.entries(root + folder, cursor)
    return folder, iter(page.entries), page.cursor


def _has_name(name: str) -> bool:
    """Whether it can be asked for alone; others may have put more into the store."""
    try:
        return len(split(name)) == 1
    except InvalidParameterValue:
        return False


async def _read_small(store: ArtifactStore, key: Key) -> _Whole | None:
    """A file in memory; None if it is gone, or small no more."""
    try:
        async with await store.read(key) as download:
            if download.info.size > SMALL:
                return None
            return _Whole(download.info, [chunk async for chunk in download])
    except (NoSuchArtifact, NotAFile):
        return None


async def _member(store: ArtifactStore, file: _File, making: Format) -> AsyncGenerator[bytes, None]:
    """A file as a piece of the archive; nothing if it is gone."""
    whole = await file.reading if file.reading is not None else None
    if whole is not None:
        yield making.begin(file.name, whole.info.size, whole.info.modified)
        for chunk in whole.chunks:
            making.add(chunk)
            yield chunk
        yield making.end()
        return
    try:
        download = await store.read(file.key)
    except (NoSuchArtifact, NotAFile):
        return
    async with download:
        yield making.begin(file.name, download.info.size, download.info.modified)
        async for chunk in download:
            if len(chunk) > HEAVY:
                await asyncio.to_thread(making.add, chunk)
            else:
                making.add(chunk)
            yield chunk
        yield making.end()
