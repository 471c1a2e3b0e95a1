"""Chunks: about a thousand points of one series in one blob, the same bytes on every database.

A blob is a header and three columns, little-endian. Integers (step, timestamp) are either an arithmetic
sequence, which the header alone describes, or offsets from a base in the fewest bytes that hold them all;
values are 4 bytes each if that loses nothing, else 8. So a usual point takes 8 or 12 bytes, and any one
point can be read without the others.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from .points import Points

POINTS = 1000
"""How many points a full chunk has."""
VERSION = 1

# Version, widths of step, timestamp and value, count; then base and stride of step and of timestamp.
_HEADER = struct.Struct("<BBBBIqqqq")
_UNSIGNED = {1: "B", 2: "H", 4: "I", 8: "Q"}
_FLOATS = {4: "f", 8: "d"}


class UnknownChunk(Exception):
    """The blob is of a version that this program does not know."""


class _Integers(NamedTuple):
    """A column as it is stored: ``base + offsets[i]``."""

    base: int
    offsets: Sequence[int]

    def all(self) -> list[int]:
        base = self.base
        return [base + offset for offset in self.offsets] if base else list(self.offsets)


def encode(points: Points) -> bytes:
    """A blob of these points, in this order; at least one."""
    steps, step_base, step_stride, step_width = _encode_integers(points.steps)
    times, time_base, time_stride, time_width = _encode_integers(points.timestamps)
    values, value_width = _encode_floats(points.values)
    header = _HEADER.pack(
        VERSION,
        step_width,
        time_width,
        value_width,
        len(points),
        step_base,
        step_stride,
        time_base,
        time_stride,
    )
    return b"".join((header, values, times, steps))


def decode(blob: bytes) -> Points:
    """All points of a blob."""
    steps, times, values = _columns(blob)
    return Points(steps.all(), times.all(), values.tolist())


def pick(blob: bytes, places: Iterable[int]) -> Points:
    """Some points of a blob, by their place in it."""
    steps, times, values = _columns(blob)
    chosen = list(places)
    return Points(
        [steps.base + steps.offsets[place] for place in chosen],
        [times.base + times.offsets[place] for place in chosen],
        [values[place] for place in chosen],
    )


def _columns(blob: bytes) -> tuple[_Integers, _Integers, array[float]]:
    if not blob or blob[0] != VERSION:
        raise UnknownChunk(f"A chunk of metrics has version {blob[:1].hex()}; this server knows {VERSION}.")
    _, step_width, time_width, value_width, count, *places = _HEADER.unpack_from(blob)
    step_base, step_stride, time_base, time_stride = places
    times_at = _HEADER.size + count * value_width
    steps_at = times_at + count * time_width
    return (
        _decode_integers(blob[steps_at:], count, step_base, step_stride, step_width),
        _decode_integers(blob[times_at:steps_at], count, time_base, time_stride, time_width),
        _array(_FLOATS[value_width], blob[_HEADER.size : times_at]),
    )


def _encode_integers(column: list[int]) -> tuple[bytes, int, int, int]:
    """The column's bytes, base, stride and width."""
    first = column[0]
    stride = column[1] - first if len(column) > 1 else 0
    if abs(stride) < 2**63 and column == list(_sequence(first, stride, len(column))):
        return b"", first, stride, 0
    base = min(column)
    widest = max(column) - base
    width = next(width for width in _UNSIGNED if widest < 256**width)
    return _bytes(array(_UNSIGNED[width], [number - base for number in column])), base, 0, width


def _decode_integers(data: bytes, count: int, base: int, stride: int, width: int) -> _Integers:
    if width == 0:
        return _Integers(0, _sequence(base, stride, count))
    return _Integers(base, _array(_UNSIGNED[width], data))


def _sequence(first: int, stride: int, count: int) -> Sequence[int]:
    return range(first, first + stride * count, stride) if stride else [first] * count


def _encode_floats(column: list[float]) -> tuple[bytes, int]:
    exact = array("d", column)
    try:
        short = array("f", column)
    except OverflowError:
        return _bytes(exact), 8
    if array("d", short).tobytes() == exact.tobytes():
        return _bytes(short), 4
    return _bytes(exact), 8


def _array(code: str, data: bytes) -> Any:
    """An array of ints or floats, as the type code says."""
    found: array[Any] = array(code)
    found.frombytes(data)
    if sys.byteorder == "big":
        found.byteswap()
    return found


def _bytes(column: array[Any]) -> bytes:
    if sys.byteorder == "big":
        column.byteswap()
    return column.tobytes()
