"""What is uploaded: a file, or bytes in memory; read in pieces, and known to have stayed the same."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import IO, Protocol

from ..protocol.errors import InvalidState
from .transport import CHUNK, Readable

Counted = Callable[[int], None]
"""Called with each number of bytes that has been read."""


class FileChanged(InvalidState):
    """A file was written to while it was being uploaded."""


class Source(Protocol):
    """Bytes to upload; ``size`` of them."""

    size: int

    def open(self, start: int, stop: int, counted: Counted) -> Readable:
        """The bytes from ``start`` up to, and without, ``stop``."""

    def check(self) -> None:
        """Raise ``FileChanged`` if the bytes may not be what they were at the beginning."""


class FileSource:
    """A file on the disk."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._state = self._now()
        self.size = self._state[0]

    def open(self, start: int, stop: int, counted: Counted) -> Readable:
        """Some of its bytes; ``FileChanged`` while reading if it has become shorter."""
        file = self._path.open("rb", buffering=0)
        file.seek(start)
        return Section(file, stop - start, counted, self._changed)

    def check(self) -> None:
        """Raise ``FileChanged`` if its size or time is another."""
        if self._now() != self._state:
            raise self._changed()

    def _now(self) -> tuple[int, int, int]:
        found = self._path.stat()
        return found.st_size, found.st_mtime_ns, found.st_ino

    def _changed(self) -> FileChanged:
        return FileChanged(
            f"{self._path} changed while it was being uploaded; log it again when it is written."
        )


class BytesSource:
    """Bytes in memory, which do not change."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.size = len(content)

    def open(self, start: int, stop: int, counted: Counted) -> Readable:
        """Some of them."""
        file = io.BytesIO(self._content)  # shares the bytes
        file.seek(start)
        return Section(file, stop - start, counted, lambda: FileChanged("Bytes are missing."))

    def check(self) -> None:
        """They are the same."""


class Section:
    """A stretch of an open file; its length lets ``requests`` send a Content-Length."""

    def __init__(
        self, file: IO[bytes], size: int, counted: Counted, changed: Callable[[], FileChanged]
    ) -> None:
        self._file = file
        self._left = size
        self._counted = counted
        self._changed = changed

    def __len__(self) -> int:
        return self._left

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes. A file that ends too early is an error: a server would wait for the rest."""
        wanted = self._left if size < 0 else min(size, self._left)
        if not wanted:
            return b""
        block = self._file.read(wanted)
        if not block:
            raise self._changed()
        self._left -= len(block)
        self._counted(len(block))
        return block

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


def read_all(source: Source) -> bytes:
    """A small source, whole."""
    section = source.open(0, source.size, lambda _: None)
    try:
        blocks = []
        while block := section.read(CHUNK):
            blocks.append(block)
        return b"".join(blocks)
    finally:
        section.close()
