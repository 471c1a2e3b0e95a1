"""What is known of stored artifacts: who stored them, and the sha256 that their bytes had when they came.

A row is a hint. The store may hold other bytes by now, put there by another hand, so its sha256 counts only
as long as size and ``store_etag`` are what the store says. The sizes of the rows are what their users hold.

A *root* is the key of an owner's folder as text, a *path* is relative to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING

from .bulk import BulkInsert
from .faults import LostRace
from .tables import artifact_files

if TYPE_CHECKING:
    from .database import Transaction

__all__ = ["KnownFile", "drop", "find", "put"]

_COLUMNS = ("root", "file", "path", "size", "store_etag", "sha256", "stored", "user_id")
_ADD = BulkInsert(artifact_files, _COLUMNS, "ON CONFLICT (root, file) DO NOTHING RETURNING 1")
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
        sha256: of its bytes, in hex; ``""`` if nobody knows.
        stored: when, in milliseconds since the epoch.
        user_id: by whom.
    """

    size: int
    store_etag: str
    sha256: str
    stored: int
    user_id: str


def put(tx: Transaction, files: Sequence[tuple[str, str, KnownFile]]) -> None:
    """Remember artifacts, (root, path, file) each, in place of what was known of their paths.

    Raises:
        LostRace: another transaction has just come to know one of them.
    """
    # In one order everywhere, so that two transactions cannot wait for each other.
    rows = sorted(
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
    )
    before = _locked(tx, [row[:2] for row in rows])
    new = [row for row in rows if row[:2] not in before]
    added = _ADD.run(tx, new)
    if tx.dialect == "postgresql" and len(added) < len(new):
        raise LostRace("The tracking database is busy; try again.")
    _PUT.run(tx, [row for row in rows if row[:2] in before])
    for user, size in before.values():
        tx.tally.add(user, -size)
    for *_, size, _, _, _, user in rows:
        tx.tally.add(user, size)


def _locked(
    tx: Transaction, places: Sequence[tuple[bytes, bytes]]
) -> dict[tuple[bytes, bytes], tuple[str, int]]:
    """User and size of those that are known; on PostgreSQL nobody else changes them before this ends."""
    if not places:
        return {}
    marks = ", ".join(["(?, ?)"] * len(places))
    lock = "ORDER BY root, file FOR UPDATE" if tx.dialect == "postgresql" else ""
    rows = tx.driver(
        f"SELECT root, file, user_id, size FROM artifact_files WHERE (root, file) IN (VALUES {marks}) {lock}",
        [part for place in places for part in place],
    )
    return {(root, file): (user, size) for root, file, user, size in rows}


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
        _delete(tx, "root = ?", [_hash(root)])
        return
    _delete(tx, "root = ? AND file = ?", [_hash(root), _hash(path)])
    # In byte order, "0" is what follows the slash.
    _delete(tx, "root = ? AND path >= ? AND path < ?", [_hash(root), f"{path}/", f"{path}0"])


def _delete(tx: Transaction, where: str, parameters: Sequence[object]) -> None:
    gone = tx.driver(f"DELETE FROM artifact_files WHERE {where} RETURNING user_id, size", parameters)
    for user, size in gone:
        tx.tally.add(user, -size)


def _hash(text: str) -> bytes:
    return blake2b(text.encode(), digest_size=16).digest()
