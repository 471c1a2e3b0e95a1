"""Accounts of the standalone server: a name, perhaps a password as argon2 wrote it, and who is admin."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from jupyter_tracking.protocol.grants import SubjectKind

from . import experiments, memberships, quotas, share_links

if TYPE_CHECKING:
    from .database import Transaction

__all__ = [
    "Account",
    "add",
    "ensure",
    "get",
    "has_admin",
    "in_session",
    "listed",
    "remove",
    "set_admin",
    "set_password",
]

_COLUMNS = "name, password, admin, created"


class Account(NamedTuple):
    """A row.

    Attributes:
        password: as argon2 writes it; None for none.
        created: milliseconds since the epoch.
    """

    name: str
    password: str | None
    admin: bool
    created: int


def get(tx: Transaction, name: str) -> Account | None:
    """One account; None if there is none."""
    rows = tx.driver(f"SELECT {_COLUMNS} FROM users WHERE name = ?", [name])
    return _account(rows[0]) if rows else None


def in_session(tx: Transaction, name: str, session: str) -> Account | None:
    """The account whose browser holds a session; None if there is none, or its user has signed out."""
    rows = tx.driver(
        f"SELECT {_COLUMNS} FROM users WHERE name = ? "
        "AND NOT EXISTS (SELECT 1 FROM ended_sessions WHERE id = ?)",
        (name, session),
    )
    return _account(rows[0]) if rows else None


def listed(tx: Transaction) -> list[Account]:
    """All accounts, by name."""
    return [_account(row) for row in tx.driver(f"SELECT {_COLUMNS} FROM users ORDER BY name")]


def has_admin(tx: Transaction) -> bool:
    """Whether there is an administrator."""
    return bool(tx.driver("SELECT name FROM users WHERE admin = 1 LIMIT 1"))


def add(tx: Transaction, account: Account) -> bool:
    """Make an account; False if the name is taken."""
    return bool(
        tx.driver(
            f"INSERT INTO users ({_COLUMNS}) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING name",
            (account.name, account.password, int(account.admin), account.created),
        )
    )


def ensure(tx: Transaction, name: str, at: int) -> Account:
    """The account of a user whom somebody else vouches for; made without a password if it is not there."""
    add(tx, Account(name, None, False, at))
    return get(tx, name) or Account(name, None, False, at)


def set_password(tx: Transaction, name: str, password: str | None) -> bool:
    """Replace the password; False if there is no such account."""
    return bool(
        tx.driver("UPDATE users SET password = ? WHERE name = ? RETURNING name", (password, name)),
    )


def set_admin(tx: Transaction, name: str, admin: bool) -> bool:
    """Make an account an administrator's, or no longer; False if there is no such account."""
    return bool(tx.driver("UPDATE users SET admin = ? WHERE name = ? RETURNING name", (int(admin), name)))


def remove(tx: Transaction, name: str) -> bool:
    """Remove an account and what its user could do, so that a later one of that name has nothing of it.

    That is tokens, roles, groups, the quota, and the share links that the user made, which open something,
    too. What the user logged stays, and counts under the name. False if there is no such account.
    """
    tx.driver("DELETE FROM tokens WHERE user_id = ?", [name])
    tx.driver("DELETE FROM grants WHERE kind = 'user' AND name = ?", [name])
    memberships.replace(tx, name, frozenset())
    quotas.remove(tx, SubjectKind.USER, name)
    share_links.remove_made_by(tx, name)
    experiments.vacate(tx, name)
    return bool(tx.driver("DELETE FROM users WHERE name = ? RETURNING name", [name]))


def _account(row: tuple[str, str | None, int, int]) -> Account:
    name, password, admin, created = row
    return Account(name, password, bool(admin), created)
