"""S3's own multipart uploads: boto3 begins and ends them, parts are streamed to a signed address."""

from __future__ import annotations

import base64
import binascii
import hashlib
import socket
import struct
import time
from collections.abc import Sequence
from concurrent.futures import Executor
from datetime import datetime
from typing import Any, NamedTuple

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection

from .base import ArtifactInfo, Part, Upload
from .errors import InvalidPart, NoSuchUpload, StoreError
from .keys import Key, text
from .object_errors import log, unavailable
from .part_sender import SEND_TIMEOUT, Body, PartSender
from .s3_calls import S3Calls

__all__ = ["PARTS_AT_ONCE", "S3Parts", "Trust", "UploadId"]

PARTS_AT_ONCE = 64
LAST_NUMBER = 10_000
SIGNED_SECONDS = 900


class UploadId(NamedTuple):
    """S3's id of an upload in plain letters, with a digest of the key: some stores don't look at the key."""

    store_id: str
    digest: str

    @classmethod
    def parse(cls, key: Key, upload: str) -> UploadId:
        """The id that ``text`` wrote.

        Raises:
            NoSuchUpload: it is none, or one of another key.
        """
        digest, _, encoded = upload.partition(".")
        try:
            padded = encoded.encode("ascii") + b"=" * (-len(encoded) % 4)
            store_id = base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii")
        except (UnicodeError, binascii.Error):
            raise NoSuchUpload from None
        if digest != _digest(key) or not store_id:
            raise NoSuchUpload
        return cls(store_id, digest)

    def text(self) -> str:
        """The id that is handed out."""
        return f"{self.digest}.{base64.urlsafe_b64encode(self.store_id.encode()).decode().rstrip('=')}"


class Trust(NamedTuple):
    """``verify`` is that of ``requests``; after ``stall`` seconds without a byte a part is given up."""

    verify: bool | str
    stall: float


