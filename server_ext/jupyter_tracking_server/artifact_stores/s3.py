"""Artifacts in S3, or where S3 is spoken: MinIO, SeaweedFS, Ceph, R2 and others.

obstore moves the bytes. boto3 finds the credentials, lists, deletes, deals with uploads in parts, and signs.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

from obstore.store import S3Store as Bucket

from .aws_credentials import ObstoreCredentials
from .base import Options, Signed
from .kept_parts import KeepsParts
from .keys import Key
from .object_errors import unavailable
from .object_store import SECONDS, Listed, ObjectStore, Writing, retry_config
from .s3_calls import S3Calls
from .s3_connection import CALLS_AT_ONCE, Connection, connect
from .s3_parts import PARTS_AT_ONCE, S3Parts, Trust
from .s3_settings import Place, backend_config, find_place

__all__ = ["S3Store", "open_store"]

STALL_VARIABLE = "JUPYTER_TRACKING_STORE_STALL"
"""Seconds without a byte after which an operation with the store ends."""


def open_store(destination: str, options: Options) -> S3Store:
    """The store at ``s3://bucket/folder``.

    Raises:
        UnusableDestination: there is no such bucket, no credentials, or a setting that cannot be applied.
    """
    place = find_place(destination, os.environ)
    stall = float(os.environ.get(STALL_VARIABLE) or SECONDS)
    return S3Store(place, connect(place, options, stall), stall)


class S3Store(KeepsParts[S3Parts], ObjectStore):
    """The objects of a bucket whose keys begin with a prefix.

    Args:
        place: the bucket and the prefix.
        connection: to it.
        stall: seconds without a byte after which an operation ends.
    """

    def __init__(self, place: Place, connection: Connection, stall: float = SECONDS) -> None:
        self._threads = ThreadPoolExecutor(CALLS_AT_ONCE, thread_name_prefix="artifact-s3")
        self._senders = ThreadPoolExecutor(PARTS_AT_ONCE, thread_name_prefix="artifact-s3-part")
        # One of its own: calls that stall must not keep transfers from their credentials.
        self._renewals = ThreadPoolExecutor(1, thread_name_prefix="artifact-s3-credentials")
        meta = connection.client.meta
        backend = Bucket(
            place.bucket,
            config=backend_config(place, meta.endpoint_url, meta.region_name),
            client_options=connection.client_options(stall),
            retry_config=retry_config(),
            credential_provider=ObstoreCredentials(connection.credentials, self._renewals),
        )
        super().__init__(backend, place.url, place.prefix, stall)
        self._extra = place.extra
        self._calls = S3Calls(connection.client, place.bucket, self._threads)
        self._parts = S3Parts(
            self._calls, place.prefix, place.extra.boto3, Trust(connection.verify, stall), self._senders
        )
        self.signer = S3Signer(self, self._calls, self._parts)

    async def begin(self, key: Key) -> str:
        """Begin an upload in parts."""
        self.path(key)
        return await self._parts.begin(key, self._writing(key).attributes["Content-Type"])

    async def close(self) -> None:
        """Give back connections and threads."""
        for threads in (self._senders, self._threads, self._renewals):
            threads.shutdown(wait=False, cancel_futures=True)
        self._parts.close()
        self._calls.client.close()

    def _writing(self, key: Key) -> Writing:
        guessed = super()._writing(key)
        return Writing({**guessed.attributes, **self._extra.attributes}, self._extra.tags)

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
        found = False
        while True:
            answer = await self._calls.call("list_objects_v2", Prefix=folder)
            keys = [{"Key": line["Key"]} for line in answer.get("Contents", [])]
            if not keys:
                return found
            found = True
            done = await self._calls.call("delete_objects", Delete={"Objects": keys})
            failed = [line.get("Code", "?") for line in done.get("Errors", [])]
            if failed:
                raise unavailable("deleting a folder", f"S3 keeps {len(failed)} objects: {failed[0]}")


class S3Signer:
    """Addresses of the bucket itself, good for one object and a short time."""

    def __init__(self, store: S3Store, calls: S3Calls, parts: S3Parts) -> None:
        self._store = store
        self._calls = calls
        self._parts = parts

    async def sign_read(self, key: Key, seconds: int) -> Signed:
        """Where the artifact can be fetched."""
        arguments = {"Bucket": self._calls.bucket, "Key": self._store.path(key)}
        url = await self._calls.in_thread(
            "signing",
            lambda: self._calls.client.generate_presigned_url(
                "get_object", Params=arguments, ExpiresIn=seconds
            ),
        )
        return Signed(url, {})

    async def sign_part(self, key: Key, upload: str, number: int, seconds: int) -> Signed:
        """Where a part can be sent."""
        return Signed(await self._parts.sign_part(key, upload, number, seconds), {})
