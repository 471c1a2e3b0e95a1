"""The requests that an upstream tracking server understands, each in a thread."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any
from urllib.parse import quote

import requests

from .base import ArtifactInfo, ByteRange
from .errors import BrokenRead, NoSuchArtifact, NotAFile, RangeNotSatisfiable, StoreUnavailable
from .keys import Key
from .part_sender import SEND_TIMEOUT, Body
from .remote_threads import RemoteThreads

__all__ = ["Opened", "UpstreamApi", "plain", "sent"]

TIMEOUT = (5, 60)
TRIES = 3
PIECE = 2**16
FAULTS = frozenset({500, 502, 503, 504})
LARGEST = 2**62
"""Beyond any file; not every server can read a longer number."""
log = logging.getLogger("jupyter_tracking")

# MLflow decodes a path until it stays the same, and takes none with a "#".
_ESCAPES = {"%": "~25", "#": "~23"}
_PLAIN = {escape: character for character, escape in _ESCAPES.items()} | {"~7E": "~"}


def sent(name: str) -> str:
    """A name as the upstream can hold it: ``%`` and ``#`` as ``~25`` and ``~23``; others stay as they are."""
    return re.sub(r"[%#]|~(?=25|23|7E)", lambda found: _ESCAPES.get(found[0], "~7E"), name)


def plain(name: str) -> str:
    """The name that was ``sent``."""
    return re.sub(r"~(25|23|7E)", lambda found: _PLAIN[found[0]], name)


@dataclass(frozen=True)
class Opened:
    """An answer with an artifact, or part of it.

    Attributes:
        reply: its bytes have not been read.
        start: where they begin.
        stop: where they end.
    """

    reply: requests.Response
    info: ArtifactInfo
    start: int
    stop: int

    def pieces(self, start: int) -> Iterator[bytes]:
        """The bytes from ``start`` on; BrokenRead."""
        skip = start - self.start
        try:
            for piece in self.reply.iter_content(PIECE):
                if skip < len(piece):
                    yield piece[skip:]
                skip = max(0, skip - len(piece))
        except (requests.RequestException, OSError) as error:
            raise BrokenRead("the upstream server cannot go on with a read") from error
        finally:
            self.reply.close()


