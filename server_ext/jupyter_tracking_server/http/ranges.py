"""Parts of artifacts: the header ``Range``, and replies that hold several parts (RFC 9110, 14).

A reply never has more bytes of the artifact than the whole has: parts that overlap are sent as one, and
a header that asks for very many is passed over.
"""

from __future__ import annotations

import contextlib
import re
import secrets
from collections.abc import AsyncIterator, Sequence

from ..artifact_stores.base import ArtifactStore, ByteRange, Download, Span
from ..artifact_stores.errors import BrokenRead, RangeNotSatisfiable
from ..artifact_stores.keys import Key

__all__ = ["MOST", "PartsReply", "as_range", "content_range", "parse_ranges", "spans"]

MOST = 16
"""Parts that one request may ask for."""

_HEADER = re.compile(r"bytes=([0-9,\- \t]{1,1000})\Z", re.IGNORECASE)
_PART = re.compile(r"([0-9]{0,18})-([0-9]{0,18})\Z")


def parse_ranges(header: str) -> list[ByteRange]:
    """The parts that a ``Range`` header asks for; none, which is the whole, if it is absent or unclear."""
    found = _HEADER.match(header.strip())
    if found is None:
        return []
    parts = [part for part in (item.strip() for item in found[1].split(",")) if part]
    ranges = [_parse(part) for part in parts[: MOST + 1]]
    valid = [part for part in ranges if part is not None]
    return valid if len(valid) == len(ranges) <= MOST else []


def _parse(part: str) -> ByteRange | None:
    found = _PART.match(part)
    if found is None or part == "-":
        return None
    first = int(found[1]) if found[1] else None
    last = int(found[2]) if found[2] else None
    if first is not None and last is not None and last < first:
        return None
    return ByteRange(first, last)


def spans(ranges: Sequence[ByteRange], size: int) -> list[Span]:
    """The parts that there are, in the order asked for; in their own order, and joined, if some overlap.

    Raises:
        RangeNotSatisfiable: there is none of them.
    """
    found: list[Span] = []
    for part in ranges:
        with contextlib.suppress(RangeNotSatisfiable):
            found.append(part.within(size))
    if not found:
        raise RangeNotSatisfiable(size)
    joined: list[Span] = []
    for span in sorted(found):
        if joined and span.start < joined[-1].stop:
            joined[-1] = Span(joined[-1].start, max(joined[-1].stop, span.stop))
        else:
            joined.append(span)
    return found if len(joined) == len(found) else joined


def as_range(span: Span) -> ByteRange:
    """What to ask a store for."""
    return ByteRange(span.start, span.stop - 1)


def content_range(span: Span, size: int) -> str:
    """The header of that name."""
    return f"bytes {span.start}-{span.stop - 1}/{size}"


class PartsReply:
    """Several parts as one body; iterate once.

    Args:
        first: reads the first part; the others are opened one after the other.
        parts: at least two.
        kind: the type of the artifact.

    Attributes:
        content_type: of the body.
        length: of the body, in bytes.
    """

    def __init__(
        self, store: ArtifactStore, key: Key, first: Download, parts: Sequence[Span], kind: str
    ) -> None:
        self._store = store
        self._key = key
        self._first = first
        self._parts = parts
        boundary = secrets.token_hex(16)
        self.content_type = f"multipart/byteranges; boundary={boundary}"
        self._heads = [
            f"\r\n--{boundary}\r\nContent-Type: {kind}\r\n"
            f"Content-Range: {content_range(part, first.info.size)}\r\n\r\n".encode()
            for part in parts
        ]
        self._tail = f"\r\n--{boundary}--\r\n".encode()
        self.length = (
            sum(map(len, self._heads)) + sum(part.stop - part.start for part in parts) + len(self._tail)
        )

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The body; ``BrokenRead`` if the artifact changes on the way."""
        for number, (head, part) in enumerate(zip(self._heads, self._parts, strict=True)):
            yield head
            if number == 0:
                async for chunk in self._first:
                    yield chunk
                continue
            async with await self._store.read(self._key, as_range(part)) as download:
                if (download.info.etag, download.span) != (self._first.info.etag, part):
                    raise BrokenRead("the artifact was replaced while parts of it were read")
                async for chunk in download:
                    yield chunk
        yield self._tail
