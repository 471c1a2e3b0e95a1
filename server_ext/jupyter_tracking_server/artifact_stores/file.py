"""Artifacts in a local folder. Blocking calls run in a small pool of threads.

``file_tree.py`` is what happens on the disk, ``file_parts.py`` the same for uploads in parts, and
``file_transfer.py`` how bytes go in and out.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ParamSpec, TypeVar
from urllib.parse import unquote, urlsplit

from .base import ArtifactInfo, ByteRange, Download, Options, Page, Part, Signer, Span, Upload
from .file_parts import FileParts
from .file_transfer import FileDownload, FileUpload, WholeFile
from .file_tree import FileTree
from .keys import Key
from .registry import UnusableDestination

__all__ = ["FileStore", "open_store"]

P = ParamSpec("P")
T = TypeVar("T")

THREADS = 8


def open_store(destination: str, options: Options) -> FileStore:
    """The store at a path or ``file:`` URL; the folder is made if it is not there.

    Raises:
        UnusableDestination: it is no folder of this machine, or cannot be made or written.
    """
    url = urlsplit(destination)
    if url.scheme.lower() != "file":
        path = destination
    elif url.netloc not in {"", "localhost"} or url.query or url.fragment:
        raise UnusableDestination(f"{destination} does not name a folder of this machine; use file:///path.")
    else:
        path = unquote(url.path)
    try:
        return FileStore(Path(path).expanduser(), durable=options.durable)
    except OSError as error:
        raise UnusableDestination(
            f"The folder {path} for artifacts cannot be used: {error.strerror}."
        ) from error


class FileStore:
    """An ``ArtifactStore`` in the folder ``root``.

    Args:
        root: made if it is not there; may itself be a symbolic link.
        durable: wait until the disk has an upload before it is acknowledged.
    """

    signer: Signer | None = None

    def __init__(self, root: Path, *, durable: bool = True) -> None:
        # Links stay as they are: a location must not change when the root's own link is set anew.
        self.url = Path(os.path.normpath(root.absolute())).as_uri().rstrip("/")
        self._tree = FileTree(root, durable=durable)
        self._parts = FileParts(self._tree)
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="artifact-file")

    async def create(self, key: Key, size: int | None = None) -> Upload:
        """Begin to write an artifact; the first mebibyte touches nothing but memory."""
        del size
        return FileUpload(WholeFile(self._tree, key), self._run)

    async def read(self, key: Key, part: ByteRange | None = None) -> Download:
        """Begin to read an artifact: one hop to a thread opens it and brings the first chunk."""
        return await self._run(lambda: self._start_read(key, part))

    async def info(self, key: Key) -> ArtifactInfo:
        """What is known of an artifact."""
        return await self._run(lambda: self._tree.info(key))

    async def entries(self, folder: Key, cursor: str = "", limit: int = 1000) -> Page:
        """Some of what is directly in a folder."""
        return await self._run(lambda: self._tree.entries(folder, cursor, limit))

    async def delete(self, key: Key) -> bool:
        """Remove an artifact, or a folder with all below."""
        return await self._run(lambda: self._tree.delete(key))

    async def begin(self, key: Key) -> str:
        """Begin an upload in parts."""
        return await self._run(lambda: self._parts.begin(key))

    async def create_part(self, key: Key, upload: str, number: int, size: int) -> Upload:
        """Begin to write a part."""
        part = await self._run(lambda: self._parts.create(key, upload, number, size))
        return FileUpload(part, self._run, size)

    async def parts(self, key: Key, upload: str) -> list[Part]:
        """The parts that have come."""
        return await self._run(lambda: self._parts.parts(key, upload))

    async def complete(self, key: Key, upload: str, parts: Sequence[Part]) -> ArtifactInfo:
        """Make one artifact of the parts."""
        return await self._run(lambda: self._parts.complete(key, upload, parts))

    async def abort(self, key: Key, upload: str) -> None:
        """Drop an upload in parts."""
        await self._run(lambda: self._parts.abort(key, upload))

    async def sweep(self, age: float) -> int:
        """Remove what uploads and deletes left."""
        return await self._run(lambda: self._tree.sweep(age))

    async def close(self) -> None:
        """Wait for what is running in the threads."""
        await asyncio.to_thread(self._pool.shutdown)

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    def _start_read(self, key: Key, part: ByteRange | None) -> Download:
        file, info = self._tree.open(key)
        try:
            span = part.within(info.size) if part else Span(0, info.size)
            return FileDownload(file, info, span, self._run)
        except BaseException:
            file.close()
            raise
