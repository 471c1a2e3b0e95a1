"""The sha256 of what is sent and of what comes, in hex."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .sources import Source
from .transport import CHUNK

HEADER = "x-checksum-sha256"
"""With it, a server refuses a body that was changed on its way."""

_DIGEST = re.compile(r"sha-256=:?([A-Za-z0-9+/]{43}=)", re.IGNORECASE)
_ETAG = re.compile(r'"([0-9a-f]{64})"')


@dataclass(frozen=True)
class Checksums:
    """Of a file as a whole, and of each of its parts of ``part_size`` bytes, if it has parts."""

    whole: str
    part_size: int = 0
    parts: tuple[str, ...] = ()


def of_source(source: Source, part_size: int, done: Callable[[int], None]) -> Checksums:
    """Read a source once for all its checksums.

    They are taken from the same bytes: parts that fit theirs make a whole that fits its own, whatever happens
    to the file meanwhile.

    Args:
        source: what to read.
        part_size: bytes of each part; the last may have fewer. 0 for no parts.
        done: told how many bytes have been read.
    """
    whole = hashlib.sha256()
    parts: list[str] = []
    read = 0

    def count(size: int) -> None:
        nonlocal read
        read += size
        done(read)

    section = source.open(0, source.size, count)
    try:
        while read < source.size:
            part = hashlib.sha256()
            end = min(read + (part_size or source.size), source.size)
            while read < end:
                block = section.read(min(CHUNK, end - read))
                whole.update(block)
                if part_size:
                    part.update(block)
            parts.append(part.hexdigest())
    finally:
        section.close()
    return Checksums(whole.hexdigest(), part_size, tuple(parts) if part_size else ())


def in_headers(headers: Mapping[str, str]) -> str | None:
    """The sha256 of a whole artifact that a reply names, if it does."""
    for name in ("Repr-Digest", "Digest"):
        if found := _DIGEST.search(headers.get(name, "")):
            try:
                return base64.b64decode(found[1], validate=True).hex()
            except binascii.Error:
                continue
    found = _ETAG.fullmatch(headers.get("ETag", ""))
    return found[1] if found else None
