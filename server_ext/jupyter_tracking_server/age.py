"""Ages as people write them: ``30d``, ``12h``, ``1d2h3m4s``."""

from __future__ import annotations

import re

__all__ = ["parse_age"]

_NUMBER = r"(\d+(?:\.\d+)?)"
_AGE = re.compile(rf"(?:{_NUMBER}d)?(?:{_NUMBER}h)?(?:{_NUMBER}m)?(?:{_NUMBER}s)?\Z")
_SECONDS = (86_400, 3_600, 60, 1)
_LONGEST = 10_000 * 86_400.0


def parse_age(text: str) -> float:
    """The seconds that an age has.

    Raises:
        ValueError: it is none; the message says how to write one.
    """
    found = _AGE.match(text.lower())
    if not text or found is None:
        raise ValueError(f"{text!r} is not an age: write it as 30d, 12h or 1d2h3m4s.")
    age = sum(float(part) * unit for part, unit in zip(found.groups(), _SECONDS, strict=True) if part)
    if age > _LONGEST:
        raise ValueError(f"{text!r} is longer than any run is old.")
    return age
