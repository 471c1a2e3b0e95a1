"""Chunks: any points come back bit for bit, and usual ones take few bytes."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_tracking_server.store import chunks
from jupyter_tracking_server.store.points import Points

INT64 = st.integers(-(2**63), 2**63 - 1)
ROWS = st.lists(st.tuples(INT64, INT64, st.floats(width=64) | st.floats(width=32)), min_size=1, max_size=50)


def bits(points: Points) -> list[tuple[int, int, bytes]]:
    """Points whose values compare by their bits, all NaN being one."""
    values = [struct.pack("<d", value) if value == value else b"nan" for value in points.values]  # noqa: PLR0124  # NaN
    return list(zip(points.steps, points.timestamps, values, strict=True))


def points_of(rows: list[tuple[int, int, float]]) -> Points:
    steps, timestamps, values = zip(*rows, strict=True)
    return Points(list(steps), list(timestamps), list(values))


@given(ROWS)
def test_any_points_come_back(rows: list[tuple[int, int, float]]) -> None:
    points = points_of(rows)
    blob = chunks.encode(points)
    assert bits(chunks.decode(blob)) == bits(points)
    last = len(rows) - 1
    assert bits(chunks.pick(blob, [last, 0])) == [bits(points)[last], bits(points)[0]]


@pytest.mark.parametrize(
    ("values", "most"), [([0.1 * n for n in range(1000)], 12.1), ([n / 8 for n in range(1000)], 8.1)]
)
def test_a_usual_point_takes_few_bytes(values: list[float], most: float) -> None:
    times = [1_700_000_000_000 + 913 * n + n % 7 for n in range(1000)]
    blob = chunks.encode(Points(list(range(1000)), times, values))
    assert len(blob) / 1000 < most


def test_the_bytes_of_version_1_are_fixed() -> None:
    """What is stored must be readable for ever: a change of these bytes needs a new version."""
    blob = chunks.encode(Points([3, 5, 7], [100, 101, 99], [0.5, 0.1, float("nan")]))
    assert blob.hex() == (
        "01000108"
        + "03000000"
        + "0300000000000000"
        + "0200000000000000"
        + "6300000000000000"
        + "00" * 8
        + "000000000000e03f"
        + "9a9999999999b93f"
        + "000000000000f87f"
        + "010200"
    )


def test_a_chunk_of_another_version_is_refused() -> None:
    with pytest.raises(chunks.UnknownChunk, match="02"):
        chunks.decode(b"\x02" + bytes(60))
    with pytest.raises(chunks.UnknownChunk):
        chunks.decode(b"")
