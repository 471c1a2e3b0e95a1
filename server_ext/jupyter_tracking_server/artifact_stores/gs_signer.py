"""Signed addresses of Google Cloud Storage (V4): good for one object, one verb and a short time."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from datetime import datetime, timezone
from urllib.parse import quote, urlencode, urlsplit

from google.auth.exceptions import GoogleAuthError

from .base import Signed
from .gs_access import GoogleSigning, Place
from .keys import Key
from .object_errors import unavailable
from .s3_parts import UploadId

__all__ = ["GcsSigner", "object_url"]

ALGORITHM = "GOOG4-RSA-SHA256"


class GcsSigner:
    """Signs in the name of a service account.

    Args:
        place: the bucket.
        path: of a key's object.
        signing: the service account.
        threads: where it signs, as that may mean to ask Google.
    """

    def __init__(
        self, place: Place, path: Callable[[Key], str], signing: GoogleSigning, threads: Executor
    ) -> None:
        self._place = place
        self._path = path
        self._signing = signing
        self._threads = threads

    async def sign_read(self, key: Key, seconds: int) -> Signed:
        """Where the artifact can be fetched."""
        return await self._in_thread("GET", key, {}, seconds)

    async def sign_part(self, key: Key, upload: str, number: int, seconds: int) -> Signed:
        """Where a part can be sent."""
        query = {"partNumber": str(number), "uploadId": UploadId.parse(key, upload).store_id}
        return await self._in_thread("PUT", key, query, seconds)

    async def _in_thread(self, method: str, key: Key, query: Mapping[str, str], seconds: int) -> Signed:
        loop, path = asyncio.get_running_loop(), self._path(key)
        try:
            url = await loop.run_in_executor(self._threads, self._sign, method, path, query, seconds)
        except GoogleAuthError as error:
            raise unavailable("signing", type(error).__name__) from None
        return Signed(url, {})

    def _sign(self, method: str, path: str, query: Mapping[str, str], seconds: int) -> str:
        url = urlsplit(object_url(self._place, path))
        now = datetime.now(timezone.utc)
        scope = f"{now:%Y%m%d}/auto/storage/goog4_request"
        words = {
            **query,
            "X-Goog-Algorithm": ALGORITHM,
            "X-Goog-Credential": f"{self._signing.email}/{scope}",
            "X-Goog-Date": f"{now:%Y%m%dT%H%M%SZ}",
            "X-Goog-Expires": str(seconds),
            "X-Goog-SignedHeaders": "host",
        }
        asked = urlencode(sorted(words.items()), quote_via=quote, safe="")
        request = "\n".join([method, url.path, asked, f"host:{url.netloc}", "", "host", "UNSIGNED-PAYLOAD"])
        digest = hashlib.sha256(request.encode()).hexdigest()
        text = "\n".join([ALGORITHM, words["X-Goog-Date"], scope, digest])
        return f"{url.geturl()}?{asked}&X-Goog-Signature={self._signing.sign(text.encode()).hex()}"


def object_url(place: Place, path: str) -> str:
    """An object's address."""
    return f"{place.endpoint}/{place.bucket}/{quote(path, safe='/')}"
