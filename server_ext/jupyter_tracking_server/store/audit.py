"""The ledger: who did what to what, and how it ended. The server only ever adds to it.

``remove`` is for the administrator's command alone, which removes what it has found in an exported file.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from .bulk import BulkInsert
from .people_tables import audit

if TYPE_CHECKING:
    from .database import Transaction

__all__ = ["Cursor", "Entry", "Wanted", "add", "by_ids", "first_ids", "is_kept", "page", "remove"]


class Entry(NamedTuple):
    """A line of the ledger, its columns but for the id.

    Attributes:
        subject: a JSON object of ids and paths.
        experiment_id: the experiment that the subject names, by which the entry is found; None for none.
        run_id: the same of the run.
    """

    at: int
    user_id: str
    how: str
    credential: str
    peer: str
    endpoint: str
    method: str
    subject: str
    outcome: str
    status: int
    received: int
    sent: int
    experiment_id: str | None = None
    run_id: str | None = None


Row = tuple[int, Entry]
"""An entry with its id."""
Cursor = tuple[int, int]
"""Time and id of the last entry of a page."""


class Wanted(NamedTuple):
    """What a search is for; ``""`` and None are anything, times in milliseconds, ``until`` excluded."""

    user: str = ""
    endpoint: str = ""
    experiment_id: str = ""
    run_id: str = ""
    outcome: str = ""
    since: int | None = None
    until: int | None = None


_COLUMNS = ", ".join(Entry._fields)
_ADD = BulkInsert(audit, Entry._fields)
_SELECT = f"SELECT id, {_COLUMNS} FROM audit"


def add(tx: Transaction, entries: Sequence[Entry]) -> None:
    """Add entries."""
    _ADD.run(tx, entries)


def page(tx: Transaction, wanted: Wanted, after: Cursor | None, limit: int) -> list[Row]:
    """The newest entries that are wanted, at most ``limit``, older than the one at ``after``."""
    conditions, parameters = _conditions(wanted)
    if after is not None:
        conditions.append("(at, id) < (?, ?)")
        parameters += after
    return _rows(
        tx.driver(
            f"{_SELECT} WHERE {' AND '.join(['TRUE', *conditions])} ORDER BY at DESC, id DESC LIMIT ?",
            [*parameters, limit],
        )
    )


def _conditions(wanted: Wanted) -> tuple[list[str], list[object]]:
    conditions: list[str] = []
    parameters: list[object] = []
    for sql, value in (
        ("user_id = ?", wanted.user),
        ("endpoint = ?", wanted.endpoint),
        ("experiment_id = ?", wanted.experiment_id),
        ("run_id = ?", wanted.run_id),
        ("outcome = ?", wanted.outcome),
    ):
        if value:
            conditions.append(sql)
            parameters.append(value)
    for sql, moment in (("at >= ?", wanted.since), ("at < ?", wanted.until)):
        if moment is not None:
            conditions.append(sql)
            parameters.append(moment)
    return conditions, parameters


def first_ids(tx: Transaction, after: int, before: int, limit: int) -> list[Row]:
    """Entries made before the time ``before``, by id: at most ``limit``, after the id ``after``."""
    rows = tx.driver(
        f"{_SELECT} WHERE id > ? AND at < ? ORDER BY id LIMIT ?",
        [after, before, limit],
    )
    return _rows(rows)


def by_ids(tx: Transaction, ids: Sequence[int]) -> list[Row]:
    """The entries of these ids that are there, by id."""
    return _rows(tx.driver(f"{_SELECT} WHERE {tx.among('id')} ORDER BY id", [tx.array(ids)]))


def remove(tx: Transaction, ids: Sequence[int]) -> int:
    """Remove entries that are kept elsewhere; how many there were."""
    return len(tx.driver(f"DELETE FROM audit WHERE {tx.among('id')} RETURNING id", [tx.array(ids)]))


def is_kept(tx: Transaction) -> bool:
    """Whether there is any entry, so that commands beside the servers add theirs."""
    return bool(tx.driver("SELECT 1 FROM audit LIMIT 1"))


def _rows(rows: Iterable[tuple[object, ...]]) -> list[Row]:
    return [(number, Entry(*values)) for number, *values in rows]  # type: ignore[misc,arg-type]  # the driver's values
