"""Checksums of bodies: taken while they come, held against what their senders say, told to those who read.

Known are ``Content-MD5``, ``x-checksum-sha256``, and the sha-256 or md5 in ``Digest`` (RFC 3230),
``Repr-Digest`` and ``Content-Digest`` (RFC 9530). Other algorithms in the last three are passed over, as
their standards have it.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import re
from collections.abc import AsyncIterable, AsyncIterator, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from jupyter_tracking.protocol.errors import InvalidParameterValue

from ..artifact_stores.errors import BrokenRead

if TYPE_CHECKING:
    from hashlib import _Hash

__all__ = ["Checksums", "digest_headers"]

STEP = 2**20
"""Bytes that are worth the way to a thread; hashing them on the event loop would hold up everybody."""

_HEX = re.compile(r"[0-9a-fA-F]{64}\Z")
_SIZES = {"sha-256": 32, "md5": 16}


class _Claim(NamedTuple):
    """What a header says that the body's digest is."""

    header: str
    algorithm: str
    digest: bytes


class Checksums:
    """The digests of one body; feed it all chunks in order, then ask ``verify``.

    Args:
        headers: of the request.

    Raises:
        InvalidParameterValue: one of them holds no digest where it should.
    """

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._claims = list(_claims(headers))
        self._sha256 = hashlib.sha256()
        wants_md5 = any(claim.algorithm == "md5" for claim in self._claims)
        self._md5 = hashlib.md5(usedforsecurity=False) if wants_md5 else None
        self._gathered: list[bytes] = []
        self._gathered_bytes = 0
        self._running: asyncio.Task[None] | None = None

    @property
    def claimed(self) -> bool:
        """Whether the sender announced any."""
        return bool(self._claims)

    async def add(self, chunk: bytes) -> None:
        """Take the next bytes; a thread hashes large ones while the next come."""
        self._gathered.append(chunk)
        self._gathered_bytes += len(chunk)
        if self._gathered_bytes >= STEP:
            await self._settle()
            self._running = asyncio.create_task(asyncio.to_thread(self._hash, self._take()))

    async def verify(self) -> str:
        """The sha256 of all that came, in hex.

        Raises:
            InvalidParameterValue: the sender announced another checksum.
        """
        await self._settle()
        self._hash(self._take())
        for claim in self._claims:
            found = self._found(claim.algorithm).digest()
            if not hmac.compare_digest(found, claim.digest):
                raise InvalidParameterValue(
                    f"The {claim.algorithm} of the body is not the one in the header {claim.header}: it was "
                    "changed on its way, or the header is of other bytes. Nothing was stored; send it again."
                )
        return self._sha256.hexdigest()

    def _found(self, algorithm: str) -> _Hash:
        return self._md5 if algorithm == "md5" and self._md5 is not None else self._sha256

    def _take(self) -> list[bytes]:
        taken, self._gathered, self._gathered_bytes = self._gathered, [], 0
        return taken

    async def _settle(self) -> None:
        if self._running is not None:
            running, self._running = self._running, None
            await running

    def _hash(self, chunks: list[bytes]) -> None:
        for chunk in chunks:
            self._sha256.update(chunk)
            if self._md5 is not None:
                self._md5.update(chunk)


async def verified(chunks: AsyncIterable[bytes], size: int, sha256: str) -> AsyncIterator[bytes]:
    """The same chunks, of ``size`` bytes in all; the last one only if the sha256 (hex) of all is right.

    Raises:
        BrokenRead: it is not; whoever waits for the last bytes must not get them.
    """
    found, position, running = hashlib.sha256(), 0, None
    async for chunk in chunks:
        if running is not None:
            await running
        # A thread hashes what is being sent; nothing is held for that.
        running = asyncio.ensure_future(asyncio.to_thread(found.update, chunk))
        position += len(chunk)
        if position >= size:
            await running
            if found.hexdigest() != sha256:
                raise BrokenRead("the bytes are not those that were stored: their sha256 differs")
        yield chunk


def digest_headers(sha256: str) -> dict[str, str]:
    """Headers that tell a whole artifact's sha256 (hex), in the old and the new form."""
    encoded = base64.b64encode(bytes.fromhex(sha256)).decode()
    return {"Digest": f"sha-256={encoded}", "Repr-Digest": f"sha-256=:{encoded}:"}


def _claims(headers: Mapping[str, str]) -> Iterator[_Claim]:
    if "Content-MD5" in headers:
        yield _claim("Content-MD5", "md5", headers["Content-MD5"])
    if "x-checksum-sha256" in headers:
        yield _claim("x-checksum-sha256", "sha-256", headers["x-checksum-sha256"])
    for name in ("Digest", "Repr-Digest", "Content-Digest"):
        for item in headers.get(name, "").split(","):
            algorithm, _, value = item.strip().partition("=")
            algorithm = algorithm.lower()
            if algorithm in _SIZES:
                # The newer two write a colon before and after the base64.
                quoted = len(value) > 1 and value[0] == value[-1] == ":"
                yield _claim(name, algorithm, value[1:-1] if name != "Digest" and quoted else value)


def _claim(header: str, algorithm: str, value: str) -> _Claim:
    value = value.strip()
    try:
        if header == "x-checksum-sha256" and _HEX.match(value):
            digest = bytes.fromhex(value)
        else:
            digest = base64.b64decode(value, validate=True)
    except ValueError:
        digest = b""
    if len(digest) != _SIZES[algorithm]:
        raise InvalidParameterValue(
            f"The header {header} holds no {algorithm} digest in base64; correct it or leave it out."
        )
    return _Claim(header, algorithm, digest)
