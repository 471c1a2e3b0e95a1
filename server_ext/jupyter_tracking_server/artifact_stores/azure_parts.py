"""Uploads in parts to Azure: each part is a block of the blob to be, until the list of blocks is put.

Azure keeps blocks that belong to no blob yet by the blob's name alone, for a week. So

* a block's id has the upload's mark, the part's number and when it was sent: uploads to one key stay apart,
  and of a part that was sent twice the later is the part;
* ``.uploads/<upload>`` is an empty blob that says that the upload is open. Each part sets its metadata (to
  nothing), so that it says when something last happened;
* the blocks of an upload that was aborted cannot be removed by us. Azure does it within a week, or when the
  blob is next written; this also drops the blocks of uploads that are open, whose parts are then missing.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from email.utils import parsedate_to_datetime
from typing import NamedTuple
from xml.etree import ElementTree

from .azure_blobs import BlobService
from .base import ArtifactInfo, Part, Upload
from .errors import InvalidPart, NoSuchUpload
from .keys import UPLOADS, Key, text
from .part_sender import Body, PartSender

__all__ = ["AzureParts"]

_UPLOAD = re.compile(r"([0-9a-f]{12})-([0-9a-f]{12})-([0-9a-f]{16})")


class Block(NamedTuple):
    """What a block's id says; written one after the other it has 32 characters, as obstore's ids have.

    Azure wants all ids of a blob to be equally long, and obstore writes other blobs of the same name.
    """

    mark: str
    number: int
    sent: str

    @property
    def id(self) -> str:
        """As Azure wants it."""
        return base64.b64encode(f"{self.mark}{self.number:05}{self.sent}".encode()).decode()

    @classmethod
    def new(cls, upload: str, number: int) -> Block:
        """The block for a part that is about to be sent."""
        return cls(_mark(upload), number, f"{int(time.time() * 1000):011x}{secrets.token_hex(2)}")


class AzureParts:
    """The methods of ``ArtifactStore`` for uploads in parts.

    Args:
        blobs: the container.
        path: of a key's blob.
        threads: where parts are sent.
    """

    def __init__(self, blobs: BlobService, path: Callable[[Key], str], threads: Executor) -> None:
        self._blobs = blobs
        self._path = path
        self._threads = threads

    async def begin(self, key: Key) -> str:
        """Begin an upload in parts; its id."""
        self._path(key)
        upload = f"{int(time.time() * 1000):012x}-{secrets.token_hex(6)}-{_digest(key)}"
        path, headers = self._path((UPLOADS, upload)), {"x-ms-blob-type": "BlockBlob"}
        self._blobs.require(await self._blobs.ask("PUT", path, {}, headers=headers), 201)
        return upload

    async def create_part(self, key: Key, upload: str, number: int, size: int) -> Upload:
        """Begin to write a part."""
        await self._require_open(key, upload, "PUT", {"comp": "metadata"})
        block, path = Block.new(upload, number), self._path(key)

        def send(body: Body | bytes) -> ArtifactInfo:
            answer = self._blobs.send("PUT", path, {"comp": "block", "blockid": block.id}, body, {})
            self._blobs.require(answer, 201)
            return ArtifactInfo(size, f'"{block.sent}"', time.time())

        return PartSender(size, send, self._threads)

    async def parts(self, key: Key, upload: str) -> list[Part]:
        """The parts that have come."""
        await self._require_open(key, upload, "HEAD", {})
        found = await self._blocks(key, upload)
        return [Part(number, size, f'"{block.sent}"') for number, (block, size) in sorted(found.items())]

    async def complete(self, key: Key, upload: str, parts: Sequence[Part]) -> ArtifactInfo:
        """Make one artifact of the parts. A part whose etag is ``""`` is whatever came last."""
        await self._require_open(key, upload, "HEAD", {})
        found = await self._blocks(key, upload)
        if not parts:
            raise InvalidPart(1)
        for part in parts:
            block, size = found.get(part.number, (None, 0))
            if block is None or size != part.size or part.etag not in {"", f'"{block.sent}"'}:
                raise InvalidPart(part.number)
        blocks = ElementTree.Element("BlockList")
        for part in parts:
            # Not "Uncommitted": asked again after an answer got lost, it shall be the same.
            ElementTree.SubElement(blocks, "Latest").text = found[part.number][0].id
        body = ElementTree.tostring(blocks, "utf-8", xml_declaration=True)
        answer = await self._blobs.ask("PUT", self._path(key), {"comp": "blocklist"}, body)
        if answer.headers.get("x-ms-error-code") == "InvalidBlockList":
            raise InvalidPart(parts[0].number)
        self._blobs.require(answer, 201)
        await self.abort(key, upload)
        modified = parsedate_to_datetime(answer.headers["Last-Modified"]).timestamp()
        return ArtifactInfo(sum(part.size for part in parts), answer.headers["ETag"], modified)

    async def abort(self, key: Key, upload: str) -> None:
        """Drop an upload in parts."""
        if _is_of(upload, key):
            answer = await self._blobs.ask("DELETE", self._path((UPLOADS, upload)), {})
            self._blobs.require(answer, 202, 404)

    async def sweep(self, age: float) -> int:
        """Close the uploads in which nothing has happened for ``age`` seconds; how many there were."""
        before, swept, marker = time.time() - age, 0, ""
        folder = self._path((UPLOADS, ""))
        while True:
            listed = await self._blobs.names(folder, marker)
            for blob in listed.blobs:
                if _UPLOAD.fullmatch(blob.name[len(folder) :]) and blob.modified <= before:
                    answer = await self._blobs.ask("DELETE", blob.name, {})
                    self._blobs.require(answer, 202, 404)
                    swept += answer.status_code == 202
            marker = listed.marker
            if not marker:
                return swept

    async def _require_open(self, key: Key, upload: str, method: str, query: dict[str, str]) -> None:
        if not _is_of(upload, key):
            raise NoSuchUpload
        answer = await self._blobs.ask(method, self._path((UPLOADS, upload)), query)
        if answer.status_code == 404:
            raise NoSuchUpload
        self._blobs.require(answer, 200)

    async def _blocks(self, key: Key, upload: str) -> dict[int, tuple[Block, int]]:
        """By number, the latest block of each part, and its size."""
        query = {"comp": "blocklist", "blocklisttype": "uncommitted"}
        answer = await self._blobs.ask("GET", self._path(key), query)
        if answer.status_code == 404:
            return {}
        self._blobs.require(answer, 200)
        found: dict[int, tuple[Block, int]] = {}
        for line in self._blobs.parsed(answer).iterfind("UncommittedBlocks/Block"):
            name = base64.b64decode(line.findtext("Name", "")).decode("ascii", "replace")
            if name.startswith(_mark(upload)):
                block = Block(name[:12], int(name[12:17]), name[17:])
                if block.number not in found or found[block.number][0].sent < block.sent:
                    found[block.number] = (block, int(line.findtext("Size", "0")))
        return found


def _digest(key: Key) -> str:
    return hashlib.sha256(text(key).encode()).hexdigest()[:16]


def _mark(upload: str) -> str:
    """What the ids of an upload's blocks begin with."""
    return upload[13:25]


def _is_of(upload: str, key: Key) -> bool:
    form = _UPLOAD.fullmatch(upload)
    return form is not None and form[3] == _digest(key)
