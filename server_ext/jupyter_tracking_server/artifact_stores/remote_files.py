"""What ``RemoteStore`` needs of a file system that is reached through the network (SFTP, HDFS, WebHDFS).

Paths are absolute, with slashes. Every method may raise ``StoreUnavailable``; whatever else a library says is
translated in the library's own file.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import NamedTuple, Protocol

from .base import ArtifactInfo, Entry

__all__ = ["Found", "Refused", "RemoteFiles", "Sink", "Source"]


class Refused(Exception):
    """The other side says no and not clearly why: most likely a file or folder is in the way."""


class Found(NamedTuple):
    """What is at a path: a folder, or a file with its ``info``."""

    is_folder: bool
    info: ArtifactInfo


class Sink(Protocol):
    """A new file that is being written."""

    async def write(self, chunk: bytes) -> None:
        """Append; it returns when there is room for more. StoreFull."""

    async def finish(self) -> object:
        """Everything written is there, and is there to stay. StoreFull."""

    async def abort(self) -> None:
        """Let go of it; the file itself is removed by others. Without effect after ``finish``."""


class Source(Protocol):
    """A file that is being read; a new file in its place is not seen.

    Attributes:
        info: of the file.
    """

    info: ArtifactInfo

    def chunks(self, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        """The bytes from ``start`` up to ``stop``; fewer if the file has become shorter."""

    async def close(self) -> None:
        """Let go of it."""


class RemoteFiles(Protocol):
    """A file system."""

    async def find(self, path: str) -> Found:
        """What is at a path; a link, pipe or device is as if it were not there. FileNotFoundError."""

    def scan(self, folder: str) -> AsyncIterator[Entry]:
        """What is in a folder, in any order; nothing if there is none."""

    async def create(self, path: str) -> Sink:
        """Make a new file. FileNotFoundError, StoreFull, NameTooLong."""

    async def open(self, path: str) -> Source:
        """Open a file. FileNotFoundError; Refused if it is a folder."""

    async def make_folder(self, path: str) -> None:
        """Make a folder. FileNotFoundError: those above are not there. Refused: something is there."""

    async def replace(self, source: str, target: str) -> ArtifactInfo:
        """Put a file where another may be, and have it at once and whole there.

        Returns:
            what is known of the file, whose ``etag`` is another than that of the file before.

        Raises:
            FileNotFoundError: the source or the target's folder is not there.
            Refused, NameTooLong
        """

    async def move(self, source: str, target: str) -> None:
        """Give a file or folder a path where nothing is. FileNotFoundError, Refused."""

    async def remove_empty(self, folder: str) -> bool:
        """Remove a folder that has nothing in it; False if it has, or cannot be removed."""

    async def remove(self, path: str) -> None:
        """Remove a file, or a folder with all below; nothing happens if there is none."""

    async def join(self, sources: Sequence[str], target: str) -> bool:
        """Make a new file of others, one after another, without the bytes coming here; False if it cannot."""

    async def close(self) -> None:
        """Give back what it holds."""