class UpstreamApi:
    """A server.

    Args:
        url: of its artifacts.
        session: has the credentials.
        threads: for calls.
    """

    def __init__(self, url: str, session: requests.Session, threads: RemoteThreads) -> None:
        self.url = url
        self._session = session
        self._threads = threads

    async def open(self, key: Key, part: ByteRange | None = None) -> Opened:
        """Begin to read. NoSuchArtifact, NotAFile, RangeNotSatisfiable."""
        return await self._threads.run(partial(self._open, key, part))

    async def info(self, key: Key) -> ArtifactInfo:
        """What is known of a file. NoSuchArtifact, NotAFile."""
        return await self._threads.run(partial(self.info_now, key))

    def info_now(self, key: Key) -> ArtifactInfo:
        """The same, in a thread: what the server says when it is asked for the first byte."""
        try:
            opened = self._open(key, ByteRange(0, 0))
        except RangeNotSatisfiable:
            opened = self._open(key, None)
        opened.reply.close()
        return opened.info

    async def files(self, folder: Key) -> list[dict[str, Any]]:
        """What is in a folder."""
        return await self._threads.run(partial(self._files, folder))

    async def delete(self, key: Key) -> None:
        """Remove a file, or a folder with all below."""
        await self._threads.run(partial(self._ask, "DELETE", self._place(key)))

    def send(self, key: Key, body: Body | bytes) -> None:
        """Store a file; in a thread. A body that is known at once is sent again if that may help."""
        try:
            self._ask("PUT", self._place(key), data=body if isinstance(body, bytes) else iter(body))
        except (NoSuchArtifact, _Rejected) as error:
            log.warning("The upstream server does not take such a path; it must be one that takes any.")
            raise StoreUnavailable from error

    async def close(self) -> None:
        """End the threads and connections."""
        await self._threads.stop()
        self._session.close()

    def what_is(self, key: Key) -> str:
        """``folder``, ``file`` or nothing; in a thread. An empty folder is nothing."""
        if self._files(key):
            return "folder"
        try:
            self._open(key, None).reply.close()
        except (NoSuchArtifact, NotAFile):
            return ""
        return "file"

    def _place(self, key: Key) -> str:
        return "/".join((self.url, *(quote(sent(name), safe="") for name in key)))

    def _files(self, folder: Key) -> list[dict[str, Any]]:
        params = {"path": "/".join(sent(name) for name in folder)}
        files: list[dict[str, Any]] = self._ask("GET", self.url, params=params).json().get("files", [])
        return files

    def _open(self, key: Key, part: ByteRange | None) -> Opened:
        # The last no bytes cannot be asked for.
        asked = part if part and (part.first is not None or part.last) else None
        headers = {"Range": _header(asked)} if asked else {}
        try:
            reply = self._ask("GET", self._place(key), headers=headers)
        except _Rejected as error:
            raise (NotAFile(key) if self._files(key) else NoSuchArtifact(key)) from error
        except NoSuchArtifact as error:
            raise NoSuchArtifact(key) from error
        opened = self._opened(key, reply)
        if part and part is not asked:
            reply.close()
            part.within(opened.info.size)
        return opened

    def _opened(self, key: Key, reply: requests.Response) -> Opened:
        said = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", reply.headers.get("Content-Range", ""))
        if reply.status_code == 206 and said:
            start, last, size = map(int, said.groups())
        else:
            length = reply.headers.get("Content-Length")
            size = int(length) if length else self._listed_size(key)
            start, last = 0, size - 1
        changed = reply.headers.get("Last-Modified", "")
        modified = parsedate_to_datetime(changed).timestamp() if changed else 0.0
        etag = reply.headers.get("ETag", "").removeprefix("W/") or f'"{size:x}-{modified:x}"'
        return Opened(reply, ArtifactInfo(size, etag, modified), start, last + 1)

    def _listed_size(self, key: Key) -> int:
        for file in self._files(key[:-1]):
            if file["path"] == sent(key[-1]):
                return int(file.get("file_size") or 0)
        raise NoSuchArtifact(key)

    def _ask(self, method: str, url: str, **more: Any) -> requests.Response:
        """An answer; a fault is tried again, unless the body has gone.

        Args:
            method: of HTTP.
            url: where.
            more: what ``requests`` takes: ``params``, ``headers``, ``data``.

        Raises:
            NoSuchArtifact: of no key; the caller knows it.
            _Rejected, RangeNotSatisfiable, StoreUnavailable
        """
        tries = TRIES if isinstance(more.get("data", b""), bytes) else 1
        # A compressed answer would have no length.
        headers = {"Accept-Encoding": "identity", **more.pop("headers", {})}
        more |= {"timeout": SEND_TIMEOUT if "data" in more else TIMEOUT, "stream": "params" not in more}
        for last in reversed(range(tries)):
            try:
                # A redirect would lead where nobody has configured that we go.
                reply = self._session.request(method, url, headers=headers, allow_redirects=False, **more)
            except (requests.RequestException, OSError) as error:
                if last:
                    continue
                log.warning("The upstream server does not answer: %s", type(error).__name__)
                raise StoreUnavailable from error
            if reply.status_code in FAULTS and last:
                reply.close()
                continue
            _judge(reply)
            return reply
        raise StoreUnavailable


class _Rejected(Exception):
    """The server says 400: a folder cannot be read."""


def _judge(reply: requests.Response) -> None:
    if reply.status_code in {200, 206}:
        return
    with reply:
        if reply.status_code == 404:
            raise NoSuchArtifact(())
        if reply.status_code == 400:
            raise _Rejected
        size = re.fullmatch(r"bytes \*/(\d+)", reply.headers.get("Content-Range", ""))
        if reply.status_code == 416 and size:
            raise RangeNotSatisfiable(int(size[1]))
        hint = (
            " (look at MLFLOW_TRACKING_USERNAME, _PASSWORD and _TOKEN)"
            if reply.status_code in {401, 403}
            else ""
        )
        log.warning("The upstream server does not serve: HTTP %s%s", reply.status_code, hint)
        raise StoreUnavailable


def _header(part: ByteRange) -> str:
    first = "" if part.first is None else str(min(part.first, LARGEST))
    return f"bytes={first}-" + ("" if part.last is None else str(min(part.last, LARGEST)))
