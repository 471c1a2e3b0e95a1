"""Bodies on their way into the artifact store: streamed from the socket, absent unless they came whole."""

from __future__ import annotations

import asyncio
import contextlib
from abc import ABC, abstractmethod

from tornado import web
from tornado.iostream import StreamClosedError
from tornado.web import HTTPError

from jupyter_tracking.protocol.errors import InvalidParameterValue, TrackingError

from ..artifact_stores.base import ArtifactInfo, Upload
from ..quotas import Room
from .checksums import Checksums
from .error_reply import explain, log_defect
from .handler import Front, TrackingHandler

__all__ = ["BodyHandler", "settle_aborts"]

LARGEST = 5 * 2**40
"""Bytes of an artifact: what the largest object stores take."""
DRAIN = 64 * 2**20
"""Bytes that a refused client may still send. Clients read the answer only when they have sent all, and a
connection that is closed under their hands they take for a fault of the network, and try again."""
SILENCE = 120.0
"""Seconds in which a client must send something."""
NO_LIMIT = 7 * 24 * 3600.0

_aborts: set[asyncio.Task[None]] = set()


@web.stream_request_body
class BodyHandler(TrackingHandler, ABC):
    """Streams the body of a PUT or POST into an upload. A refusal is answered at once, not after the body.

    Attributes:
        largest: bytes that a body may have.
        checksums: of the body; there once the upload is open.
        room: how many bytes quotas leave for it; None for any.
    """

    largest = LARGEST
    checksums: Checksums
    room: Room | None = None

    @abstractmethod
    async def open_upload(self) -> Upload:
        """Judge the request, with the size that it announces, and begin to write what its body is to become.

        Raises:
            TrackingError: it may not be written.
        """

    @abstractmethod
    async def stored(self, info: ArtifactInfo, sha256: str) -> None:
        """The body is stored: keep what is to be known of it, and set the headers of the reply ``{}``."""

    def initialize(self, front: Front) -> None:
        """Tornado passes what the route holds."""
        super().initialize(front)
        self._upload: Upload | None = None
        self._dropped: int | None = None
        self._alarm: asyncio.TimerHandle | None = None

    async def prepare(self) -> None:
        """Open the upload before its body is read."""
        if self.request.method not in {"PUT", "POST"}:
            await super().prepare()
            return
        # Limits of our own, below, take the place of the server's.
        self.http.set_max_body_size(2**62)
        self.http.set_body_timeout(NO_LIMIT)
        await super().prepare()
        self.begin_transfer("in")
        try:
            self._upload = await self.open_upload()
            self.checksums = Checksums(self.request.headers)
        except (TrackingError, HTTPError) as error:
            if "Expect" in self.request.headers:
                raise
            await self._refuse(error)
        self._listen()

    async def data_received(self, chunk: bytes) -> None:
        """Hand the bytes on, and do not return before the store can take more."""
        if self._dropped is not None:
            self._dropped += len(chunk)
            if self._dropped > DRAIN:
                self.http.close()
        elif self._upload is not None:
            # While the store is at work, the client has nothing to say.
            self._stop_listening()
            self.received += len(chunk)
            self.front.server.observer.metrics.moved("in", len(chunk))
            try:
                self.check_size(self.received)
                await self.checksums.add(chunk)
                await self._upload.write(chunk)
            except Exception as error:
                # Let out, it would close the connection without a word to the client.
                await self._upload.abort()
                await self._refuse(error)
            self._listen()

    async def store_body(self) -> None:
        """Finish the upload, now that all has come, and say so."""
        self._stop_listening()
        if self._upload is not None and self._dropped is None:
            self.check_whole(self.received)
            sha256 = await self.checksums.verify()
            info = await self._upload.finish(self.announced)
            self._upload = None
            self.set_header("Content-Type", "application/json")
            await self.stored(info, sha256)
            await self.finish(b"{}")

    def check_whole(self, size: int) -> None:
        """Refuse a body of which all has come; this kind of upload takes any ``size``."""

    def on_finish(self) -> None:
        """The reply is out."""
        super().on_finish()
        self._drop()

    def on_connection_close(self) -> None:
        """The client is gone."""
        super().on_connection_close()
        self._drop()

    def _drop(self) -> None:
        """Leave nothing of an upload that was not finished."""
        self._stop_listening()
        if self._upload is not None:
            task = asyncio.get_running_loop().create_task(self._upload.abort())
            _aborts.add(task)
            task.add_done_callback(_aborts.discard)

    async def _refuse(self, error: Exception) -> None:
        """Answer, but let the client go on sending for a while."""
        self.note_error(error)
        reply = explain(error, log_defect(error, f"{self.request.method} {self.request.path}"))
        self._dropped = 0
        self.set_status(reply.status)
        for name, value in reply.headers.items():
            self.set_header(name, value)
        self.set_header("Content-Type", "application/json")
        self.set_header("Content-Length", str(len(reply.body)))
        self.set_header("Connection", "close")
        self.write(reply.body)
        with contextlib.suppress(StreamClosedError):
            await self.flush()

    @property
    def announced(self) -> int | None:
        """Bytes that the body will have, if the client says it."""
        length = self.request.headers.get("Content-Length", "")
        return int(length) if length.isdecimal() else None

    def check_size(self, size: int) -> None:
        """Refuse a body of this size.

        Raises:
            InvalidParameterValue, ResourceLimitExceeded
        """
        if size > self.largest:
            raise InvalidParameterValue(f"Artifact size is too large. Max size is {self.largest // 2**20}MB.")
        if self.room is not None:
            self.room.check(size)

    def _listen(self) -> None:
        self._alarm = asyncio.get_running_loop().call_later(SILENCE, self.http.close)

    def _stop_listening(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None


async def settle_aborts(seconds: float) -> None:
    """Wait until uploads whose clients are gone have left nothing, for some seconds at most."""
    if _aborts:
        await asyncio.wait(set(_aborts), timeout=seconds)
