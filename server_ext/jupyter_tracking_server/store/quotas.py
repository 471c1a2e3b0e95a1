"""Quotas: what users and groups may hold at most."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from jupyter_tracking.protocol.grants import SubjectKind

from .usage import Held

if TYPE_CHECKING:
    from .database import Transaction

__all__ = ["FREE", "Holding", "Limits", "Rules", "every", "holdings", "limits_of", "put", "remove"]


class Limits(NamedTuple):
    """The most that a subject may hold; None is no limit."""

    bytes: int | None
    runs: int | None


FREE = Limits(None, None)
Rules = Mapping[tuple[SubjectKind, str], Limits]
"""All quotas. That of everyone is for each user who has none of their own."""


class Holding(NamedTuple):
    """What a subject holds, and may hold."""

    kind: SubjectKind
    name: str
    held: Held
    limits: Limits


def limits_of(rules: Rules, kind: SubjectKind, name: str) -> Limits:
    """What a subject may hold."""
    found = rules.get((kind, name))
    if found is None and kind is SubjectKind.USER:
        found = rules.get((SubjectKind.EVERYONE, ""))
    return found or FREE


def every(tx: Transaction) -> Rules:
    """All quotas."""
    rows = tx.driver("SELECT kind, name, max_bytes, max_runs FROM quotas")
    return {(SubjectKind(kind), name): Limits(*limits) for kind, name, *limits in rows}


def put(tx: Transaction, kind: SubjectKind, name: str, limits: Limits) -> None:
    """Set a quota, in place of the one that there was."""
    tx.driver(
        "INSERT INTO quotas (kind, name, max_bytes, max_runs) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (kind, name) DO UPDATE SET max_bytes = excluded.max_bytes, max_runs = excluded.max_runs",
        (kind.value, name, *limits),
    )


def remove(tx: Transaction, kind: SubjectKind, name: str) -> bool:
    """Take a quota away; False if there was none."""
    sql = "DELETE FROM quotas WHERE kind = ? AND name = ? RETURNING name"
    return bool(tx.driver(sql, (kind.value, name)))


_NAMES = {
    SubjectKind.USER: "SELECT user_id AS name FROM usage UNION SELECT name FROM quotas WHERE kind = 'user'",
    SubjectKind.GROUP: "SELECT group_name AS name FROM memberships "
    "UNION SELECT name FROM quotas WHERE kind = 'group'",
}
_MEMBERS = {
    SubjectKind.USER: "LEFT JOIN usage ON usage.user_id = known.name",
    SubjectKind.GROUP: "LEFT JOIN memberships ON memberships.group_name = known.name "
    "LEFT JOIN usage ON usage.user_id = memberships.user_id",
}


def holdings(tx: Transaction, kind: SubjectKind, after: str | None, limit: int) -> list[Holding]:
    """Users or groups with what they hold and may hold, by name: at most ``limit``, after the name ``after``.

    Listed is who ever held something, who is said to be a group, and who has a quota.
    """
    rules = every(tx)
    condition = "TRUE" if after is None else "known.name > ?"
    rows = tx.driver(
        "SELECT known.name, CAST(coalesce(sum(bytes), 0) AS bigint), CAST(coalesce(sum(runs), 0) AS bigint) "
        f"FROM ({_NAMES[kind]}) AS known {_MEMBERS[kind]} WHERE {condition} "
        "GROUP BY known.name ORDER BY known.name LIMIT ?",
        [limit] if after is None else [after, limit],
    )
    return [Holding(kind, name, Held(*held), limits_of(rules, kind, name)) for name, *held in rows]
