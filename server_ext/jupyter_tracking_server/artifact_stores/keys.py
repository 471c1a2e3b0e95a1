"""Keys: the names of artifacts below a store's root."""

from __future__ import annotations

from typing import TypeAlias

__all__ = ["UPLOADS", "Key", "text"]

Key: TypeAlias = tuple[str, ...]

UPLOADS = ".uploads"
"""The folder at a store's root for what is not yet, or no longer, an artifact; no key of one begins so."""


def text(key: Key) -> str:
    """A key as people write it."""
    return "/".join(key)
