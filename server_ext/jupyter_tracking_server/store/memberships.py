"""Which user is in which group, as far as this server was told."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .database import Transaction

__all__ = ["groups_of", "replace", "users_of"]


def groups_of(tx: Transaction, user: str) -> frozenset[str]:
    """The groups of a user."""
    rows = tx.driver("SELECT group_name FROM memberships WHERE user_id = ?", [user])
    return frozenset(name for (name,) in rows)


def users_of(tx: Transaction, group: str) -> list[str]:
    """The users in a group, by name."""
    return [
        user
        for (user,) in tx.driver(
            "SELECT user_id FROM memberships WHERE group_name = ? ORDER BY user_id", [group]
        )
    ]


def replace(tx: Transaction, user: str, groups: frozenset[str]) -> None:
    """Put a user into these groups and no others."""
    before = groups_of(tx, user)
    for gone in before - groups:
        tx.driver("DELETE FROM memberships WHERE user_id = ? AND group_name = ?", (user, gone))
    for new in sorted(groups - before):
        tx.driver(
            "INSERT INTO memberships (user_id, group_name) VALUES (?, ?) ON CONFLICT DO NOTHING", (user, new)
        )
