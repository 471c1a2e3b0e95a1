"""The seam between the server and the bytes: what every artifact store can do.

An *artifact* is a file, a *folder* is what several keys share at their beginning; a folder without artifacts
is not there. A *key* is the tuple of segments that names an artifact below the store's root. Its segments
have been judged (``services/artifact_paths.py``): none is empty, ``.``, ``..`` or holds a slash, a backslash
or a control character. An artifact is whole or absent: nobody sees part of an upload.

An artifact comes in as one stream (``create``) or as numbered *parts*, in any order and from several
processes at once (``begin``, ``create_part``, ``complete``). What a dead process left of either is unseen,
and ``sweep`` removes it.

What can go wrong is in ``errors.py``.

A store whose keys are flat (S3, GCS, Azure) can hold a file and a folder of one name. It need not look for
that before each write; where it does meet the two, the file is what is read and both are listed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from .errors import RangeNotSatisfiable
from .keys import Key

__all__ = [
    "ArtifactInfo",
    "ArtifactStore",
    "ByteRange",
    "Download",
    "Entry",
    "Options",
    "Page",
    "Part",
    "Signed",
    "Signer",
    "Span",
    "Upload",
]


@dataclass(frozen=True, kw_only=True)
class Options:
    """How stores are opened; each takes what concerns it.

    Attributes:
        durable: an acknowledged upload survives a loss of power, too, where the store leaves that to us.
        role_arn: the AWS role that the server takes on to reach the store; ``""`` for none.
        role_external_id: what that role wants to hear.
        role_session_name: under which the role's acts are logged.
    """

    durable: bool = True
    role_arn: str = ""
    role_external_id: str = ""
    role_session_name: str = "jupyter-tracking"


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


class Page(NamedTuple):
    """Some lines of a listing; ``cursor`` leads to the next ones, ``""`` if there are none."""

    entries: list[Entry]
    cursor: str


class Part(NamedTuple):
    """A part that has come: its number from 1 on, its bytes, and what tells it from another."""

    number: int
    size: int
    etag: str


class Signed(NamedTuple):
    """An address that is good for one thing and a short time, and the headers to send with it."""

    url: str
    headers: dict[str, str]


class Upload(ABC):
    """An artifact on its way in. Leaving ``async with`` without ``finish`` drops what came so far."""

    @abstractmethod
    async def write(self, chunk: bytes) -> None:
        """Take the next bytes; it returns when the store is ready for more (back-pressure)."""

    @abstractmethod
    async def finish(self, expected: int | None = None) -> ArtifactInfo:
        """Make the artifact visible, replacing what was there; or keep the part.

        Args:
            expected: bytes announced, if they were.

        Returns:
            what ``info`` would say of it now; of a part, its ``etag`` and ``size``.

        Raises:
            IncompleteUpload: another number of bytes came, or the upload was aborted.
            NotAFile, NotAFolder, NameTooLong: the key cannot be written to (``write`` may say so already).
            StoreFull, StoreUnavailable: ``write`` may say so already.
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


class Signer(Protocol):
    """What stores can do whose own addresses may be handed out."""

    async def sign_read(self, key: Key, seconds: int) -> Signed:
        """Where the artifact can be fetched by GET."""

    async def sign_part(self, key: Key, upload: str, number: int, seconds: int) -> Signed:
        """Where a part can be sent by PUT; the answer's ``ETag`` header is the part's."""


class ArtifactStore(Protocol):
    """Bytes by key. Nothing here blocks the event loop. Any method may raise ``StoreUnavailable``.

    Attributes:
        url: the place as a URL that direct locations of artifacts begin with (``s3://bucket/folder``,
            ``file:///srv/artifacts``), without credentials and without a slash at its end.
        signer: makes addresses of the store itself; None if it has none.
    """

    url: str
    signer: Signer | None

    async def create(self, key: Key, size: int | None = None) -> Upload:
        """Begin to write an artifact, of about ``size`` bytes, if that is known.

        A store that must choose the size of its parts beforehand needs it for artifacts of tens of GiB.
        """

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

    async def entries(self, folder: Key, cursor: str = "", limit: int = 1000) -> Page:
        """Some of what is directly in a folder; ``()`` is the root. Nothing for a file or nothing.

        Page after page they are sorted by their names' UTF-8, a folder's as if it ended in a slash. Memory
        does not grow with how many there are.

        A page has up to ``limit`` entries, at most 1000; with fewer it may still not be the last. ``cursor``
        is the page's before.
        """

    async def delete(self, key: Key) -> bool:
        """Remove an artifact, or a folder with all below, however large; False if there was nothing.

        Interrupted, it has removed some of it, and can be called again. Never the root.
        """

    async def begin(self, key: Key) -> str:
        """Begin an upload in parts; its id, of letters, digits and ``-._~`` and under 1,000 characters.

        Raises:
            NotAFile, NotAFolder, NameTooLong: ``complete`` may say so as well.
        """

    async def create_part(self, key: Key, upload: str, number: int, size: int) -> Upload:
        """Begin to write a part of ``size`` bytes; whole, it replaces an earlier one of its number.

        Numbers go from 1 to 10,000.

        Raises:
            NoSuchUpload
        """

    async def parts(self, key: Key, upload: str) -> list[Part]:
        """The parts that have come whole, by number.

        Raises:
            NoSuchUpload
        """

    async def complete(self, key: Key, upload: str, parts: Sequence[Part]) -> ArtifactInfo:
        """Make one artifact of the parts, in their order; parts that are not named are dropped.

        The upload stays open if this fails.

        Args:
            key: as at ``begin``.
            upload: its id.
            parts: at least one, each as ``finish`` or ``parts`` told of it; their numbers ascend.

        Raises:
            NoSuchUpload, InvalidPart, NotAFile, NotAFolder, NameTooLong, StoreFull
        """

    async def abort(self, key: Key, upload: str) -> None:
        """Drop an upload in parts; without effect if there is none."""

    async def sweep(self, age: float) -> int:
        """Remove what uploads left in which nothing has happened for ``age`` seconds; how many there were."""

    async def close(self) -> None:
        """Finish what is running and give back what the store holds."""
