"""A finding: one line of what the doctor says."""

from __future__ import annotations

from typing import Literal, NamedTuple

__all__ = ["Finding", "bad", "look", "ok", "size"]


class Finding(NamedTuple):
    """``bad`` does not work, ``look`` may be meant so; ``cure`` says what to do."""

    level: Literal["ok", "look", "bad"]
    text: str
    cure: str = ""


def ok(text: str) -> Finding:
    """All is well."""
    return Finding("ok", text)


def look(text: str, cure: str) -> Finding:
    """Somebody should look at it."""
    return Finding("look", text, cure)


def bad(text: str, cure: str) -> Finding:
    """It does not work."""
    return Finding("bad", text, cure)


def size(count: float) -> str:
    """Bytes as people read them."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"
