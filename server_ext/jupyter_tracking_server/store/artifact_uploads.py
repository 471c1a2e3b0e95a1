"""Uploads in parts: which are open, and what became of those that are done.

The bytes are with the artifact store, which has an id of its own for each (``store_upload``). Rows are kept
for a while when their upload is done, for clients that ask again. Times are in milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .database import Transaction

__all__ = [
    "Terms",
    "UploadRow",
    "add",
    "begin_completing",
    "drop",
    "end_completing",
    "find",
    "find_open",
    "idle",
    "keep_completing",
    "set_made",
    "set_part",
    "sound_parts",
    "touch",
]


@dataclass(frozen=True)
class Terms:
    """What an upload is of; by these it is found again.

    Attributes:
        key: of the artifact that it will be, as text.
        user_id: who began it.
        size: bytes of the whole, if they were announced; also ``part_size``.
        sha256: of the whole in hex, if it was announced.
    """

    key: str
    user_id: str
    num_parts: int
    size: int | None = None
    sha256: str | None = None
    part_size: int | None = None


@dataclass(frozen=True)
class UploadRow:
    """An upload in parts.

    Attributes:
        touched: when something happened to it; not always the last time.
        made: the ETag of the artifact that it became; None while it is open.
    """

    upload_id: str
    store_upload: str
    terms: Terms
    touched: int
    made: str | None = None


_COLUMNS = "upload_id, store_upload, touched, made, key, user_id, num_parts, size, sha256, part_size"


def _row(values: tuple[Any, ...]) -> UploadRow:
    upload_id, store_upload, touched, made, *terms = values
    return UploadRow(upload_id, store_upload, Terms(*terms), touched, made)


def add(tx: Transaction, new: UploadRow) -> None:
    """Keep an upload that has begun."""
    tx.driver(
        f"INSERT INTO artifact_uploads ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (new.upload_id, new.store_upload, new.touched, new.made, *astuple(new.terms)),
    )


def find(tx: Transaction, upload_id: str) -> UploadRow | None:
    """The upload, open or done."""
    rows = tx.driver(f"SELECT {_COLUMNS} FROM artifact_uploads WHERE upload_id = ?", [upload_id])
    return _row(rows[0]) if rows else None


def find_open(tx: Transaction, terms: Terms) -> UploadRow | None:
    """The newest open upload on these terms, which must have a ``sha256``, that nobody is completing."""
    rows = tx.driver(
        f"SELECT {_COLUMNS} FROM artifact_uploads "
        "WHERE sha256 = ? AND made IS NULL AND completing IS NULL ORDER BY touched DESC, upload_id",
        [terms.sha256],
    )
    return next((found for found in map(_row, rows) if found.terms == terms), None)


def touch(tx: Transaction, upload_id: str, now: int) -> None:
    """Something happened to it."""
    tx.driver("UPDATE artifact_uploads SET touched = ? WHERE upload_id = ?", (now, upload_id))


def set_part(tx: Transaction, upload_id: str, number: int, etag: str | None) -> None:
    """A part has come: ``etag`` if with a checksum that was right, else None."""
    if etag is None:
        tx.driver("DELETE FROM artifact_upload_parts WHERE upload_id = ? AND number = ?", (upload_id, number))
        return
    tx.driver(
        "INSERT INTO artifact_upload_parts (upload_id, number, etag) "
        "SELECT upload_id, ?, ? FROM artifact_uploads WHERE upload_id = ? "
        "ON CONFLICT (upload_id, number) DO UPDATE SET etag = excluded.etag",
        (number, etag, upload_id),
    )


def sound_parts(tx: Transaction, upload_id: str) -> Mapping[int, str]:
    """The ETags of the parts that came with a checksum that was right, by number."""
    return dict(tx.driver("SELECT number, etag FROM artifact_upload_parts WHERE upload_id = ?", [upload_id]))


def begin_completing(tx: Transaction, upload_id: str, now: int, patience: int) -> bool:
    """Whether the caller may make the artifact: nobody else has said in ``patience`` that they are at it."""
    return bool(
        tx.driver(
            "UPDATE artifact_uploads SET completing = ?, touched = ? WHERE upload_id = ? AND made IS NULL "
            "AND (completing IS NULL OR completing < ?) RETURNING upload_id",
            (now, now, upload_id, now - patience),
        )
    )


def keep_completing(tx: Transaction, upload_id: str, now: int) -> None:
    """Say that one is still at it."""
    tx.driver(
        "UPDATE artifact_uploads SET completing = ?, touched = ? WHERE upload_id = ? AND made IS NULL",
        (now, now, upload_id),
    )


def end_completing(tx: Transaction, upload_id: str) -> None:
    """The artifact was not made; the upload is open as before."""
    tx.driver("UPDATE artifact_uploads SET completing = NULL WHERE upload_id = ?", [upload_id])


def set_made(tx: Transaction, upload_id: str, etag: str) -> None:
    """The artifact was made."""
    tx.driver(
        "UPDATE artifact_uploads SET completing = NULL, made = ? WHERE upload_id = ?", (etag, upload_id)
    )


def drop(tx: Transaction, upload_id: str) -> None:
    """Forget an upload."""
    tx.driver("DELETE FROM artifact_uploads WHERE upload_id = ?", [upload_id])
    tx.driver("DELETE FROM artifact_upload_parts WHERE upload_id = ?", [upload_id])


def idle(tx: Transaction, before: int, limit: int) -> list[UploadRow]:
    """Up to ``limit`` uploads, open or done, to which nothing has happened since ``before``."""
    rows = tx.driver(
        f"SELECT {_COLUMNS} FROM artifact_uploads WHERE touched < ? ORDER BY touched LIMIT ?", (before, limit)
    )
    return [_row(values) for values in rows]
