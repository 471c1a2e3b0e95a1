"""The ``RemoteFiles`` of HDFS in its own protocol, by hdfs-native: no Java and no Hadoop needed here."""

from __future__ import annotations

import contextlib
import itertools
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from functools import partial
from typing import TypeVar

from hdfs_native import Client, FileReader, FileStatus, FileWriter, WriteOptions

from .base import ArtifactInfo, Entry
from .errors import StoreFull, StoreUnavailable
from .remote_files import Found, Refused, Sink, Source
from .remote_threads import RemoteThreads

__all__ = ["HdfsFiles"]

T = TypeVar("T")

NAMES_AT_ONCE = 1000
OPEN_TRIES = 3
FULL = ("DSQuotaExceededException", "NSQuotaExceededException", "QuotaByStorageTypeExceededException")
UNAVAILABLE = ("AccessControlException", "StandbyException", "SafeModeException", "RetriableException")
log = logging.getLogger("jupyter_tracking")


class HdfsFiles:
    """The files of a cluster.

    Args:
        client: its methods wait, so they run in ``threads``. (Its sibling for event loops panics where a name
            node does not answer.)
        durable: a finished file is on the data nodes' disks.
    """

    def __init__(self, client: Client, threads: RemoteThreads, *, durable: bool) -> None:
        self._client = client
        self._threads = threads
        self._durable = durable

    async def find(self, path: str) -> Found:
        """What is at a path."""
        return _found(await self._ask(lambda: self._client.get_file_info(path)))

    async def scan(self, folder: str) -> AsyncIterator[Entry]:
        """What is in a folder, some names at a time."""
        try:
            names = await self._ask(lambda: iter(self._client.list_status(folder)))
            while some := await self._ask(lambda: list(itertools.islice(names, NAMES_AT_ONCE))):
                for status in some:
                    # Of a file, it lists the file itself.
                    if status.path.rstrip("/") != folder.rstrip("/"):
                        name = status.path.rpartition("/")[2]
                        yield Entry(name, None if status.isdir else status.length)
        except FileNotFoundError:
            return

    async def create(self, path: str) -> Sink:
        """Make a new file."""
        options = WriteOptions(overwrite=True, create_parent=False)
        writer = await self._ask(lambda: self._client.create(path, options))
        return _Sink(self._threads, writer, durable=self._durable)

    async def open(self, path: str) -> Source:
        """Open a file."""
        for _ in range(OPEN_TRIES):
            found = await self.find(path)
            if found.is_folder:
                raise Refused("a folder cannot be read")
            reader = await self._ask(lambda: self._client.read(path))
            if len(reader) == found.info.size:
                return _Source(self._threads, reader, found.info)
        raise StoreUnavailable

    async def make_folder(self, path: str) -> None:
        """Make a folder, and those above."""
        await self._ask(lambda: self._client.mkdirs(path, create_parent=True))

    async def replace(self, source: str, target: str) -> ArtifactInfo:
        """Put a file where another may be; its time, in milliseconds, is that of its last byte."""
        info = (await self.find(source)).info
        await self._ask(lambda: self._client.rename(source, target, overwrite=True))
        return info

    async def move(self, source: str, target: str) -> None:
        """Give a file or folder a path where nothing is."""
        await self._ask(lambda: self._client.rename(source, target))

    async def remove_empty(self, folder: str) -> bool:
        """Remove a folder that has nothing in it."""
        try:
            return await self._ask(lambda: self._client.delete(folder))
        except (FileNotFoundError, Refused):
            return False

    async def remove(self, path: str) -> None:
        """Remove a file, or a folder with all below."""
        await self._ask(lambda: self._client.delete(path, recursive=True))

    async def join(self, sources: Sequence[str], target: str) -> bool:  # noqa: ARG002 - as the protocol has it
        """The library has no ``concat``."""
        return False

    async def close(self) -> None:
        """End the threads."""
        await self._threads.stop()

    async def _ask(self, work: Callable[[], T]) -> T:
        return await self._threads.run(partial(_answer, work))


class _Sink:
    """A file that is being written; the library sends it on to the data nodes as it comes."""

    def __init__(self, threads: RemoteThreads, writer: FileWriter, *, durable: bool) -> None:
        self._threads = threads
        self._writer = writer
        self._durable = durable

    async def write(self, chunk: bytes) -> None:
        try:
            await self._threads.run(partial(_answer, lambda: self._writer.write(chunk)))
        except (FileNotFoundError, Refused) as error:
            raise StoreUnavailable from error

    async def finish(self) -> None:
        try:
            await self._threads.run(partial(_answer, self._settle))
        except (FileNotFoundError, Refused) as error:
            raise StoreUnavailable from error

    async def abort(self) -> None:
        """Nothing to do: who removes the file ends its lease."""

    def _settle(self) -> None:
        if self._durable:
            # Of an erasure-coded file it cannot be said; what else may be wrong, closing says as well.
            with contextlib.suppress(RuntimeError):
                self._writer.hsync()
        self._writer.close()


class _Source:
    """A file that is being read."""

    def __init__(self, threads: RemoteThreads, reader: FileReader, info: ArtifactInfo) -> None:
        self.info = info
        self._threads = threads
        self._reader = reader

    def chunks(self, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        return self._threads.chunks(self._pieces(start, stop))

    async def close(self) -> None:
        """The library lets go of it by itself."""

    def _pieces(self, start: int, stop: int) -> Iterator[bytes]:
        pieces = _answer(lambda: iter(self._reader.read_range_stream(start, stop - start)))
        while piece := _answer(lambda: next(pieces, b"")):
            yield piece


def _found(status: FileStatus) -> Found:
    etag = f'"{status.length:x}-{status.modification_time:x}"'
    return Found(status.isdir, ArtifactInfo(status.length, etag, status.modification_time / 1000))


def _answer(work: Callable[[], T]) -> T:
    """Do something, and say what the library raises in the words of ``remote_files.py``."""
    try:
        return work()
    except FileNotFoundError as error:
        if "is not a file" in str(error):
            raise Refused(str(error)) from error
        raise
    except FileExistsError as error:
        raise Refused(str(error)) from error
    except (RuntimeError, OSError) as error:
        said = str(error)
        if any(name in said for name in FULL):
            raise StoreFull from error
        if said.startswith("RPCError") and not any(name in said for name in UNAVAILABLE):
            raise Refused(said) from error
        log.warning("HDFS does not serve: %s", said.partition("\\n")[0][:300])
        raise StoreUnavailable from error
