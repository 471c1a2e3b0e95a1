"""Artifacts in Azure: ``wasbs://`` (Blob storage) and ``abfss://`` (Data Lake storage, over its blobs).

Bytes go by obstore; ``azure_blobs.py`` is what it cannot do, ``azure_parts.py`` the uploads in parts.

In a Data Lake account ("hierarchical namespace") folders are things of their own: they are taken for what
they are here, names, and those that a folder's deletion leaves empty are removed with it.
"""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from obstore.store import AzureStore as Container

from .azure_account import Account, find_account
from .azure_blobs import BlobService, is_directory
from .azure_parts import AzureParts
from .azure_signer import AzureSigner
from .base import ArtifactInfo, Options
from .kept_parts import KeepsParts
from .keys import Key
from .object_store import SECONDS, Listed, ObjectStore, client_options, retry_config

if TYPE_CHECKING:
    from obstore import GetOptions, GetResult
    from obstore.store import ClientConfig

__all__ = ["AzureStore", "open_store"]

ASKING = 16
SENDING = 48
"""Parts that are sent on at once; more wait until one is done."""


def open_store(destination: str, options: Options) -> AzureStore:  # noqa: ARG001 - nothing of it concerns Azure
    """The store in a container.

    Raises:
        UnusableDestination: it names no container, or nothing in the environment opens it.
    """
    return AzureStore(find_account(destination, os.environ))


class AzureStore(KeepsParts[AzureParts], ObjectStore):
    """An ``ArtifactStore`` in a container.

    Args:
        account: it and what opens it.
        stall: seconds without a byte after which an operation ends.
    """

    def __init__(self, account: Account, stall: float = SECONDS) -> None:
        reached: ClientConfig = {
            **client_options(stall),
            "allow_http": account.endpoint.startswith("http://"),
        }
        container = Container(
            account.container,
            config={"account_name": account.name, "endpoint": account.endpoint},
            client_options=reached,
            retry_config=retry_config(),
            credential_provider=account.credential,
        )
        super().__init__(container, account.url, f"{account.folder}/" if account.folder else "", stall)
        self._askers = ThreadPoolExecutor(ASKING, thread_name_prefix="artifact-azure")
        self._senders = ThreadPoolExecutor(SENDING, thread_name_prefix="artifact-azure-part")
        self._blobs = BlobService(account, self._askers, stall)
        self._parts = AzureParts(self._blobs, self.path, self._senders)
        if account.has_key:
            self.signer = AzureSigner(account, self.path)

    async def begin(self, key: Key) -> str:
        """Begin an upload in parts."""
        return await self._parts.begin(key)

    async def info(self, key: Key) -> ArtifactInfo:
        """What is known of an artifact."""
        answer = await self._blobs.ask("HEAD", self.path(key), {})
        head = answer.headers
        if answer.status_code == 404 or is_directory(head.get("x-ms-meta-hdi_isfolder")):
            raise await self._missing(key)
        self._blobs.require(answer, 200)
        modified = parsedate_to_datetime(head["Last-Modified"]).timestamp()
        return ArtifactInfo(int(head["Content-Length"]), head["ETag"], modified)

    async def delete(self, key: Key) -> bool:
        """Remove an artifact, or a folder with all below."""
        if not key:
            raise ValueError("The root of a store is never deleted.")
        path = self.path(key)
        status = await self._delete_one(path)
        below = await self._delete_below(f"{path}/")
        if status == 409:
            await self._delete_one(path)
        return below or status == 202

    async def close(self) -> None:
        """Give back connections and threads."""
        self._senders.shutdown(wait=False, cancel_futures=True)
        self._askers.shutdown(wait=False, cancel_futures=True)
        self._blobs.close()

    async def _page(self, folder: str, cursor: str, limit: int) -> Listed:
        listed = await self._blobs.names(folder, cursor, limit, "/")
        return Listed([(blob.name, blob.size) for blob in listed.blobs], listed.folders, listed.marker)

    async def _delete_below(self, folder: str) -> bool:
        found, marker = False, ""
        directories: list[str] = []
        while True:
            listed = await self._blobs.names(folder, marker)
            found = found or bool(listed.blobs)
            # Not by obstore, which takes "a/" and "a//b" for other paths.
            await asyncio.gather(*(self._delete_one(blob.name) for blob in listed.blobs))
            directories += listed.directories
            marker = listed.marker
            if not marker:
                break
        # Only an empty directory can be deleted, so what is deepest goes first.
        for name in sorted(directories, reverse=True):
            await self._delete_one(name)
        return found

    async def _delete_one(self, path: str) -> int:
        """Delete a blob or an empty directory; the status: 202, 404, or 409 if the directory is not empty."""
        answer = await self._blobs.ask("DELETE", path, {}, headers={"x-ms-delete-snapshots": "include"})
        self._blobs.require(answer, 202, 404, 409)
        return answer.status_code

    async def _get(self, key: Key, path: str, options: GetOptions) -> GetResult:
        result = await super()._get(key, path, options)
        if is_directory(result.attributes.get("hdi_isfolder")):
            raise await self._missing(key)
        return result
