"""Files on their way up, each by the way that suits its size.

- Below ``LOOK_FIRST`` it is just sent: as fast as asking whether it is there.
- From there on its sha256 is taken first, and what the server has already is not sent again.
- A large file goes in parts, if the server takes them (``multipart.py``), else in one piece like the others.
"""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass
from functools import partial

from ..protocol.errors import TrackingError
from . import checksums
from .artifact_paths import address
from .checksums import Checksums
from .client import TrackingClient
from .multipart import Cut, MultipartUpload, is_offered
from .progress import Tally
from .sources import Source, read_all
from .transfers import Transfers
from .transport import Body, HttpRequest, Readable, Unreachable

LOOK_FIRST = 2**20
"""Bytes from which it is worth asking whether a file is there."""


@dataclass(frozen=True)
class Sent:
    """What became of a file: its bytes, and whether they were there before."""

    size: int
    was_there: bool = False


class Uploads:
    """Sends files to the artifact proxy.

    Args:
        client: to the server.
        transfers: move what goes in parts.
    """

    def __init__(self, client: TrackingClient, transfers: Transfers, cut: Cut | None = None) -> None:
        self._client = client
        self._transfers = transfers
        self._cut = cut or Cut.from_environment()

    def is_large(self, source: Source) -> bool:
        """Whether a file may go in parts: it is then to be sent from the calling thread."""
        return source.size >= self._cut.minimum and source.size > 0

    def send(self, source: Source, path: str, shown: str) -> Sent:
        """Send a file to a path below the proxy's root; ``shown`` is the path for the eyes of people.

        Raises:
            FileChanged: it did so meanwhile.
        """
        tally = self._transfers.tally(shown, source.size)
        try:
            sent = self._send(source, path, tally)
        except (TrackingError, OSError):
            source.check()
            raise
        source.check()
        tally.finish()
        return sent

    def _send(self, source: Source, path: str, tally: Tally) -> Sent:
        if source.size < min(LOOK_FIRST, self._cut.minimum):
            content = read_all(source)
            self._put(path, content, hashlib.sha256(content).hexdigest())
            return Sent(source.size)
        part_size = self._cut.part_size(source.size) if self.is_large(source) else 0
        sums = checksums.of_source(source, part_size, tally.checked)
        if self._has(path, sums.whole):
            return Sent(source.size, was_there=True)
        if not (part_size and self._send_parts(path, source, sums, tally)):
            self._put(path, _body(source, tally), sums.whole)
        return Sent(source.size)

    def _send_parts(self, path: str, source: Source, sums: Checksums, tally: Tally) -> bool:
        """Send it in parts; False if the server does not take them."""
        if not is_offered(self._client):
            return False
        upload = MultipartUpload(self._client, self._transfers, path, source, sums)
        return upload.send(tally, partial(self._has, path, sums.whole))

    def _has(self, path: str, sha256: str) -> bool:
        """Whether the server says that the artifact is there, with these bytes. Asked only once."""
        with contextlib.suppress(Unreachable):
            reply = self._client.transport.send(HttpRequest("HEAD", address(path)))
            reply.read()
            return reply.status == 200 and checksums.in_headers(reply.headers) == sha256
        return False

    def _put(self, path: str, body: Body, sha256: str) -> None:
        headers = {"Content-Type": "application/octet-stream", checksums.HEADER: sha256}
        self._client.open(HttpRequest("PUT", address(path), body=body, headers=headers)).read()


def _body(source: Source, tally: Tally) -> Body:
    if not source.size:  # an empty file object would be sent chunked, which some proxies refuse
        return b""

    def anew() -> Readable:
        tally.restart()
        return source.open(0, source.size, tally.add)

    return anew
