"""What the stores of flat keys have in common: S3, GCS, Azure, over obstore.

A key is the path of an object, as it is. A folder is what paths have in common up to a slash. Whether a file
and a folder share a name is not looked for.
"""

from __future__ import annotations

import mimetypes
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import obstore

from .base import ArtifactInfo, ByteRange, Entry, Page, Signer, Span, Upload
from .errors import NameTooLong, NoSuchArtifact, NotAFile, RangeNotSatisfiable
from .keys import Key
from .object_errors import RangeRefused, translated
from .object_transfer import ObjectDownload, ObjectUpload, Share

if TYPE_CHECKING:
    from obstore import Attributes, GetOptions, GetResult
    from obstore.store import ClientConfig, RetryConfig
    from obstore.store import ObjectStore as Backend

__all__ = ["Listed", "ObjectStore", "Writing", "client_options", "retry_config"]

UPLOADS = ".uploads"
PAGE = 1000
SECONDS = 60.0
"""After so long without a byte an operation ends."""
BEYOND = 2**62
"""Longer than any object, and a number that obstore can take."""


class Listed(NamedTuple):
    """A page of a listing as the store gives it: paths below the folder asked for.

    Attributes:
        files: paths with their sizes.
        folders: paths, with a slash at the end.
        cursor: leads to the next page; ``""`` if there is none.
    """

    files: list[tuple[str, int]]
    folders: list[str]
    cursor: str


class Writing(NamedTuple):
    """What goes with the bytes of an object."""

    attributes: Attributes
    tags: dict[str, str] | None = None


def client_options(stall: float = SECONDS) -> ClientConfig:
    """How obstore reaches a store: no limit on the length of a transfer, but on its pauses.

    Args:
        stall: seconds without a byte.
    """
    return {
        "connect_timeout": timedelta(seconds=5),
        "read_timeout": timedelta(seconds=stall),
        # It counts from the beginning, and a slow client may take days for its download.
        "timeout": timedelta(days=30),
    }


def retry_config() -> RetryConfig:
    """Three tries within some 20 seconds."""
    backoff = timedelta(milliseconds=200)
    return {
        "max_retries": 2,
        "retry_timeout": timedelta(seconds=20),
        "backoff": {"init_backoff": backoff, "max_backoff": timedelta(seconds=5), "base": 3},
    }


