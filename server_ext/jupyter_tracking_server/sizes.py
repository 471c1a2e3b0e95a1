"""Sizes as people write them: ``5GB``, ``1.5 TiB``, ``800``."""

from __future__ import annotations

import re

__all__ = ["parse_size", "show_size"]

_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(?:([kmgt]?)(i?)b?)?\Z")
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_UNITS = ("B", "kB", "MB", "GB", "TB")
_LARGEST = 2**62


def parse_size(text: str) -> int:
    """The bytes that a size has; kB, MB … are powers of 1000, KiB, MiB … of 1024.

    Raises:
        ValueError: it is none; the message says how to write one.
    """
    found = _SIZE.match(text.strip().lower())
    if found is None:
        raise ValueError(f"{text!r} is not a size: write it as 5GB, 1.5TiB or 800.")
    number, unit, binary = found.groups()
    size = float(number) * (1024 if binary else 1000) ** _POWERS[unit or ""]
    if size > _LARGEST:
        raise ValueError(f"{text!r} is more than any store holds.")
    return int(size)


def show_size(size: float) -> str:
    """A number of bytes as people read it."""
    power = 0
    while size >= 999.5 and power < len(_UNITS) - 1:
        size /= 1000
        power += 1
    return f"{size:.0f} {_UNITS[power]}" if power == 0 or size >= 100 else f"{size:.1f} {_UNITS[power]}"
