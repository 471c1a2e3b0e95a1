"""What users hold: bytes of artifacts that they stored, and runs that they made, until these are purged.

Whoever adds or removes a row that counts (``runs``, ``artifact_files``) tells the ``Tally`` of its
transaction; the sums are changed once, right before the commit and in one order, so that two transactions
cannot wait for each other. ``recount`` computes the same sums from the rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from .bulk import BulkInsert
from .people_tables import usage

if TYPE_CHECKING:
    from .database import Transaction

__all__ = ["NOTHING", "Held", "Tally", "all_held", "of_group", "of_user", "recount", "settle"]

_ADD = BulkInsert(
    usage,
    ("user_id", "bytes", "runs"),
    "ON CONFLICT (user_id) DO UPDATE SET "
    "bytes = usage.bytes + excluded.bytes, runs = usage.runs + excluded.runs",
)
_COUNT = (
    "SELECT user_id, CAST(sum(bytes) AS bigint), CAST(sum(runs) AS bigint) FROM ("
    "SELECT user_id, size AS bytes, 0 AS runs FROM artifact_files "
    "UNION ALL SELECT user_id, 0, 1 FROM runs) AS counted GROUP BY user_id"
)


class Held(NamedTuple):
    """What somebody holds, or how much more (or less) than before."""

    bytes: int
    runs: int

    def plus(self, other: Held) -> Held:
        """Both together."""
        return Held(self.bytes + other.bytes, self.runs + other.runs)


NOTHING = Held(0, 0)


class Tally:
    """What a transaction changes in what users hold."""

    def __init__(self, changes: dict[str, Held] | None = None) -> None:
        self._changes = changes or {}

    def add(self, user: str, size: int = 0, runs: int = 0) -> None:
        """Count ``size`` bytes and some runs more; or less, where they are negative."""
        self._changes[user] = self.of(user).plus(Held(size, runs))

    def of(self, user: str) -> Held:
        """What has been counted of a user."""
        return self._changes.get(user, NOTHING)

    def copy(self) -> Tally:
        """One that goes its own way from here."""
        return Tally(dict(self._changes))

    def changes(self) -> list[tuple[str, int, int]]:
        """User, bytes and runs, by user; without those of whom nothing changed."""
        return [(user, *held) for user, held in sorted(self._changes.items()) if held != NOTHING]


def settle(tx: Transaction) -> None:
    """Write what was counted; the last that a transaction does."""
    _ADD.run(tx, tx.tally.changes())


def of_user(tx: Transaction, user: str) -> Held:
    """What a user holds, with what this transaction has counted."""
    rows = tx.driver("SELECT bytes, runs FROM usage WHERE user_id = ?", [user])
    return (Held(*rows[0]) if rows else NOTHING).plus(tx.tally.of(user))


def of_group(tx: Transaction, group: str) -> Held:
    """What the members of a group hold together, with what this transaction has counted."""
    rows = tx.driver(
        "SELECT memberships.user_id, coalesce(bytes, 0), coalesce(runs, 0) FROM memberships "
        "LEFT JOIN usage ON usage.user_id = memberships.user_id WHERE group_name = ?",
        [group],
    )
    return _sum(Held(size, runs).plus(tx.tally.of(user)) for user, size, runs in rows)


def _sum(parts: Iterable[Held]) -> Held:
    total = NOTHING
    for part in parts:
        total = total.plus(part)
    return total


def all_held(tx: Transaction) -> dict[str, Held]:
    """What each user holds who ever held anything."""
    return {user: Held(*held) for user, *held in tx.driver("SELECT user_id, bytes, runs FROM usage")}


def recount(tx: Transaction) -> dict[str, tuple[Held, Held]]:
    """Compute all sums afresh; of each user whose sums were wrong, what they were and what they are."""
    if tx.dialect == "postgresql":
        # Those who have written their sums are over then; those who have not, add to what is counted here.
        tx.driver("LOCK TABLE usage IN EXCLUSIVE MODE")
    before = all_held(tx)
    after = {user: Held(*held) for user, *held in tx.driver(_COUNT)}
    tx.driver("DELETE FROM usage")
    _ADD.run(tx, [(user, *held) for user, held in sorted(after.items())])
    return {
        user: (was, now)
        for user in sorted(before.keys() | after.keys())
        if (was := before.get(user, NOTHING)) != (now := after.get(user, NOTHING))
    }
