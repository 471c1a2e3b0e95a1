"""The ``RemoteFiles`` of HDFS over HTTP: WebHDFS of a name node, or HttpFS.

A name node redirects what moves bytes to a data node; these addresses are the cluster's own.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import quote

import requests
from requests.auth import AuthBase

from .base import ArtifactInfo, Entry
from .errors import BrokenRead, StoreFull, StoreUnavailable
from .part_sender import SEND_TIMEOUT, Body, PartSender
from .remote_files import Found, Refused, Sink, Source
from .remote_threads import RemoteThreads

__all__ = ["WebHdfsFiles"]

TIMEOUT = (5, 60)
TRIES = 3
PIECE = 2**16
FULL = frozenset({"DSQuotaExceededException", "NSQuotaExceededException"})
UNAVAILABLE = frozenset(
    {"AccessControlException", "SecurityException", "StandbyException", "SafeModeException"}
)
log = logging.getLogger("jupyter_tracking")


class WebHdfsFiles:
    """The files of a cluster.

    A listing comes in one reply, so a folder's names are in memory at once while it is listed.

    Args:
        url: of the service, up to ``/webhdfs/v1``.
        user: whom to act as where the cluster asks for no proof; None leaves that to ``auth``.
        auth: proves who we are (Kerberos).
        threads: for calls.
        senders: for uploads, each of which holds one.
    """

    def __init__(
        self,
        url: str,
        user: str | None,
        auth: AuthBase | None,
        threads: RemoteThreads,
        senders: RemoteThreads,
    ) -> None:
        self._url = url
        self._user = {"user.name": user} if user else {}
        self._threads = threads
        self._senders = senders
        self._session = requests.Session()
        self._session.auth = auth
        adapter = requests.adapters.HTTPAdapter(pool_maxsize=64)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    async def find(self, path: str) -> Found:
        """What is at a path."""
        return await self._threads.run(partial(self._find, path))

    async def scan(self, folder: str) -> AsyncIterator[Entry]:
        """What is in a folder."""
        try:
            reply = await self._threads.run(partial(self._ask, "GET", folder, "LISTSTATUS"))
        except FileNotFoundError:
            return
        for status in reply.json()["FileStatuses"]["FileStatus"]:
            # Of a file, it lists the file itself, with no name.
            if status["pathSuffix"]:
                found = _found(status)
                yield Entry(status["pathSuffix"], None if found.is_folder else found.info.size)

    async def create(self, path: str) -> Sink:
        """Make a new file, and the folders above."""
        return PartSender(None, partial(self._send, path), self._senders.pool)

    async def open(self, path: str) -> Source:
        """Open a file."""
        status = await self._threads.run(partial(self._status, path))
        found = _found(status)
        if found.is_folder:
            raise Refused("a folder cannot be read")
        # By its number it is this file, whatever takes its place; and the data nodes of older releases, which
        # decode a path twice, find it. HttpFS, which has no data nodes, does not say the number.
        number = int(status.get("fileId", 0))
        place = f"/.reserved/.inodes/{number}" if number else path
        return _Source(self._threads, partial(self._get, place), found.info)

    async def make_folder(self, path: str) -> None:
        """Make a folder, and those above."""
        await self._do("PUT", path, "MKDIRS")

    async def replace(self, source: str, target: str) -> ArtifactInfo:
        """Put a file where another may be; its time, in milliseconds, is that of its last byte."""
        info = (await self.find(source)).info
        reply = await self._threads.run(
            partial(self._ask, "PUT", source, "RENAME", destination=target, renameoptions="OVERWRITE")
        )
        if reply.content and not reply.json().get("boolean", True):
            # HttpFS knows no renameoptions: it renames only where nothing is.
            await self._make_way(target)
            await self.move(source, target)
        return info

    async def move(self, source: str, target: str) -> None:
        """Give a file or folder a path where nothing is."""
        if not await self._do("PUT", source, "RENAME", destination=target):
            await self.find(source)
            raise Refused("it could not be renamed")

    async def remove_empty(self, folder: str) -> bool:
        """Remove a folder that has nothing in it."""
        try:
            return await self._do("DELETE", folder, "DELETE", recursive="false")
        except (FileNotFoundError, Refused):
            return False

    async def remove(self, path: str) -> None:
        """Remove a file, or a folder with all below."""
        with contextlib.suppress(FileNotFoundError):
            await self._do("DELETE", path, "DELETE", recursive="true")

    async def join(self, sources: Sequence[str], target: str) -> bool:  # noqa: ARG002 - as the protocol has it
        """``CONCAT`` is not to be had on every cluster, and the parts would have to be in one folder."""
        return False

    async def close(self) -> None:
        """End the threads and connections."""
        await self._threads.stop()
        await self._senders.stop()
        self._session.close()

    async def _make_way(self, target: str) -> None:
        if (await self.find(target)).is_folder:
            raise Refused("a folder is in the way")
        await self.remove(target)

    async def _do(self, method: str, path: str, operation: str, **more: str) -> bool:
        """Something that is answered by yes or no."""
        reply = await self._threads.run(partial(self._ask, method, path, operation, **more))
        return bool(reply.json()["boolean"])

    def _find(self, path: str) -> Found:
        return _found(self._status(path))

    def _status(self, path: str) -> dict[str, Any]:
        status: dict[str, Any] = self._ask("GET", path, "GETFILESTATUS").json()["FileStatus"]
        return status

    def _send(self, path: str, body: Body | bytes) -> ArtifactInfo:
        """Write a file; what is cut off in the middle stays a file that nobody takes for whole."""
        reply = self._ask("PUT", path, "CREATE", overwrite="true")
        place = reply.headers.get("Location")
        if not place:
            log.warning("WebHDFS names no data node for an upload: %s", reply.status_code)
            raise StoreUnavailable
        try:
            written = self._session.put(
                place,
                data=body if isinstance(body, bytes) else iter(body),
                headers={"Content-Type": "application/octet-stream"},
                timeout=SEND_TIMEOUT,
                allow_redirects=False,
            )
        except (requests.RequestException, OSError) as error:
            log.warning("A WebHDFS data node does not take an upload: %s", error)
            raise StoreUnavailable from error
        try:
            _judge(written)
        except (FileNotFoundError, Refused) as error:
            log.warning("A WebHDFS data node refuses an upload: %s", error)
            raise StoreUnavailable from error
        return self._find(path).info

    def _get(self, path: str, start: int, stop: int) -> Iterator[bytes]:
        try:
            reply = self._ask("GET", path, "OPEN", offset=start, length=stop - start)
            with reply:
                place = reply.headers.get("Location")
                if not place:
                    yield from reply.iter_content(PIECE)
                    return
            with self._session.get(place, stream=True, timeout=TIMEOUT, allow_redirects=False) as data:
                _judge(data)
                yield from data.iter_content(PIECE)
        except (requests.RequestException, OSError, Refused) as error:  # OSError: FileNotFoundError, too
            raise BrokenRead("WebHDFS cannot go on with a read") from error

    def _ask(self, method: str, path: str, operation: str, **more: str | int) -> requests.Response:
        """An answer of the name node. FileNotFoundError, Refused, StoreFull, StoreUnavailable."""
        query: dict[str, str | int] = {"op": operation, **more, **self._user}
        # A rename that was done cannot be asked for again.
        tries = 1 if operation == "RENAME" else TRIES
        for last in reversed(range(tries)):
            try:
                reply = self._session.request(
                    method,
                    self._url + quote(path),
                    params=query,
                    timeout=TIMEOUT,
                    allow_redirects=False,
                    stream=operation == "OPEN",
                )
            except (requests.RequestException, OSError) as error:  # noqa: PERF203 - each try is a call
                if not last:
                    log.warning("WebHDFS does not answer: %s", type(error).__name__)
                    raise StoreUnavailable from error
            else:
                _judge(reply)
                return reply
        raise StoreUnavailable


class _Source:
    """A file that is being read."""

    def __init__(self, threads: RemoteThreads, get: Any, info: ArtifactInfo) -> None:
        self.info = info
        self._threads = threads
        self._get = get

    def chunks(self, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        return self._threads.chunks(self._get(start, stop))

    async def close(self) -> None:
        """The connection is given back where the chunks end."""


def _found(status: Mapping[str, Any]) -> Found:
    size, modified = int(status["length"]), int(status["modificationTime"])
    etag = f'"{size:x}-{modified:x}-{int(status.get("fileId", 0)):x}"'
    return Found(status["type"] == "DIRECTORY", ArtifactInfo(size, etag, modified / 1000))


def _judge(reply: requests.Response) -> None:
    """Raise what an answer means. FileNotFoundError, Refused, StoreFull, StoreUnavailable."""
    if reply.status_code < 400:
        return
    with contextlib.suppress(ValueError, KeyError, TypeError):
        remote = reply.json()["RemoteException"]
        name, said = str(remote["exception"]), str(remote["message"]).partition("\n")[0]
        if name == "FileNotFoundException":
            raise FileNotFoundError(said)
        if name in FULL:
            raise StoreFull
        if name not in UNAVAILABLE and reply.status_code < 500:
            raise Refused(f"{name}: {said}")
        log.warning("WebHDFS does not serve: %s: %s", name, said[:300])
        raise StoreUnavailable
    if reply.status_code == 404:
        raise FileNotFoundError
    if reply.status_code == 401:
        log.warning("WebHDFS wants to know who we are; for Kerberos: pip install requests-gssapi, and kinit.")
    log.warning("WebHDFS does not serve: HTTP %s", reply.status_code)
    raise StoreUnavailable
