"""Artifacts in Google Cloud Storage.

obstore moves the bytes, over Google's XML API. That one has the paths, listings and uploads in parts of S3,
so boto3 does here what it does for S3; only the right comes as a token instead of a signature.
"""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlencode

import botocore.session
import requests
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError
from obstore.store import GCSStore as Bucket

from .base import Options
from .gs_access import GoogleCredentials, Place, find_place
from .gs_signer import GcsSigner, object_url
from .kept_parts import KeepsParts
from .keys import Key
from .object_errors import unavailable
from .object_store import SECONDS, Listed, ObjectStore, client_options, retry_config
from .s3_calls import S3Calls, code
from .s3_parts import PARTS_AT_ONCE, S3Parts, Trust, UploadId

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client

__all__ = ["GcsParts", "GcsStore", "open_store"]

CALLS_AT_ONCE = 8


def open_store(destination: str, options: Options) -> GcsStore:  # noqa: ARG001 - nothing of it concerns Google
    """The store at ``gs://bucket/folder``.

    Raises:
        UnusableDestination: it names no bucket, or there are no credentials.
    """
    return GcsStore(find_place(destination, os.environ))


class GcsParts(S3Parts):
    """Multipart uploads of the XML API, to plain addresses with a token.

    Args:
        place: the bucket.
        calls: boto3, for it.
        senders: threads for the parts.
        stall: seconds without a byte after which a part is given up.
    """

    def __init__(self, place: Place, calls: S3Calls, senders: Executor, stall: float) -> None:
        super().__init__(calls, place.prefix, {}, Trust(verify=True, stall=stall), senders)
        self._place = place
        self._session.auth = _Bearer(place.credentials)

    async def sign_part(self, key: Key, upload: str, number: int, seconds: int) -> str:
        """An address to which this store can PUT the part; the token, not the address, has the right."""
        del seconds
        query = {"partNumber": number, "uploadId": UploadId.parse(key, upload).store_id}
        return f"{object_url(self._place, self._path(key))}?{urlencode(query)}"


class GcsStore(KeepsParts[GcsParts], ObjectStore):
    """The objects of a bucket whose keys begin with a prefix.

    Args:
        place: the bucket and the prefix.
        stall: seconds without a byte after which an operation ends.
    """

    def __init__(self, place: Place, stall: float = SECONDS) -> None:
        reached = client_options(stall)
        reached["allow_http"] = place.endpoint.startswith("http://")
        bucket = Bucket(
            place.bucket,
            config={"base_url": place.endpoint},
            client_options=reached,
            retry_config=retry_config(),
            credential_provider=place.credentials,
        )
        super().__init__(bucket, place.url, place.prefix, stall)
        self._threads = ThreadPoolExecutor(CALLS_AT_ONCE, thread_name_prefix="artifact-gs")
        self._senders = ThreadPoolExecutor(PARTS_AT_ONCE, thread_name_prefix="artifact-gs-part")
        self._calls = S3Calls(_client(place), place.bucket, self._threads)
        self._parts = GcsParts(place, self._calls, self._senders, stall)
        signing = place.credentials.signing()
        if signing is not None:
            self.signer = GcsSigner(place, self.path, signing, self._threads)

    async def begin(self, key: Key) -> str:
        """Begin an upload in parts."""
        self.path(key)
        return await self._parts.begin(key, self._writing(key).attributes["Content-Type"])

    async def close(self) -> None:
        """Give back connections and threads."""
        self._senders.shutdown(wait=False, cancel_futures=True)
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._parts.close()
        self._calls.client.close()

    async def _page(self, folder: str, cursor: str, limit: int) -> Listed:
        more = {"ContinuationToken": cursor} if cursor else {}
        answer = await self._calls.call(
            "list_objects_v2", Prefix=folder, Delimiter="/", MaxKeys=limit, **more
        )
        return Listed(
            [(line["Key"], line["Size"]) for line in answer.get("Contents", [])],
            [line["Prefix"] for line in answer.get("CommonPrefixes", [])],
            answer.get("NextContinuationToken", "") if answer.get("IsTruncated") else "",
        )

    async def _delete_below(self, folder: str) -> bool:
        deleted: list[str] = []
        while True:
            answer = await self._calls.call("list_objects_v2", Prefix=folder)
            paths = [line["Key"] for line in answer.get("Contents", [])]
            if not paths:
                return bool(deleted)
            if paths == deleted:
                raise unavailable("deleting a folder", "what was deleted is still there")
            await asyncio.gather(*(self._delete_one(path) for path in paths))
            deleted = paths

    async def _delete_one(self, path: str) -> None:
        """Delete an object, if it is there."""
        # Not by obstore, which takes "a/" and "a//b" for other paths.
        client = self._calls.client

        def delete() -> None:
            try:
                client.delete_object(Bucket=self._calls.bucket, Key=path)
            except ClientError as error:
                if code(error) not in {"NoSuchKey", "404"}:
                    raise

        await self._calls.in_thread("deleting", delete)


class _Bearer:
    def __init__(self, credentials: GoogleCredentials) -> None:
        self._credentials = credentials

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._credentials.token()}"
        return request


def _client(place: Place) -> S3Client:
    client: Any = botocore.session.Session().create_client(
        "s3",
        region_name="auto",
        endpoint_url=place.endpoint,
        # Else it would look for AWS's.
        aws_access_key_id="none",
        aws_secret_access_key="none",  # noqa: S106 - it is none
        config=Config(
            signature_version=UNSIGNED,
            connect_timeout=5,
            read_timeout=20,
            max_pool_connections=CALLS_AT_ONCE,
            s3={"addressing_style": "path"},
            retries={"mode": "standard", "total_max_attempts": 3},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )

    def authorize(request: Any, **_: object) -> None:
        request.headers["Authorization"] = f"Bearer {place.credentials.token()}"

    client.meta.events.register("before-send.s3", authorize)
    return cast("S3Client", client)
