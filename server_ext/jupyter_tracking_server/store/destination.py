"""Where the servers on a database keep proxied artifacts, as the last one said that started."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .database import Transaction

__all__ = ["recall", "remember"]

META_ROW = "artifacts_destination"


def remember(tx: Transaction, url: str) -> None:
    """Note the URL of the store, which holds no credential."""
    tx.driver(
        "INSERT INTO meta (name, value) VALUES (?, ?) "
        "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        [META_ROW, url],
    )


def recall(tx: Transaction) -> str:
    """The URL; ``""`` if no server has said it yet."""
    rows = tx.driver("SELECT value FROM meta WHERE name = ?", [META_ROW])
    return str(rows[0][0]) if rows else ""
