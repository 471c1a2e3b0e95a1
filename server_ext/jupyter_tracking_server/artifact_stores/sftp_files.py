"""The ``RemoteFiles`` of an SFTP server, in the words of its protocol's version 3, which OpenSSH speaks."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from typing import TypeVar

import asyncssh

from .base import ArtifactInfo, Entry
from .errors import StoreUnavailable
from .remote_files import Found, Refused, Sink, Source
from .sftp_sessions import IDLE_TIMEOUT, TRIES, LoopThread, Lost, Session, Sessions, answered
from .sftp_transfer import OpenFile, SftpSink, SftpSource, found_in

__all__ = ["SftpFiles"]

T = TypeVar("T")

COPIED_AT_ONCE = 2**24
"""Bytes of one copy within the server, which answers nothing else on that connection meanwhile."""
NAMES_AT_ONCE = 1000
REMOVED_AT_ONCE = 32
TURNS = 64


class SftpFiles:
    """The files of a server.

    Its times have whole seconds only. So that a file's ``etag`` differs from that of the one before, it gets
    a later time than that had.

    Args:
        thread: where ``sessions`` live; it is stopped in the end.
        durable: a finished file is on the server's disk, if the server can be told so
            (``fsync@openssh.com``).
    """

    def __init__(self, thread: LoopThread, sessions: Sessions, *, durable: bool) -> None:
        self._thread = thread
        self._sessions = sessions
        self._durable = durable
        self._turns = [asyncio.Lock() for _ in range(TURNS)]

    async def find(self, path: str) -> Found:
        """What is at a path."""
        return found_in(await self._ask(lambda client: client.lstat(path)))

    async def scan(self, folder: str) -> AsyncIterator[Entry]:
        """What is in a folder."""
        async for names in self._names(folder):
            for name in names:
                with contextlib.suppress(FileNotFoundError, UnicodeDecodeError):
                    found = found_in(name.attrs)
                    yield Entry(_decoded(name), None if found.is_folder else found.info.size)

    async def create(self, path: str) -> Sink:
        """Make a new file."""
        file = OpenFile(self._sessions, path)
        await self._thread.run(file.open("wb"))
        return SftpSink(self._thread, file, durable=self._durable)

    async def open(self, path: str) -> Source:
        """Open a file."""
        found = await self.find(path)
        if found.is_folder:
            raise Refused("a folder cannot be read")
        file = OpenFile(self._sessions, path)
        await self._thread.run(file.open("rb"))
        try:
            opened = await self._thread.run(file.use(lambda open_: open_.stat(), "rb"))
            return SftpSource(self._thread, file, found_in(opened).info)
        except BaseException:
            await self._thread.run(file.close())
            raise

    async def make_folder(self, path: str) -> None:
        """Make a folder."""
        await self._ask(lambda client: client.mkdir(path))

    async def replace(self, source: str, target: str) -> ArtifactInfo:
        """Put a file where another may be."""
        # Two at once would see the same file before theirs.
        async with self._turns[hash(target) % TURNS]:
            return await self._ask(partial(_replace, source, target), tries=1)

    async def move(self, source: str, target: str) -> None:
        """Give a file or folder a path where nothing is."""
        await self._ask(lambda client: client.posix_rename(source, target), tries=1)

    async def remove_empty(self, folder: str) -> bool:
        """Remove a folder that has nothing in it."""
        try:
            await self._ask(lambda client: client.rmdir(folder))
        except (FileNotFoundError, Refused):
            return False
        return True

    async def remove(self, path: str) -> None:
        """Remove a file, or a folder with all below."""
        try:
            await self._ask(lambda client: client.remove(path))
        except FileNotFoundError:
            return
        except (Refused, StoreUnavailable):
            # Of a folder, some systems say that it may not be done.
            await self._remove_folder(path)

    async def join(self, sources: Sequence[str], target: str) -> bool:
        """Make a new file of others by ``copy-data``, which OpenSSH has since 9.0."""
        work = partial(_join, sources, target, durable=self._durable)
        return await self._ask(work, tries=1, timeout=None)

    async def close(self) -> None:
        """End the connections and the thread."""
        await self._thread.run(self._sessions.close())
        await asyncio.to_thread(self._thread.stop)

    async def _ask(
        self,
        work: Callable[[asyncssh.SFTPClient], Awaitable[T]],
        *,
        tries: int = TRIES,
        timeout: float | None = IDLE_TIMEOUT,
    ) -> T:
        return await self._thread.run(self._sessions.ask(work, tries, timeout))

    async def _remove_folder(self, folder: str) -> None:
        # A server may leave out names of a folder from which something is removed while it is read.
        removed = True
        while removed and not await self.remove_empty(folder):
            removed = False
            async for names in self._names(folder):
                for start in range(0, len(names), REMOVED_AT_ONCE):
                    some = names[start : start + REMOVED_AT_ONCE]
                    await asyncio.gather(*(self.remove(f"{folder}/{_decoded(name)}") for name in some))
                    removed = True

    async def _names(self, folder: str) -> AsyncIterator[list[asyncssh.SFTPName]]:
        """What is in a folder, some at a time; nothing if it is none."""
        scan = _Scan(self._sessions, folder)
        try:
            while names := await self._thread.run(scan.next()):
                yield names
        except (FileNotFoundError, Refused):
            return
        except Lost as error:
            raise StoreUnavailable from error
        finally:
            await self._thread.run(scan.close())


class _Scan:
    """A reading of a folder on some session."""

    def __init__(self, sessions: Sessions, folder: str) -> None:
        self._sessions = sessions
        self._folder = folder
        self._session: Session | None = None
        self._names: AsyncIterator[asyncssh.SFTPName] | None = None

    async def next(self) -> list[asyncssh.SFTPName]:
        """The next names; none at the end."""
        if self._session is None or self._names is None:
            self._session = await self._sessions.take()
            # Bytes, as another program may have made names that are no text.
            self._names = self._session.client.scandir(self._folder.encode())
        return await answered(self._some(self._names))

    async def close(self) -> None:
        """Give back the session."""
        if self._session is not None:
            self._sessions.give(self._session)
            self._session = None

    async def _some(self, names: AsyncIterator[asyncssh.SFTPName]) -> list[asyncssh.SFTPName]:
        found: list[asyncssh.SFTPName] = []
        async for name in names:
            if name.filename not in {b".", b".."}:
                found.append(name)
                if len(found) == NAMES_AT_ONCE:
                    break
        return found


def _decoded(name: asyncssh.SFTPName) -> str:
    filename = name.filename
    return filename.decode() if isinstance(filename, bytes) else filename


async def _replace(source: str, target: str, client: asyncssh.SFTPClient) -> ArtifactInfo:
    new = found_in(await client.lstat(source))
    with contextlib.suppress(asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath, FileNotFoundError):
        old = found_in(await client.lstat(target))
        if not old.is_folder and old.info.modified >= new.info.modified:
            later = int(old.info.modified) + 1
            await client.setstat(source, asyncssh.SFTPAttrs(atime=later, mtime=later))
            new = found_in(await client.lstat(source))
    await client.posix_rename(source, target)
    return new.info


async def _join(sources: Sequence[str], target: str, client: asyncssh.SFTPClient, *, durable: bool) -> bool:
    if not client.supports_remote_copy:
        return False
    position = 0
    async with client.open(target, "wb", encoding=None) as whole:
        for path in sources:
            async with client.open(path, "rb", encoding=None) as part:
                size = (await part.stat()).size or 0
                for start in range(0, size, COPIED_AT_ONCE):
                    length = min(COPIED_AT_ONCE, size - start)
                    copying = client.remote_copy(part, whole, start, length, position)
                    await asyncio.wait_for(copying, IDLE_TIMEOUT)
                    position += length
        if durable:
            with contextlib.suppress(asyncssh.SFTPOpUnsupported):
                await asyncio.wait_for(whole.fsync(), IDLE_TIMEOUT)
        if (await whole.stat()).size != position:
            raise StoreUnavailable
    return True
