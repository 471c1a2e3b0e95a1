"""Tags of runs. The tag ``mlflow.runName`` and the run's name are one thing: setting it renames the run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .bulk import BulkInsert
from .tables import tags

if TYPE_CHECKING:
    from .database import Transaction

RUN_NAME = "mlflow.runName"

_PUT = BulkInsert(
    tags, ("rid", "key", "value"), "ON CONFLICT (rid, key) DO UPDATE SET value = excluded.value"
)
_OF_RUN = "rid = (SELECT rid FROM runs WHERE run_id = ?) AND key = ?"


def get(tx: Transaction, run_id: str, key: str) -> str | None:
    """A tag's value; None if the run has no such tag."""
    found = tx.keys.find(tx, [key])
    rows = found and tx.driver(f"SELECT value FROM tags WHERE {_OF_RUN}", (run_id, found[key]))
    return rows[0][0] if rows else None


def set(tx: Transaction, run_id: str, key: str, value: str) -> None:  # noqa: A001  # read as tags.set
    """Set a tag of a run that is there, in place of an older value."""
    rows = tx.driver("SELECT rid FROM runs WHERE run_id = ?", [run_id])
    put(tx, [(rid, key, value) for (rid,) in rows])


def put(tx: Transaction, rows: Sequence[tuple[int, str, str]]) -> None:
    """Set tags of any runs: (rid, key, value), at most one row for each run and key."""
    ids = tx.keys.intern(tx, {key for _, key, _ in rows})
    # In one order everywhere, so that two transactions cannot wait for each other.
    _PUT.run(tx, sorted((rid, ids[key], value) for rid, key, value in rows))
    for rid, key, value in rows:
        if key == RUN_NAME:
            tx.driver("UPDATE runs SET name = ? WHERE rid = ?", (value, rid))


def delete(tx: Transaction, run_id: str, key: str) -> bool:
    """Remove a tag; False if the run has none of that key."""
    found = tx.keys.find(tx, [key])
    sql = f"DELETE FROM tags WHERE {_OF_RUN} RETURNING key"
    return bool(found and tx.driver(sql, (run_id, found[key])))