class ObjectStore(ABC):
    """Artifacts as the objects of a bucket or container.

    A subclass says how to list a page and how to delete a folder, brings the parts, and may add a signer and
    what goes with each object (``_writing``).

    Args:
        backend: the bucket, as obstore has it.
        url: the place, prefix included, without a slash at its end.
        prefix: what all paths begin with; ``""`` or ending in a slash.
        stall: seconds without a byte after which an operation ends; the backend knows them, too.
    """

    longest_path = 1024
    """Bytes of UTF-8 that a path may have."""

    def __init__(self, backend: Backend, url: str, prefix: str, stall: float = SECONDS) -> None:
        self.url = url
        self.signer: Signer | None = None
        self.prefix = prefix
        self._backend = backend
        self._stall = stall

    @abstractmethod
    async def _page(self, folder: str, cursor: str, limit: int) -> Listed:
        """What is directly below a path that is empty or ends in a slash, in the order of the paths."""

    @abstractmethod
    async def _delete_below(self, folder: str) -> bool:
        """Delete all paths that begin with this one, which ends in a slash; False if there were none."""

    def path(self, key: Key) -> str:
        """The path of the object.

        Raises:
            NameTooLong
        """
        path = self.prefix + "/".join(key)
        if len(path.encode()) > self.longest_path:
            raise NameTooLong(key)
        return path

    async def create(self, key: Key, size: int | None = None) -> Upload:
        """Begin to write an artifact; ``size`` is about what will come, needed beyond 48 GiB only."""
        return ObjectUpload(partial(self._put, key, self.path(key)), size)

    async def read(self, key: Key, part: ByteRange | None = None) -> ObjectDownload:
        """Begin to read an artifact."""
        path = self.path(key)
        options: GetOptions = {}
        if part is not None:
            if part.first is None or part.first >= BEYOND:
                # Not every store takes a range from the end.
                info = await self.info(key)
                options = {"range": part.within(info.size), "if_match": info.etag}
            elif part.last is None or part.last >= BEYOND:
                options = {"range": {"offset": part.first}}
            else:
                options = {"range": (part.first, part.last + 1)}
        try:
            result = await self._get(key, path, options)
        except RangeRefused:
            raise RangeNotSatisfiable((await self.info(key)).size) from None

        async def reopen(span: Span, etag: str) -> GetResult:
            rest: GetOptions = {"range": span, "if_match": etag or None}
            return await obstore.get_async(self._backend, path, options=rest)

        return ObjectDownload(result, reopen, self._stall)

    async def info(self, key: Key) -> ArtifactInfo:
        """What is known of an artifact."""
        try:
            with translated("reading", key):
                meta = await obstore.head_async(self._backend, self.path(key))
        except NoSuchArtifact:
            raise await self._missing(key) from None
        return ArtifactInfo(meta["size"], meta["e_tag"] or "", meta["last_modified"].timestamp())

    async def entries(self, folder: Key, cursor: str = "", limit: int = PAGE) -> Page:
        """Some of what is directly in a folder."""
        path = self._folder(folder)
        listed = await self._page(path, cursor, max(1, min(limit, PAGE)))
        found = [(name, Entry(name[len(path) :], size)) for name, size in listed.files]
        found += [(name, Entry(name[len(path) : -1], None)) for name in listed.folders]
        found.sort(key=lambda line: line[0].encode())
        hidden = {"", ".", ".."} | ({UPLOADS} if not folder else set())
        return Page([entry for _, entry in found if entry.name not in hidden], listed.cursor)

    async def delete(self, key: Key) -> bool:
        """Remove an artifact, or a folder with all below; False if there was nothing."""
        if not key:
            raise ValueError("The root of a store is never deleted.")
        path = self.path(key)
        there = True
        try:
            with translated("deleting", key):
                await obstore.head_async(self._backend, path)
                await obstore.delete_async(self._backend, path)
        except NoSuchArtifact:
            there = False
        below = await self._delete_below(f"{path}/")
        return there or below

    @abstractmethod
    async def close(self) -> None:
        """Give back what the store holds."""

    def _writing(self, key: Key) -> Writing:
        """What goes with an artifact's bytes: its type, guessed from its name."""
        kind, encoding = mimetypes.guess_type(key[-1])
        packed = "application/gzip" if encoding == "gzip" else "application/octet-stream"
        return Writing({"Content-Type": packed if encoding or not kind else kind})

    def _folder(self, folder: Key) -> str:
        """What the paths of all in a folder begin with."""
        return f"{self.prefix}{'/'.join(folder)}/" if folder else self.prefix

    async def _missing(self, key: Key) -> NoSuchArtifact | NotAFile:
        """Why there is no artifact at this key."""
        below = await self._page(self._folder(key), "", 1)
        return NotAFile(key) if below.files or below.folders else NoSuchArtifact(key)

    async def _get(self, key: Key, path: str, options: GetOptions) -> GetResult:
        try:
            with translated("reading", key):
                return await obstore.get_async(self._backend, path, options=options)
        except NoSuchArtifact:
            raise await self._missing(key) from None

    async def _put(
        self, key: Key, path: str, content: bytes | AsyncIterator[bytes], share: Share | None
    ) -> str:
        writing = self._writing(key)
        with translated("writing", key):
            result = await obstore.put_async(
                self._backend,
                path,
                content,
                attributes=writing.attributes,
                tags=writing.tags,
                use_multipart=share is not None,
                chunk_size=share.part if share else 2**20,
                max_concurrency=share.concurrency if share else 1,
            )
        return result["e_tag"] or ""