class S3Parts:
    """Uploads in parts of one bucket.

    Args:
        calls: boto3.
        prefix: what all paths begin with.
        create: arguments of ``create_multipart_upload`` besides key and type.
        trust: how far the server is trusted.
        senders: threads for the parts; each that is being sent holds one.
    """

    def __init__(
        self,
        calls: S3Calls,
        prefix: str,
        create: dict[str, Any],
        trust: Trust,
        senders: Executor,
    ) -> None:
        self._calls = calls
        self._timeout = (min(SEND_TIMEOUT[0], trust.stall), trust.stall)
        self._prefix = prefix
        self._create = create
        self._senders = senders
        self._session = requests.Session()
        self._session.verify = trust.verify
        # A signed address is right enough; else ~/.netrc would add to it.
        self._session.auth = _as_it_is
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, _Adapter(pool_maxsize=PARTS_AT_ONCE))

    async def begin(self, key: Key, content_type: str) -> str:
        """Begin an upload; its id."""
        arguments = {"ContentType": content_type, **self._create}
        answer = await self._calls.call("create_multipart_upload", Key=self._path(key), **arguments)
        return UploadId(answer["UploadId"], _digest(key)).text()

    async def create_part(self, key: Key, upload: str, number: int, size: int) -> Upload:
        """Begin to write a part."""
        url = await self.sign_part(key, upload, number, SIGNED_SECONDS)
        # A part may be announced long before it comes; an upload that is gone should be known at once.
        await self._calls.call(
            "list_parts", Key=self._path(key), UploadId=UploadId.parse(key, upload).store_id, MaxParts=1
        )

        def send(body: Body | bytes) -> ArtifactInfo:
            try:
                answer = self._session.put(url, data=body, timeout=self._timeout)
            except requests.RequestException as error:
                # Its text has the signed address.
                raise unavailable("sending a part", type(error).__name__) from None
            if answer.status_code == 404:
                raise NoSuchUpload
            if answer.status_code != 200:
                raise unavailable("sending a part", f"status {answer.status_code}")
            return ArtifactInfo(size, _quoted(answer.headers.get("ETag", "")), time.time())

        return PartSender(size, send, self._senders)

    async def sign_part(self, key: Key, upload: str, number: int, seconds: int) -> str:
        """An address to which the part can be PUT.

        Raises:
            NoSuchUpload
        """
        arguments = {
            "Bucket": self._calls.bucket,
            "Key": self._path(key),
            "UploadId": UploadId.parse(key, upload).store_id,
            "PartNumber": number,
        }
        return await self._calls.in_thread(
            "signing a part",
            lambda: self._calls.client.generate_presigned_url(
                "upload_part", Params=arguments, ExpiresIn=seconds
            ),
        )

    async def parts(self, key: Key, upload: str) -> list[Part]:
        """The parts that have come."""
        listed = await self._list(self._path(key), UploadId.parse(key, upload).store_id)
        # SeaweedFS lists a part that was sent again as often as it was.
        latest = {line["PartNumber"]: line for line in sorted(listed, key=lambda line: line["LastModified"])}
        return [Part(number, line["Size"], _quoted(line["ETag"])) for number, line in sorted(latest.items())]

    async def complete(self, key: Key, upload: str, parts: Sequence[Part]) -> ArtifactInfo:
        """Make one object of the parts."""
        there = {part.number: part for part in await self.parts(key, upload)}
        for part in parts:
            if there.get(part.number) != part:
                raise InvalidPart(part.number)
        if not parts:
            raise InvalidPart(1)
        chosen = [{"PartNumber": part.number, "ETag": part.etag} for part in parts]
        answer = await self._calls.call(
            "complete_multipart_upload",
            Key=self._path(key),
            UploadId=UploadId.parse(key, upload).store_id,
            MultipartUpload={"Parts": chosen},
        )
        return ArtifactInfo(sum(part.size for part in parts), _quoted(answer["ETag"]), time.time())

    async def abort(self, key: Key, upload: str) -> None:
        """Drop an upload."""
        try:
            store_id = UploadId.parse(key, upload).store_id
            await self._calls.call("abort_multipart_upload", Key=self._path(key), UploadId=store_id)
        except NoSuchUpload:
            return

    async def sweep(self, age: float) -> int:
        """Drop the uploads below our prefix in which nothing has come for ``age`` seconds."""
        swept, latest = 0, time.time() - age
        marker: dict[str, str] = {}
        while True:
            answer = await self._calls.call("list_multipart_uploads", Prefix=self._prefix, **marker)
            for line in answer.get("Uploads", []):
                swept += await self._sweep_one(line["Key"], line["UploadId"], line["Initiated"], latest)
            if not answer.get("IsTruncated"):
                return swept
            marker = {
                "KeyMarker": answer["NextKeyMarker"],
                "UploadIdMarker": answer.get("NextUploadIdMarker", ""),
            }

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    async def _sweep_one(self, path: str, store_id: str, begun: datetime, latest: float) -> bool:
        if begun.timestamp() > latest:
            return False
        try:
            listed = await self._list(path, store_id)
            if any(line["LastModified"].timestamp() > latest for line in listed):
                return False
            await self._calls.call("abort_multipart_upload", Key=path, UploadId=store_id)
        except NoSuchUpload:
            return False
        except StoreError:
            # The others need not wait for it; the next sweep tries again.
            log.warning("An upload in parts could not be removed yet.")
            return False
        return True

    async def _list(self, path: str, store_id: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        marker = 0
        while True:
            answer = await self._calls.call(
                "list_parts", Key=path, UploadId=store_id, PartNumberMarker=marker
            )
            found += answer.get("Parts", [])
            if not answer.get("IsTruncated"):
                return found
            marker = answer["NextPartNumberMarker"]

    def _path(self, key: Key) -> str:
        return self._prefix + text(key)


class _Adapter(HTTPAdapter):
    """Resets a connection that it closes, so that a store that looks no closer sees a part break off.

    Of an ordinary close some think that it was the part's end.
    """

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pool of connections, as ``requests`` does."""
        linger = (socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        kwargs["socket_options"] = [*HTTPConnection.default_socket_options, linger]
        super().init_poolmanager(*args, **kwargs)


def _digest(key: Key) -> str:
    return hashlib.sha256(text(key).encode()).hexdigest()[:16]


def _quoted(etag: str) -> str:
    return f'"{etag.strip(chr(34))}"'


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request
