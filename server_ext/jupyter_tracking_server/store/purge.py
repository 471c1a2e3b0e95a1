"""Removing for good what is due in the trash.

One transaction takes the row of a run, logged model or experiment with all that is small, and leaves a
*purge*: a row that says which points and which folder of bytes are still to be removed. Points go in slices,
so that nobody waits for long; bytes go by hands that know the artifact store. At last the purge goes, too.
Killed at any instant, an owner is there whole or gone, and a purge says what is left of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from .trash import Kind, Owner, condition

if TYPE_CHECKING:
    from .database import Transaction

__all__ = ["Purge", "drop", "experiments_near", "location_of", "pending", "remove", "remove_points"]

_HOLDINGS: dict[Kind, tuple[str, ...]] = {
    "run": (
        "params",
        "tags",
        "latest_metrics",
        "dataset_inputs",
        "model_inputs",
        "model_outputs",
        "share_links",
    ),
    "model": ("logged_model_params", "logged_model_tags"),
    "experiment": ("experiment_tags", "datasets", "grants"),
}
_SELECT: dict[Kind, str] = {
    "run": "SELECT artifact_uri FROM runs WHERE rid = ?",
    "model": "SELECT artifact_uri FROM logged_models WHERE mid = ?",
    "experiment": "SELECT artifact_location FROM experiments WHERE id = ?",
}
_DELETE: dict[Kind, str] = {
    "run": "DELETE FROM runs WHERE rid = ? RETURNING user_id",
    "model": "DELETE FROM logged_models WHERE mid = ?",
    "experiment": "DELETE FROM experiments WHERE id = ?",
}
_COLUMN: dict[Kind, str] = {"run": "rid", "model": "mid", "experiment": "experiment"}
SLICE_ROWS = 20_000
SLICE_CHUNKS = 1_000
"""How much one transaction removes; requests wait for so long at most."""


class Purge(NamedTuple):
    """What is still to be removed of an owner that is gone; ``since`` in milliseconds."""

    id: int
    kind: Kind
    owner: str
    number: int
    location: str
    since: int


def remove(tx: Transaction, owner: Owner, before: int, now: int) -> Purge | None:
    """Take an owner out of the database; None if it is not due any more, or holds what is not."""
    if not _lock(tx, owner, before):
        return None
    for table in _HOLDINGS[owner.kind]:
        tx.driver(f"DELETE FROM {table} WHERE {_COLUMN[owner.kind]} = ?", [owner.number])
    for (user,) in tx.driver(_DELETE[owner.kind], [owner.number]):
        tx.tally.add(user, runs=-1)
    location = owner.location
    if owner.kind == "experiment":
        # Runs and models have gone before; of its own an experiment has only the traces' folder.
        location = f"{location.rstrip('/')}/traces"
    row = (owner.kind, owner.name, owner.number, location, now)
    ((number,),) = tx.driver(
        "INSERT INTO purges (kind, owner, number, location, since) VALUES (?, ?, ?, ?, ?) RETURNING id", row
    )
    return Purge(number, *row)


def _lock(tx: Transaction, owner: Owner, before: int) -> bool:
    """Whether the owner is due, and stays so until this transaction ends."""
    where, parameters = condition(owner.kind, before)
    if tx.dialect == "postgresql":
        # Whoever restores it, or its experiment, waits. First: the condition is then judged by what is now.
        tx.driver(f"{_SELECT[owner.kind]} FOR UPDATE", [owner.number])
        if owner.kind == "model":
            tx.driver(
                "SELECT 1 FROM experiments WHERE id = (SELECT experiment FROM logged_models WHERE mid = ?) "
                "FOR NO KEY UPDATE",
                [owner.number],
            )
    found = tx.driver(f"{_SELECT[owner.kind]} AND {where}", [owner.number, *parameters])
    if not found or owner.kind != "experiment":
        return bool(found)
    held = (
        "SELECT 1 FROM runs WHERE experiment = ? UNION ALL SELECT 1 FROM logged_models WHERE experiment = ?"
    )
    return not tx.driver(f"{held} LIMIT 1", [owner.number, owner.number])


def pending(tx: Transaction, after: int = 0, limit: int = 500) -> list[Purge]:
    """Purges by id, after the id ``after``."""
    rows = tx.driver(
        "SELECT id, kind, owner, number, location, since FROM purges WHERE id > ? ORDER BY id LIMIT ?",
        [after, limit],
    )
    return [Purge(*row) for row in rows]


def remove_points(tx: Transaction, purge: Purge) -> bool:
    """Remove a slice of the points; False if there are none any more."""
    if purge.kind == "model":
        return _remove_slice(
            tx, "logged_model_metrics", ("mid", "key", "run_id", "step", "timestamp"), purge.number
        )
    if purge.kind != "run":
        return False
    # The tail first: what it holds may be folded into chunks meanwhile, but not the other way.
    taken = tx.driver(
        "DELETE FROM metric_tail WHERE seq IN (SELECT seq FROM metric_tail WHERE rid = ? LIMIT ?) "
        "RETURNING 1",
        [purge.number, SLICE_ROWS],
    )
    return bool(taken) or _remove_slice(tx, "metric_chunk", ("rid", "key", "first_step", "seq"), purge.number)


def _remove_slice(tx: Transaction, table: str, columns: tuple[str, ...], number: int) -> bool:
    """Remove the first rows of an owner in the order of the primary key."""
    owner, *rest = columns
    most = SLICE_CHUNKS if table == "metric_chunk" else SLICE_ROWS
    place = ", ".join(rest)
    bound = tx.driver(
        f"SELECT {place} FROM {table} WHERE {owner} = ? ORDER BY {place} LIMIT 1 OFFSET ?", [number, most]
    )
    if not bound:
        return bool(tx.driver(f"DELETE FROM {table} WHERE {owner} = ? RETURNING 1", [number]))
    marks = ", ".join("?" * len(rest))
    tx.driver(f"DELETE FROM {table} WHERE {owner} = ? AND ({place}) < ({marks})", [number, *bound[0]])
    return True


def drop(tx: Transaction, purge: Purge) -> None:
    """Forget a purge: nothing is left."""
    tx.driver("DELETE FROM purges WHERE id = ?", [purge.id])


def experiments_near(tx: Transaction, segment: str) -> list[tuple[int, str]]:
    """Experiments, with their locations, of which one could lie in a folder that ``segment`` is part of."""
    # One that holds a percent sign may spell the segment in another way.
    return [
        (number, location)
        for number, location in tx.driver(
            "SELECT id, artifact_location FROM experiments WHERE artifact_location LIKE ? ESCAPE '!' "
            "OR artifact_location LIKE ? ESCAPE '!'",
            [f"%{segment.replace('!', '!!').replace('_', '!_').replace('%', '!%')}%", "%!%%"],
        )
    ]


def location_of(tx: Transaction, name: str) -> list[tuple[Kind, str]]:
    """Where the run and the logged model of this id, if there are any, have their artifacts."""
    runs = tx.driver("SELECT artifact_uri FROM runs WHERE run_id = ?", [name])
    models = tx.driver("SELECT artifact_uri FROM logged_models WHERE model_id = ?", [name])
    return [("run", uri) for (uri,) in runs] + [("model", uri) for (uri,) in models]
