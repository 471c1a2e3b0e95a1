"""boto3's calls of S3: in threads, with its errors as those of ``errors.py``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from .errors import InvalidPart, NoSuchUpload
from .object_errors import unavailable

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client

__all__ = ["S3Calls", "code"]

T = TypeVar("T")
BAD_PARTS = {"InvalidPart", "InvalidPartOrder", "EntityTooSmall", "EntityTooLarge", "MalformedXML"}

ALWAYS = {
    "list_objects_v2": "Name",
    "list_multipart_uploads": "IsTruncated",
    "list_parts": "IsTruncated",
    "create_multipart_upload": "UploadId",
    "complete_multipart_upload": "ETag",
    "delete_objects": "Deleted",
}
"""What an answer always has. boto3 takes one whose body was cut off at its beginning as an empty one."""


def code(error: ClientError) -> str:
    """What S3 calls the error."""
    return str(error.response.get("Error", {}).get("Code", ""))


class S3Calls:
    """A boto3 client whose calls run in threads.

    Args:
        client: boto3's; it repeats calls itself.
        bucket: what all calls are about.
        threads: where they run.
    """

    def __init__(self, client: S3Client, bucket: str, threads: ThreadPoolExecutor) -> None:
        self.client = client
        self.bucket = bucket
        self.threads = threads

    async def call(self, name: str, **arguments: Any) -> dict[str, Any]:
        """The answer to one call of the bucket.

        Args:
            name: of the client's method.
            arguments: its arguments besides the bucket.

        Raises:
            NoSuchUpload, InvalidPart, StoreUnavailable
        """
        method: Callable[..., dict[str, Any]] = getattr(self.client, name)
        answer = await self.in_thread(name, lambda: method(Bucket=self.bucket, **arguments))
        if ALWAYS.get(name, "ResponseMetadata") not in answer and "Errors" not in answer:
            raise unavailable(name, "the answer was cut off")
        return answer

    async def in_thread(self, doing: str, work: Callable[[], T]) -> T:
        """What ``work`` returns, which is done in a thread; errors as ``call`` says."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self.threads, work)
        except ClientError as error:
            why = code(error)
            if why == "NoSuchUpload":
                raise NoSuchUpload from None
            if why in BAD_PARTS:
                raise InvalidPart(0) from None
            raise unavailable(doing, f"S3 says {why}") from None
        except BotoCoreError as error:
            # Its text may have a signed address.
            raise unavailable(doing, type(error).__name__) from None
