"""The secret that signs page tokens: made with the database, the same for every server on it."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .database import Transaction

__all__ = ["META_ROW", "new_page_secret", "page_secret"]

META_ROW = "page_secret"
"""Its row in the table ``meta``."""

_OF_THIS_PROCESS = secrets.token_bytes(32)


def new_page_secret() -> str:
    """For the row of a new database."""
    return secrets.token_hex(32)


def page_secret(tx: Transaction) -> bytes:
    """The database's secret; this process's own if the database has none."""
    rows = tx.driver("SELECT value FROM meta WHERE name = ?", [META_ROW])
    return bytes.fromhex(rows[0][0]) if rows else _OF_THIS_PROCESS
