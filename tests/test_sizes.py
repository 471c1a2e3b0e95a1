"""Sizes as people write them, and as they are shown."""

from __future__ import annotations

import pytest

from jupyter_tracking_server.sizes import parse_size, show_size


@pytest.mark.parametrize(
    ("text", "size"),
    [("800", 800), ("5GB", 5 * 10**9), ("1.5 TiB", 3 * 2**39), ("10k", 10_000), ("1KiB", 1024), ("7 b", 7)],
)
def test_a_size_is_a_number_of_bytes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "GB", "-1", "1e9", "5XB", "1 2", "٣", "1.GB", "9999999999TB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a size|more than any"):
        parse_size(text)


def test_a_size_is_shown_with_two_digits_at_least() -> None:
    shown = [show_size(size) for size in (0, 999, 1000, 12_345, 999_994, 123_456_789, 5 * 10**12, 10**16)]
    assert shown == ["0 B", "999 B", "1.0 kB", "12.3 kB", "1.0 MB", "123 MB", "5.0 TB", "10000 TB"]
