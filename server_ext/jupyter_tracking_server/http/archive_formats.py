"""ZIP and tar as streams: bytes out for each file that comes in, with nothing to go back to.

A ZIP ends in a table of its files, which is all that is kept: some hundred bytes for each. Files are stored
in both, not deflated: models and images are compressed already, and a proxy should not be slower than its
disk. Both hold files of any size and any number of them (ZIP64, pax).
"""

from __future__ import annotations

import struct
import tarfile
import time
import zlib
from collections.abc import Iterator
from typing import Protocol

__all__ = ["FORMATS", "Format", "Tar", "Zip"]

SLICE = 2**18
MAX_32 = 0xFFFFFFFF
MAX_16 = 0xFFFF


class Format(Protocol):
    """Makes one archive: ``begin``, any number of ``add``, ``end`` for each file, and ``close`` at last."""

    content_type: str

    def begin(self, name: str, size: int, modified: float) -> bytes:
        """What comes before a file's bytes; ``modified`` in seconds since the epoch."""

    def add(self, chunk: bytes) -> None:
        """Look at bytes of the file, which the caller writes as they are."""

    def end(self) -> bytes:
        """What comes after a file's bytes."""

    def close(self) -> Iterator[bytes]:
        """What comes after all files."""


class Tar:
    """A pax archive, which every tar of this century reads."""

    content_type = "application/x-tar"

    def __init__(self) -> None:
        self._size = 0

    def begin(self, name: str, size: int, modified: float) -> bytes:
        """A header of 512 bytes, more if the name or size want it."""
        self._size = size
        info = tarfile.TarInfo(name)
        info.size, info.mtime, info.mode = size, int(modified), 0o644
        return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")

    def add(self, chunk: bytes) -> None:
        """Nothing to know."""

    def end(self) -> bytes:
        """Fill the last block."""
        return bytes(-self._size % tarfile.BLOCKSIZE)

    def close(self) -> Iterator[bytes]:
        """Two empty blocks."""
        yield bytes(2 * tarfile.BLOCKSIZE)


class Zip:
    """A ZIP archive whose checksums follow the bytes, as they are not known before (APPNOTE 4.4.4, bit 3)."""

    content_type = "application/zip"

    _FLAGS = 0x0808
    """Checksum and sizes after the bytes; names in UTF-8."""
    _MADE_BY = 3 << 8 | 45
    """Unix, for the file's mode; version 4.5 of the format."""
    _MODE = 0o100644 << 16

    def __init__(self) -> None:
        self._table = bytearray()
        self._count = 0
        self._offset = 0
        self._start = 0
        self._crc = 0
        self._size = 0
        self._name = b""
        self._when = (0, 0)
        self._stamp = b""

    def begin(self, name: str, size: int, modified: float) -> bytes:
        """The local header."""
        self._name, self._size, self._crc, self._start = name.encode(), size, 0, self._offset
        self._when, self._stamp = _dos_time(modified), _unix_time(modified)
        extra, sizes = self._stamp, (0, 0)
        if self._big:
            extra, sizes = extra + struct.pack("<HHQQ", 1, 16, 0, 0), (MAX_32, MAX_32)
        head = struct.pack("<4sHHH", b"PK\x03\x04", 45 if self._big else 20, self._FLAGS, 0)
        head += struct.pack("<HHLLLHH", *self._when, 0, *sizes, len(self._name), len(extra))
        return self._sent(head + self._name + extra, size)

    def add(self, chunk: bytes) -> None:
        """Take the bytes into the checksum."""
        self._crc = zlib.crc32(chunk, self._crc)

    def end(self) -> bytes:
        """The checksum and sizes; the file goes into the table."""
        size, form = self._size, "<4sLQQ" if self._big else "<4sLLL"
        self._count += 1
        self._table += self._entry()
        return self._sent(struct.pack(form, b"PK\x07\x08", self._crc, size, size))

    def close(self) -> Iterator[bytes]:
        """The table of files, and where it is."""
        size, offset, count = len(self._table), self._offset, self._count
        for start in range(0, size, SLICE):
            yield bytes(self._table[start : start + SLICE])
        if count >= MAX_16 or size >= MAX_32 or offset >= MAX_32:
            yield struct.pack("<4sQHHLLQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, size, offset)
            yield struct.pack("<4sLQL", b"PK\x06\x07", 0, offset + size, 1)
        counts = min(count, MAX_16)
        places = (min(size, MAX_32), min(offset, MAX_32))
        yield struct.pack("<4sHHHHLLH", b"PK\x05\x06", 0, 0, counts, counts, *places, 0)

    @property
    def _big(self) -> bool:
        return self._size >= MAX_32

    def _entry(self) -> bytes:
        """A line of the table; what 32 bits cannot hold is in its extra field, in this order."""
        long = [number for number in (self._size, self._size, self._start) if number >= MAX_32]
        extra = self._stamp
        if long:
            extra += struct.pack(f"<HH{len(long)}Q", 1, 8 * len(long), *long)
        size, start = min(self._size, MAX_32), min(self._start, MAX_32)
        head = struct.pack("<4sHHHH", b"PK\x01\x02", self._MADE_BY, 45 if long else 20, self._FLAGS, 0)
        head += struct.pack("<HHLLLHH", *self._when, self._crc, size, size, len(self._name), len(extra))
        head += struct.pack("<HHHLL", 0, 0, 0, self._MODE, start)
        return head + self._name + extra

    def _sent(self, own: bytes, of_the_file: int = 0) -> bytes:
        self._offset += len(own) + of_the_file
        return own


FORMATS: dict[str, type[Zip | Tar]] = {"zip": Zip, "tar": Tar}


def _dos_time(modified: float) -> tuple[int, int]:
    """Time and date, of a clock that ran from 1980 to 2107 and ticks every two seconds; in UTC."""
    year, month, day, hour, minute, second, *_ = time.gmtime(modified)
    if not 1980 <= year <= 2107:
        year, month, day, hour, minute, second = (1980, 1, 1, 0, 0, 0)
    return hour << 11 | minute << 5 | second // 2, (year - 1980) << 9 | month << 5 | day


def _unix_time(modified: float) -> bytes:
    """The extra field that says it in seconds since the epoch, of which it has 31 bits."""
    return struct.pack("<HHBl", 0x5455, 5, 1, max(0, min(int(modified), 2**31 - 1)))
