"""Files of runs: up and down through the server's artifact proxy, as streams.

A *location* is a run's artifact URI. A *path* is relative to it, with ``/`` between its parts.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO
from urllib.parse import quote, unquote, urlsplit

from ..protocol.artifacts import FileInfo, ListArtifacts, list_artifacts
from ..protocol.errors import InvalidParameterValue, NotImplementedHere
from .client import TrackingClient
from .transport import Body, HttpReply, HttpRequest, Unreachable

PROXY = "api/2.0/mlflow-artifacts/artifacts"
DOWNLOAD_ATTEMPTS = 3
TRANSFERS = 4
"""Files of a folder that travel at once."""

Progress = Callable[[str, int, int | None], None]
"""Called with a path, its bytes moved so far, and all its bytes if known; maybe from several threads."""


class Artifacts:
    """The artifacts of one run.

    Args:
        client: to the server.
        run_id: the run.
        location: its artifact URI.
        progress: told how far each file is.
    """

    def __init__(
        self, client: TrackingClient, run_id: str, location: str, progress: Progress | None = None
    ) -> None:
        self._client = client
        self._run_id = run_id
        self._root = proxy_path(location, client.url)
        self._progress = progress or _silent

    def list(self, path: str = "") -> list[FileInfo]:
        """The files and folders in one folder; their paths are relative to the run's root."""
        found: list[FileInfo] = []
        token: str | None = None
        while True:
            page = self._client.send(list_artifacts, ListArtifacts(self._run_id, safe_path(path), token))
            found += page.files
            token = page.next_page_token
            if not token:
                return found

    def walk(self, path: str = "") -> Iterator[FileInfo]:
        """All files in a folder and the folders below it."""
        for entry in self.list(path):
            if entry.is_dir:
                yield from self.walk(entry.path)
            else:
                yield entry

    def upload_bytes(self, content: bytes, path: str) -> None:
        """Store bytes as a file."""
        self._put(content, path, len(content))

    def upload(self, source: Path, folder: str = "", name: str = "") -> None:
        """Store a file, or a folder with all that is in it, in ``folder``, under ``name`` or its own name.

        Raises:
            InvalidParameterValue: there is no such file.
        """
        if source.is_dir():
            self.upload_folder(source, _join(folder, name or source.resolve().name))
        elif source.is_file():
            self._put_file(source, _join(folder, name or source.name))
        else:
            raise InvalidParameterValue(f"There is no file or folder {str(source)!r}.")

    def upload_folder(self, source: Path, folder: str = "") -> None:
        """Store what is in a folder, in ``folder``."""
        files = sorted(path for path in source.rglob("*") if path.is_file())
        _in_parallel(
            [
                partial(self._put_file, path, _join(folder, path.relative_to(source).as_posix()))
                for path in files
            ]
        )

    def open(self, path: str, first_bytes: int | None = None) -> HttpReply:
        """The content of a file as a stream; only the first bytes if so asked (the server may send more)."""
        headers = {} if first_bytes is None else {"Range": f"bytes=0-{first_bytes - 1}"}
        return self._client.open(HttpRequest("GET", self._url_path(path), headers=headers))

    def download(self, path: str, target: Path) -> Path:
        """Fetch a file or a whole folder into the folder ``target``; the local path is returned.

        A file appears under its name only when it is whole.

        Raises:
            ResourceDoesNotExist: there is no such artifact.
        """
        path = safe_path(path)
        files = [entry.path for entry in self.walk(path) if entry.path != path]
        if not files:
            if not path:
                return target
            self._get_file(path, target / path)
            return target / path
        _in_parallel([partial(self._get_file, file, target / safe_path(file)) for file in files])
        return target / path

    def _put_file(self, source: Path, path: str) -> None:
        size = source.stat().st_size
        # An empty file object would be sent chunked, which some proxies refuse.
        self._put(partial(_Counted, source, partial(self._progress, path), size) if size else b"", path, size)

    def _put(self, body: Body, path: str, size: int) -> None:
        headers = {"Content-Type": "application/octet-stream"}
        self._client.open(HttpRequest("PUT", self._url_path(path), body=body, headers=headers)).read()
        self._progress(path, size, size)

    def _get_file(self, path: str, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:80]}.", suffix=".part")
        part = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                for attempt in range(1, DOWNLOAD_ATTEMPTS + 1):
                    try:
                        self._copy(path, file)
                        break
                    except Unreachable:
                        if attempt == DOWNLOAD_ATTEMPTS:
                            raise
            part.replace(target)
        except BaseException:
            with contextlib.suppress(OSError):
                part.unlink()
            raise

    def _copy(self, path: str, file: IO[bytes]) -> None:
        file.seek(0)
        file.truncate()
        done = 0
        with self.open(path) as reply:
            total = reply.headers.get("Content-Length")
            for chunk in reply.chunks:
                file.write(chunk)
                done += len(chunk)
                self._progress(path, done, int(total) if total else None)

    def _url_path(self, path: str) -> str:
        return f"{PROXY}/{quote(_join(self._root, safe_path(path)))}"


def _silent(path: str, done: int, total: int | None) -> None:
    """Nobody wants to know."""


def proxy_path(location: str, url: str) -> str:
    """Where the artifact proxy of the server at ``url`` keeps a location.

    Raises:
        NotImplementedHere: the location is in a store that the server does not stand before.
    """
    parts = urlsplit(location)
    server = urlsplit(url)
    path = unquote(parts.path) if parts.scheme in ("http", "https") else parts.path
    here = not parts.netloc or parts.hostname == server.hostname
    if parts.scheme == "mlflow-artifacts" and here and path.strip("/"):
        return path.strip("/")
    if parts.scheme in ("http", "https") and here and f"/{PROXY}/" in path:
        return path.partition(f"/{PROXY}/")[2].strip("/")
    raise NotImplementedHere(
        f"The artifacts of this run are at {location!r}, which its server does not pass on. Start the server "
        "with --serve-artifacts, or use the mlflow client, with credentials of that store."
    )


def safe_path(path: str) -> str:
    """A path in normal form, relative, below its root.

    Raises:
        InvalidParameterValue: it leaves its root, or holds what is no part of a name.
    """
    parts = path.split("/")
    foreign = "\\" in path or ":" in path if os.name == "nt" else False
    if (
        path.startswith("/")
        or ".." in parts
        or "#" in path
        or foreign
        or any(ord(sign) < 32 for sign in path)
    ):
        raise InvalidParameterValue(
            f"{path!r} cannot name an artifact: it must be relative, without '..' and '#'."
        )
    return "/".join(part for part in parts if part not in ("", "."))


def _join(folder: str, name: str) -> str:
    return str(PurePosixPath(folder) / name) if folder else name


def _in_parallel(transfers: Sequence[Callable[[], None]]) -> None:
    """Make all transfers; the first failure is raised once those under way have ended."""
    with ThreadPoolExecutor(TRANSFERS, thread_name_prefix="jupyter-tracking") as pool:
        futures = [pool.submit(copy_context().run, transfer) for transfer in transfers]
        try:
            for future in futures:
                future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


class _Counted:
    """A file that tells how much of it has been read; its length lets ``requests`` send a Content-Length."""

    def __init__(self, source: Path, progress: Callable[[int, int], None], size: int) -> None:
        self._file = source.open("rb")
        self._progress = progress
        self._size = size
        self._done = 0

    def __len__(self) -> int:
        return self._size - self._done

    def read(self, size: int = -1, /) -> bytes:
        block = self._file.read(size)
        self._done += len(block)
        self._progress(self._done, self._size)
        return block

    def close(self) -> None:
        self._file.close()
