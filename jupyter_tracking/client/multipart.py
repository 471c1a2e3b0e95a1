"""A large file on its way up in parts: several at once, and only those that are not there yet.

The server keeps the parts of an upload that broke off. It knows the upload by the file's path, size and
sha256, so asking to create it again takes it up: the reply names the parts that are there and gives
addresses for those that are missing. Whatever goes wrong with a part (an address too old, a server that was
restarted, an upload that was swept), the answer is to ask again.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import msgspec

from ..protocol import artifacts as wire
from ..protocol.errors import (
    EndpointNotFound,
    InternalError,
    NotImplementedHere,
    ResourceDoesNotExist,
    TrackingError,
)
from .checksums import HEADER, Checksums
from .client import TrackingClient
from .credentials import flag
from .progress import Tally
from .retries import number as number_in
from .retries import patient
from .sources import FileChanged, Source
from .transfers import Transfers
from .transport import HttpRequest, Readable

MOST_PARTS = 10_000
FRUITLESS = 2
"""Rounds in a row without a new part after which we give up."""
SERVER_INFO = "api/3.0/mlflow/server-info"


@dataclass(frozen=True)
class Cut:
    """Which files go in parts, and how large these are, in bytes; names as in stock clients."""

    minimum: int = 32 * 2**20
    chunk: int = 16 * 2**20

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Cut:
        """As the ``MLFLOW_MULTIPART_UPLOAD_*`` variables say."""
        return cls(
            int(number_in(environment, "MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE", cls.minimum)),
            max(1, int(number_in(environment, "MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE", cls.chunk))),
        )

    def part_size(self, size: int) -> int:
        """Bytes of each part of a file; more than usual if there were too many parts."""
        return max(self.chunk, -(-size // MOST_PARTS))


class _ServerInfo(msgspec.Struct):
    multipart_uploads_enabled: bool = False


def is_offered(client: TrackingClient, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the server takes parts: it says so, or ``MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD`` does."""
    name = "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD"
    if name in environment:
        return flag(environment, name, default=False)
    try:
        body = client.open(HttpRequest("GET", SERVER_INFO)).read()
        return msgspec.json.decode(body, type=_ServerInfo).multipart_uploads_enabled
    except (EndpointNotFound, ResourceDoesNotExist, NotImplementedHere, msgspec.MsgspecError):
        return False


class MultipartUpload:
    """One file, in parts.

    Args:
        client: to the server.
        transfers: move the parts.
        path: the artifact, below the proxy's root.
        source: its bytes.
        checksums: of these bytes, and of their parts.
    """

    def __init__(
        self, client: TrackingClient, transfers: Transfers, path: str, source: Source, checksums: Checksums
    ) -> None:
        self._client = client
        self._transfers = transfers
        self._folder, _, self._name = path.rpartition("/")
        self._source = source
        self._checksums = checksums

    def send(self, tally: Tally, is_there: Callable[[], bool]) -> bool:
        """Send what is missing, and make the artifact of all parts.

        Args:
            tally: counts the bytes.
            is_there: whether the artifact is there, whole: of an upload that is complete the server knows
                nothing any more, if its answer was lost.

        Returns:
            False if the server takes no parts after all.

        Raises:
            FileChanged: the file did while it was sent. The upload is dropped.
            TrackingError: it cannot go on. The parts that are there stay, for another time.
        """
        there, fruitless = -1, 0
        with patient():
            while True:
                try:
                    upload = self._create()
                except (NotImplementedHere, EndpointNotFound):
                    return False
                fruitless = 0 if len(upload.parts) > there else fruitless + 1
                there = len(upload.parts)
                try:
                    self._send_missing(upload, tally)
                except FileChanged:
                    with contextlib.suppress(TrackingError):
                        self._abort(upload.upload_id)
                    raise
                except TrackingError:
                    if is_there():
                        return True
                    if fruitless >= FRUITLESS:
                        raise
                else:
                    return True

    def _create(self) -> wire.MultipartUpload:
        """A new upload, or the one that broke off."""
        request = wire.CreateMultipartUpload(
            artifact_path=self._folder,
            path=self._name,
            num_parts=len(self._checksums.parts),
            size=self._source.size,
            sha256=self._checksums.whole,
            part_size=self._checksums.part_size,
        )
        return self._client.send(wire.create_multipart_upload, request)

    def _send_missing(self, upload: wire.MultipartUpload, tally: Tally) -> None:
        parts = {part.part_number: wire.UploadedPart(part.part_number, part.etag) for part in upload.parts}
        missing = [each for each in upload.credentials if each.part_number not in parts]
        for part in upload.parts:
            tally.restart(part.part_number, part.size)
        for each in missing:
            tally.restart(each.part_number)
        sent = self._transfers.run([partial(self._send_part, each, tally) for each in missing])
        self._source.check()
        parts |= {part.part_number: part for part in sent}
        self._client.send(
            wire.complete_multipart_upload,
            wire.CompleteMultipartUpload(
                self._folder, self._name, upload.upload_id, [parts[number] for number in sorted(parts)]
            ),
        )

    def _send_part(self, credential: wire.PartCredential, tally: Tally) -> wire.UploadedPart:
        piece = credential.part_number
        start = (piece - 1) * self._checksums.part_size
        stop = min(start + self._checksums.part_size, self._source.size)

        def body() -> Readable:
            tally.restart(piece)
            return self._source.open(start, stop, partial(tally.add, piece=piece))

        headers = {**credential.headers, HEADER: self._checksums.parts[piece - 1]}
        request = HttpRequest("PUT", body=body, headers=headers, elsewhere=credential.url)
        try:
            with self._client.open(request) as reply:
                etag = reply.headers.get("ETag")
        except TrackingError:
            self._source.check()
            raise
        if not etag:
            raise InternalError(f"Part {piece} of {self._name} was taken without an ETag in the answer.")
        return wire.UploadedPart(piece, etag, credential.url)

    def _abort(self, upload_id: str) -> None:
        request = wire.AbortMultipartUpload(self._folder, self._name, upload_id)
        self._client.send(wire.abort_multipart_upload, request)
