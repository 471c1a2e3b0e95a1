"""What ``jupyter tracking doctor`` wants to know of a database. Times are in milliseconds."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from .codes import DELETED

if TYPE_CHECKING:
    from .database import Transaction

__all__ = ["Leftovers", "Located", "clock", "durability", "leftovers", "locations"]


class Located(NamedTuple):
    """An experiment's location and how many runs it has."""

    experiment: int
    location: str
    runs: int


class Leftovers(NamedTuple):
    """What waits to be removed; ``oldest`` is of the purges."""

    trashed_runs: int
    purges: int
    oldest: int
    uploads: int


def locations(tx: Transaction) -> list[Located]:
    """Of every experiment."""
    rows = tx.driver(
        "SELECT e.id, e.artifact_location, count(r.rid) FROM experiments AS e "
        "LEFT JOIN runs AS r ON r.experiment = e.id GROUP BY e.id, e.artifact_location ORDER BY e.id"
    )
    return [Located(*row) for row in rows]


def leftovers(tx: Transaction) -> Leftovers:
    """What is in the trash, and what is left of other things."""
    ((trashed,),) = tx.driver("SELECT count(*) FROM runs WHERE lifecycle = ?", [DELETED])
    ((purges, oldest),) = tx.driver("SELECT count(*), coalesce(min(since), 0) FROM purges")
    ((uploads,),) = tx.driver("SELECT count(*) FROM artifact_uploads WHERE made IS NULL")
    return Leftovers(trashed, purges, oldest, uploads)


def durability(tx: Transaction) -> dict[str, str]:
    """The settings by which a commit survives a loss of power."""
    if tx.dialect == "sqlite":
        ((journal,),) = tx.driver("PRAGMA journal_mode")
        return {"journal_mode": str(journal)}
    return {name: str(tx.driver(f"SHOW {name}")[0][0]) for name in ("fsync", "synchronous_commit")}


def clock(tx: Transaction) -> int | None:
    """The database's own time; None if it runs on this machine's clock."""
    if tx.dialect == "sqlite":
        return None
    ((now,),) = tx.driver("SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)")
    return int(now)
