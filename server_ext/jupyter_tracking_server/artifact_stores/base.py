"""The seam between the server and the bytes: what every artifact store can do.

An *artifact* is a file, a *folder* is what several keys share at their beginning; a folder without artifacts
is not there. A *key* is the tuple of segments that names an artifact below the store's root. Its segments
have been judged (``services/artifact_paths.py``): none is empty, ``.``, ``..`` or holds a slash, a backslash
or a control character. An artifact is whole or absent: nobody sees part of an upload.

    StoreError (a mark on the protocol's errors; the message is safe to show)
    ├── NoSuchArtifact        there is nothing at this key
    ├── NotAFile              there is a folder at this key
    ├── NotAFolder            a file stands where the key wants a folder
    ├── NameTooLong           the store cannot hold a key as long as this
    ├── IncompleteUpload      fewer or more bytes came than were announced
    ├── StoreFull             no room; reads go on
    └── RangeNotSatisfiable   the part asked for begins after the end

A store that finds out in the middle of a read that it cannot go on raises ``BrokenRead``: the reply has
begun, so the connection is cut rather than a short file completed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeAlias

from jupyter_tracking.protocol.errors import (
    BadRequest,
    InvalidParameterValue,
    ResourceDoesNotExist,
    TemporarilyUnavailable,
)

__all__ = [
    "ArtifactInfo",
    "ArtifactStore",
    "BrokenRead",
    "ByteRange",
    "Download",
    "Entry",
    "IncompleteUpload",
    "Key",
    "NameTooLong",
    "NoSuchArtifact",
    "NotAFile",
    "NotAFolder",
    "RangeNotSatisfiable",
    "Span",
    "StoreError",
    "StoreFull",
    "Upload",
    "text",
]

Key: TypeAlias = tuple[str, ...]


def text(key: Key) -> str:
    """A key as people write it."""
    return "/".join(key)


class StoreError(Exception):
    """Marks the errors that a store raises on purpose."""


class NoSuchArtifact(StoreError, ResourceDoesNotExist):
    """There is nothing at this key."""

    def __init__(self, key: Key) -> None:
        super().__init__(f"No such artifact: '{text(key)}'")


class NotAFile(StoreError, InvalidParameterValue):
    """There is a folder at this key."""

    def __init__(self, key: Key) -> None:
        super().__init__(f"'{text(key)}' is a folder, not a file.")


class NotAFolder(StoreError, InvalidParameterValue):
    """A file stands where the key wants a folder."""

    def __init__(self, key: Key) -> None:
        super().__init__(f"A part of '{text(key)}' is a file, and cannot hold other files.")


class NameTooLong(StoreError, InvalidParameterValue):
    """The store cannot hold a key as long as this."""

    def __init__(self, key: Key) -> None:
        super().__init__(
            f"Invalid path: its {len(text(key).encode())} bytes are more than the store can hold."
        )


class IncompleteUpload(StoreError, BadRequest):
    """Fewer or more bytes came than were announced, or the client went."""

    def __init__(self, received: int) -> None:
        super().__init__(f"The upload ended after {received} bytes, not where it should; nothing was stored.")


class StoreFull(StoreError, TemporarilyUnavailable):
    """No room; reads go on."""

    def __init__(self) -> None:
        super().__init__("The artifact store is full; nothing was stored.", retry_after=30)


class RangeNotSatisfiable(StoreError, InvalidParameterValue):
    """The part asked for begins after the end of the ``size`` bytes."""

    def __init__(self, size: int) -> None:
        super().__init__(f"The range asked for begins after the end of the artifact, which has {size} bytes.")
        self.size = size


class BrokenRead(StoreError):
    """The store cannot go on with a read that has begun."""


class Span(NamedTuple):
    """The bytes from ``start`` up to, and without, ``stop``."""

    start: int
    stop: int


@dataclass(frozen=True)
class ByteRange:
    """A part of an artifact whose size is not yet known.

    Attributes:
        first: the first byte, or None for the last ``last`` bytes.
        last: the last byte (inclusive), or None for all up to the end.
    """

    first: int | None
    last: int | None

    def within(self, size: int) -> Span:
        """The bytes meant, of an artifact with ``size`` bytes.

        Raises:
            RangeNotSatisfiable: there is none.
        """
        if self.first is None:
            start, stop = max(0, size - (self.last or 0)), size
        else:
            start, stop = self.first, size if self.last is None else min(self.last + 1, size)
        if start >= stop:
            raise RangeNotSatisfiable(size)
        return Span(start, stop)


@dataclass(frozen=True)
class ArtifactInfo:
    """What is known of an artifact without reading it.

    Attributes:
        size: bytes.
        etag: changes whenever the bytes do; quoted, as HTTP writes it.
        modified: seconds since the epoch.
    """

    size: int
    etag: str
    modified: float


class Entry(NamedTuple):
    """One line of a listing: ``size`` in bytes, None for a folder."""

    name: str
    size: int | None


class Upload(ABC):
    """An artifact on its way in. Leaving ``async with`` without ``finish`` drops what came so far."""

    @abstractmethod
    async def write(self, chunk: bytes) -> None:
        """Take the next bytes; it returns when the store is ready for more (back-pressure)."""

    @abstractmethod
    async def finish(self, expected: int | None = None) -> None:
        """Make the artifact visible, replacing what was there.

        Args:
            expected: bytes announced, if they were.

        Raises:
            IncompleteUpload: another number of bytes came, or the upload was aborted.
            NotAFile, NotAFolder, NameTooLong: the key cannot be written to (``write`` may say so already).
            StoreFull: no room (``write`` may say so already).
        """

    @abstractmethod
    async def abort(self) -> None:
        """Drop what came so far; without effect after ``finish``, and when called again."""

    async def __aenter__(self) -> Upload:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.abort()


class Download(ABC):
    """An artifact, or part of it, on its way out; iterate once, and close it in any case.

    Attributes:
        info: of the whole artifact.
        span: the part that the chunks are.
    """

    info: ArtifactInfo
    span: Span

    @abstractmethod
    def __aiter__(self) -> AsyncIterator[bytes]:
        """The bytes in order; ``BrokenRead`` if the store cannot go on."""

    @abstractmethod
    async def close(self) -> None:
        """Give back what the read holds; may be called again."""

    async def __aenter__(self) -> Download:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


class ArtifactStore(Protocol):
    """Bytes by key. Nothing here blocks the event loop."""

    async def create(self, key: Key) -> Upload:
        """Begin to write an artifact."""

    async def read(self, key: Key, part: ByteRange | None = None) -> Download:
        """Begin to read an artifact.

        Raises:
            NoSuchArtifact, NotAFile, RangeNotSatisfiable
        """

    async def info(self, key: Key) -> ArtifactInfo:
        """What is known of an artifact.

        Raises:
            NoSuchArtifact, NotAFile
        """

    async def entries(self, folder: Key) -> list[Entry]:
        """What is directly in a folder, by name; ``()`` is the root. Nothing for a file or nothing."""

    async def delete(self, key: Key) -> bool:
        """Remove an artifact, or a folder with all below; False if there was nothing. Never the root."""

    async def close(self) -> None:
        """Finish what is running and give back what the store holds."""
