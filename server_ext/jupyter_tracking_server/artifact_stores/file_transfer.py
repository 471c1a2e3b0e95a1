"""How bytes go into and out of the files of ``file.py``.

Threads get a mebibyte at a time, and disk and socket work at once: the next chunk is gathered while one is
written, and read while one is sent. A transfer holds two chunks at most.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
from collections.abc import AsyncIterator, Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

from .base import ArtifactInfo, Download, Span, Upload
from .errors import BrokenRead, IncompleteUpload
from .file_tree import FileTree, info_of, writing
from .keys import Key

__all__ = ["FileDownload", "FileUpload", "Sink", "WholeFile", "append", "fsync"]

T = TypeVar("T")

WRITE_CHUNK = 2**20
READ_CHUNK = 2**19
SYNC_EVERY = 64 * 2**20
"""Bytes after which an upload waits for the disk, so that the wait at its end stays short."""


class InThread(Protocol):
    """Runs blocking work in a thread."""

    def __call__(self, work: Callable[[], T]) -> Coroutine[Any, Any, T]: ...


class Sink(Protocol):
    """Where an upload's bytes go; everything here blocks, and one call comes after another."""

    def append(self, chunk: bytes) -> None:
        """Write the next bytes."""

    def publish(self) -> ArtifactInfo:
        """Make what came visible, or keep the part.

        Raises:
            FileNotFoundError: it was swept.
        """

    def discard(self) -> None:
        """Give back what is held, and drop what was not published; may be called again."""


class WholeFile:
    """A ``Sink`` for an artifact that comes as one stream: a file that is made when bytes come."""

    def __init__(self, tree: FileTree, key: Key) -> None:
        self._tree = tree
        self._key = key
        self._path: Path | None = None
        self._file: io.FileIO | None = None

    def append(self, chunk: bytes) -> None:
        """Write the next bytes."""
        _, file = self._open()
        with writing(self._key):
            append(file, chunk, durable=self._tree.durable)

    def publish(self) -> ArtifactInfo:
        """Rename the file to its key's path."""
        path, file = self._open()
        with file, writing(self._key):
            fsync(file, durable=self._tree.durable)
            info = info_of(os.fstat(file.fileno()))
        self._tree.publish(path, self._key)
        return info

    def discard(self) -> None:
        """Close the file, and remove it where it was gathered."""
        if self._file is not None:
            self._file.close()
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def _open(self) -> tuple[Path, io.FileIO]:
        if self._path is None or self._file is None:
            self._path, self._file = self._tree.new_upload(self._key)
        return self._path, self._file


class FileUpload(Upload):
    """Gathers a chunk, and takes the next one while a thread writes it.

    Args:
        sink: where the bytes go.
        in_thread: runs the sink's work.
        size: bytes that the upload must have, if that is known; more than that never reach the sink.
    """

    def __init__(self, sink: Sink, in_thread: InThread, size: int | None = None) -> None:
        self._sink = sink
        self._in_thread = in_thread
        self._size = size
        self._gathered: list[bytes] = []
        self._gathered_bytes = 0
        self._received = 0
        self._running: asyncio.Task[None] | None = None
        self._ended = False
        # A client may go, and abort, while another method is at work.
        self._turn = asyncio.Lock()

    async def write(self, chunk: bytes) -> None:
        """Take the next bytes."""
        async with self._turn:
            self._received += len(chunk)
            if self._ended or (self._size is not None and self._received > self._size):
                return
            self._gathered.append(chunk)
            self._gathered_bytes += len(chunk)
            if self._gathered_bytes >= WRITE_CHUNK:
                await self._settle()
                self._running = asyncio.create_task(self._in_thread(partial(self._append, self._take())))

    async def finish(self, expected: int | None = None) -> ArtifactInfo:
        """Make the artifact visible."""
        async with self._turn:
            try:
                await self._settle()
                if self._ended or not {expected, self._size} <= {None, self._received}:
                    raise IncompleteUpload(self._received)
                info = await self._in_thread(partial(self._publish, self._take()))
            except FileNotFoundError as error:
                raise IncompleteUpload(self._received) from error
            else:
                self._ended = True
                return info
            finally:
                await self._end()

    async def abort(self) -> None:
        """Drop what came so far."""
        async with self._turn:
            await self._end()

    async def _end(self) -> None:
        if not self._ended:
            self._ended = True
            with contextlib.suppress(Exception):
                await self._settle()
            await self._in_thread(self._sink.discard)

    def _take(self) -> list[bytes]:
        taken, self._gathered, self._gathered_bytes = self._gathered, [], 0
        return taken

    async def _settle(self) -> None:
        """Wait for the running write; what it raised is raised here."""
        if self._running is not None:
            running, self._running = self._running, None
            await running

    def _append(self, chunks: list[bytes]) -> None:
        self._sink.append(b"".join(chunks))

    def _publish(self, chunks: list[bytes]) -> ArtifactInfo:
        self._append(chunks)
        return self._sink.publish()


class FileDownload(Download):
    """Reads the next chunk while the one before is being sent. Made in a thread: it reads the first one."""

    def __init__(self, file: io.FileIO, info: ArtifactInfo, span: Span, in_thread: InThread) -> None:
        self.info = info
        self.span = span
        self._file = file
        self._in_thread = in_thread
        self._running: asyncio.Task[bytes] | None = None
        self._first = self._read(span.start)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The bytes in order."""
        chunk, self._first = self._first, b""
        position = self.span.start
        while position < self.span.stop:
            if not chunk:
                raise BrokenRead("the file was cut while it was being read")
            position += len(chunk)
            if position < self.span.stop:
                self._running = asyncio.create_task(self._in_thread(partial(self._read, position)))
            yield chunk
            if self._running is not None:
                chunk, self._running = await self._running, None

    async def close(self) -> None:
        """Close the file."""
        if self._running is not None:
            # The descriptor may not be closed, and its number used again, under a running read.
            running, self._running = self._running, None
            await asyncio.wait([running])
        self._file.close()

    def _read(self, position: int) -> bytes:
        return os.pread(self._file.fileno(), min(READ_CHUNK, self.span.stop - position), position)


def append(file: io.FileIO, chunk: bytes, *, durable: bool) -> None:
    """Write all of a chunk where the file stands, and now and then wait for the disk."""
    before = file.tell()
    rest = memoryview(chunk)
    while rest:
        rest = rest[file.write(rest) :]
    if before // SYNC_EVERY != (before + len(chunk)) // SYNC_EVERY:
        fsync(file, durable=durable)


def fsync(file: io.FileIO, *, durable: bool) -> None:
    """Wait until the disk has the file, if that is wanted."""
    if durable:
        os.fsync(file.fileno())
