"""Tokens of users, found by the SHA-256 of their secret; the secret itself is kept nowhere."""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING, NamedTuple

from . import memberships

if TYPE_CHECKING:
    from .database import Transaction

__all__ = ["Holder", "Token", "add", "digest_of", "find", "get", "listed", "new_secret", "note_use", "remove"]

_COLUMNS = "id, user_id, scopes, note, created, expires, last_used"
PREFIX = "jt_"
"""What each token begins with, so that programs that look for leaked secrets can tell one."""
NOTED = 60_000
"""Milliseconds in which the use of a token is noted once."""


class Token(NamedTuple):
    """What is known of a token.

    Attributes:
        id: tells tokens apart, and opens nothing.
        created, expires, last_used: milliseconds since the epoch; ``expires`` is None for never.
    """

    id: str
    user: str
    scopes: frozenset[str]
    note: str
    created: int
    expires: int | None
    last_used: int | None


class Holder(NamedTuple):
    """A token, and what its user may do at present."""

    token: Token
    admin: bool
    groups: frozenset[str]


def new_secret() -> str:
    """A new token: 256 random bits."""
    return PREFIX + secrets.token_urlsafe(32)


def digest_of(secret: str) -> bytes:
    """By what a token is found."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()


def add(tx: Transaction, token: Token, digest: bytes) -> None:
    """Store a token."""
    tx.driver(
        f"INSERT INTO tokens (digest, {_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            digest,
            token.id,
            token.user,
            " ".join(sorted(token.scopes)),
            token.note,
            token.created,
            token.expires,
            token.last_used,
        ),
    )


def find(tx: Transaction, digest: bytes) -> Holder | None:
    """The token with this digest, if its user still has an account."""
    rows = tx.driver(
        f"SELECT {_COLUMNS}, (SELECT admin FROM users WHERE name = tokens.user_id) FROM tokens "
        "WHERE digest = ?",
        [digest],
    )
    if not rows or rows[0][-1] is None:
        return None
    token = _token(rows[0][:-1])
    return Holder(token, bool(rows[0][-1]), memberships.groups_of(tx, token.user))


def get(tx: Transaction, token_id: str) -> Token | None:
    """The token with this id; None if there is none."""
    rows = tx.driver(f"SELECT {_COLUMNS} FROM tokens WHERE id = ?", [token_id])
    return _token(rows[0]) if rows else None


def listed(tx: Transaction, user: str | None = None) -> list[Token]:
    """The tokens of a user, or of all, the newest first."""
    condition, parameters = ("WHERE user_id = ?", [user]) if user is not None else ("", [])
    rows = tx.driver(f"SELECT {_COLUMNS} FROM tokens {condition} ORDER BY created DESC, id", parameters)
    return [_token(row) for row in rows]


def remove(tx: Transaction, token_id: str, user: str | None = None) -> bool:
    """Revoke a token, which must be of ``user`` if one is given; False if there is none."""
    condition, parameters = (" AND user_id = ?", [token_id, user]) if user is not None else ("", [token_id])
    return bool(tx.driver(f"DELETE FROM tokens WHERE id = ?{condition} RETURNING id", parameters))


def note_use(tx: Transaction, token_id: str, at: int) -> None:
    """Note that a token was used, unless that was noted a moment ago."""
    tx.driver(
        "UPDATE tokens SET last_used = ? WHERE id = ? AND (last_used IS NULL OR last_used <= ?)",
        (at, token_id, at - NOTED),
    )


def _token(row: tuple[str, str, str, str, int, int | None, int | None]) -> Token:
    token_id, user, scopes, note, created, expires, last_used = row
    return Token(token_id, user, frozenset(scopes.split()), note, created, expires, last_used)
