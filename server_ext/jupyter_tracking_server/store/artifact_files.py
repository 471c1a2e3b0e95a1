"""What is known of stored artifacts: the sha256 that their bytes had when they came.

A row is a hint. The store may hold other bytes by now, put there by another hand, so a row counts only as
long as size and ``store_etag`` are what the store says.

A *root* is the key of an owner's folder as text, a *path* is relative to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING

from .bulk import BulkInsert
from .tables import artifact_files

if TYPE_CHECKING:
    from .database import Transaction

__all__ = ["KnownFile", "drop", "find", "put"]

_COLUMNS = ("root", "file", "path", "size", "store_etag", "sha256", "stored", "user_id")
_PUT = BulkInsert(
    artifact_files,
    _COLUMNS,
    "ON CONFLICT (root, file) DO UPDATE SET "
    + ", ".join(f"{column} = excluded.{column}" for column in _COLUMNS[2:]),
)


@dataclass(frozen=True)
class KnownFile:
    """An artifact as it was stored.

    Attributes:
        size: bytes.
        store_etag: what the store called this version.
        sha256: of its bytes, in hex.
        stored: when, in milliseconds since the epoch.
        user_id: by whom.
    """

    size: int
    store_etag: str
    sha256: str
    stored: int
    user_id: str


def put(tx: Transaction, files: Sequence[tuple[str, str, KnownFile]]) -> None:
    """Remember artifacts, (root, path, file) each, in place of what was known of their paths."""
    rows = [
        (
            _hash(root),
            _hash(path),
            path,
            file.size,
            file.store_etag,
            file.sha256,
            file.stored,
            file.user_id,
        )
        for root, path, file in files
    ]
    # In one order everywhere, so that two transactions cannot wait for each other.
    _PUT.run(tx, sorted(rows))


def find(tx: Transaction, root: str, path: str) -> KnownFile | None:
    """What is known of an artifact."""
    rows = tx.driver(
        "SELECT size, store_etag, sha256, stored, user_id FROM artifact_files WHERE root = ? AND file = ?",
        (_hash(root), _hash(path)),
    )
    return KnownFile(*rows[0]) if rows else None


def drop(tx: Transaction, root: str, path: str = "") -> None:
    """Forget an artifact, a folder with all below, or, without a path, all of a root."""
    if not path:
        tx.driver("DELETE FROM artifact_files WHERE root = ?", [_hash(root)])
        return
    tx.driver("DELETE FROM artifact_files WHERE root = ? AND file = ?", (_hash(root), _hash(path)))
    # In byte order, "0" is what follows the slash.
    tx.driver(
        "DELETE FROM artifact_files WHERE root = ? AND path >= ? AND path < ?",
        (_hash(root), f"{path}/", f"{path}0"),
    )


def _hash(text: str) -> bytes:
    return blake2b(text.encode(), digest_size=16).digest()
