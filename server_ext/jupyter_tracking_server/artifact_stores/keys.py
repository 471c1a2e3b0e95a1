"""Keys: the names of artifacts below a store's root."""

from __future__ import annotations

from typing import TypeAlias

__all__ = ["Key", "text"]

Key: TypeAlias = tuple[str, ...]


def text(key: Key) -> str:
    """A key as people write it."""
    return "/".join(key)
