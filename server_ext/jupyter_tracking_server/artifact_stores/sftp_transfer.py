"""How bytes go into and out of the files of an SFTP server.

A mebibyte at a time goes over, as several requests at once. A lost connection is made again and the transfer
goes on where it was, if the file is still the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import TypeVar

import asyncssh

from .base import ArtifactInfo
from .errors import BrokenRead, StoreFull, StoreUnavailable
from .remote_files import Found, Refused
from .sftp_sessions import TRIES, LoopThread, Lost, Session, Sessions, answered

__all__ = ["OpenFile", "SftpSink", "SftpSource", "found_in"]

T = TypeVar("T")

CHUNK = 2**20
READ_AHEAD = 2
"""Chunks that are on their way while one is being sent to the client."""
log = logging.getLogger("jupyter_tracking")


def found_in(attributes: asyncssh.SFTPAttrs) -> Found:
    """What a server said of a path.

    Raises:
        FileNotFoundError: it is neither a file nor a folder.
    """
    is_folder = attributes.type == asyncssh.FILEXFER_TYPE_DIRECTORY
    if not is_folder and attributes.type != asyncssh.FILEXFER_TYPE_REGULAR:
        raise FileNotFoundError
    size, modified = attributes.size or 0, attributes.mtime or 0
    return Found(is_folder, ArtifactInfo(size, f'"{size:x}-{modified:x}"', modified))


class OpenFile:
    """A file that is open on a session, and is opened on another one when that is lost.

    Everything happens on the sessions' event loop.

    Attributes:
        opened: how often.
    """

    def __init__(self, sessions: Sessions, path: str) -> None:
        self.path = path
        self.opened = 0
        self._sessions = sessions
        self._session: Session | None = None
        self._file: asyncssh.SFTPClientFile | None = None
        self._opening = asyncio.Lock()

    async def open(self, mode: str) -> None:
        """Open it on some session. FileNotFoundError, Refused, StoreUnavailable."""
        await self._tried(lambda: self._open(mode))

    async def use(self, work: Callable[[asyncssh.SFTPClientFile], Awaitable[T]], mode: str) -> T:
        """Do something that may be done again.

        Args:
            work: what to do.
            mode: how to open it again.
        """

        async def attempt() -> T:
            async with self._opening:
                file = self._file or await self._open(mode)
            return await answered(work(file))

        return await self._tried(attempt)

    async def room(self) -> int:
        """Bytes that the server's disk has left for us; 1 TiB if it does not say."""
        try:
            free = await self.use(lambda file: file.statvfs(), "r+b")
        except (Refused, FileNotFoundError, StoreUnavailable):
            return 2**40
        return free.bavail * free.frsize

    async def close(self) -> None:
        """Let go of it."""
        file, self._file = self._file, None
        session, self._session = self._session, None
        if session is not None:
            self._sessions.give(session)
        if file is not None:
            await answered(file.close())

    async def _tried(self, work: Callable[[], Awaitable[T]]) -> T:
        for last in reversed(range(TRIES)):
            try:
                return await work()
            except Lost as error:  # noqa: PERF203 - each try costs a connection
                self._drop()
                if not last:
                    raise StoreUnavailable from error
        raise StoreUnavailable

    async def _open(self, mode: str) -> asyncssh.SFTPClientFile:
        session = self._session = await self._sessions.take()
        self.opened += 1
        try:
            file = self._file = await answered(session.client.open(self.path, mode, encoding=None))
        except Lost:
            raise
        except BaseException:
            self._session = None
            self._sessions.give(session)
            raise
        return file

    def _drop(self) -> None:
        session, self._session, self._file = self._session, None, None
        if session is not None:
            self._sessions.drop(session)
            self._sessions.give(session)


class SftpSink:
    """A file that is being written, chunk after chunk."""

    def __init__(self, thread: LoopThread, file: OpenFile, *, durable: bool) -> None:
        self._thread = thread
        self._file = file
        self._durable = durable
        self._written = 0

    async def write(self, chunk: bytes) -> None:
        """Append."""
        await self._thread.run(self._write(chunk))

    async def finish(self) -> None:
        """Everything written is there."""
        await self._thread.run(self._finish())

    async def abort(self) -> None:
        """Let go of it."""
        with contextlib.suppress(Lost, Refused, FileNotFoundError, StoreUnavailable):
            await self._thread.run(self._file.close())

    async def _write(self, chunk: bytes) -> None:
        position = self._written

        async def write(file: asyncssh.SFTPClientFile) -> None:
            await file.write(chunk, position)

        try:
            await self._file.use(write, "r+b")
        except FileNotFoundError as error:
            raise StoreUnavailable from error
        except Refused as error:
            # A full disk has no word of its own.
            if await self._file.room() < CHUNK:
                raise StoreFull from error
            log.warning("The SFTP server takes no more of an upload: %s", error)
            raise StoreUnavailable from error
        self._written += len(chunk)

    async def _finish(self) -> None:
        async def settle(file: asyncssh.SFTPClientFile) -> int:
            if self._durable:
                with contextlib.suppress(asyncssh.SFTPOpUnsupported):
                    await file.fsync()
            return (await file.stat()).size or 0

        try:
            size = await self._file.use(settle, "r+b")
            await self._file.close()
        except (Refused, FileNotFoundError, Lost) as error:
            raise StoreUnavailable from error
        if size != self._written:
            log.warning("The SFTP server has lost part of an upload.")
            raise StoreUnavailable


class SftpSource:
    """A file that is being read."""

    def __init__(self, thread: LoopThread, file: OpenFile, info: ArtifactInfo) -> None:
        self.info = info
        self._thread = thread
        self._file = file
        self._coming: deque[asyncio.Task[bytes]] = deque()

    async def chunks(self, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        """The bytes, some chunks of them asked for ahead."""
        position = start
        while True:
            while position < stop and len(self._coming) < READ_AHEAD:
                length = min(CHUNK, stop - position)
                self._coming.append(asyncio.create_task(self._thread.run(self._read(position, length))))
                position += length
            if not self._coming:
                return
            chunk = await self._coming.popleft()
            if not chunk:
                return
            yield chunk

    async def close(self) -> None:
        """Let go of it."""
        coming = list(self._coming)
        self._coming.clear()
        for task in coming:
            task.cancel()
        await asyncio.gather(*coming, return_exceptions=True)
        with contextlib.suppress(Lost, Refused, FileNotFoundError, StoreUnavailable):
            await self._thread.run(self._file.close())

    async def _read(self, position: int, length: int) -> bytes:
        async def read(file: asyncssh.SFTPClientFile) -> bytes:
            if self._file.opened > 1 and found_in(await file.stat()).info != self.info:
                raise BrokenRead("the file was replaced while it was being read")
            return await file.read(length, position)

        try:
            return await self._file.use(read, "rb")
        except (Refused, FileNotFoundError) as error:
            raise BrokenRead("the file went away while it was being read") from error
