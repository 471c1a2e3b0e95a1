"""Sessions that are over before their time, as their users signed out.

``users.in_session`` looks at them as well, in the query that finds the account.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .database import Transaction

__all__ = ["add", "has"]


def add(tx: Transaction, session: str, until: int, now: int) -> None:
    """Note that a session is over, until it would be by itself; forget those that are so by now.

    Times are in milliseconds since the epoch.
    """
    tx.driver("DELETE FROM ended_sessions WHERE until <= ?", [now])
    tx.driver("INSERT INTO ended_sessions (id, until) VALUES (?, ?) ON CONFLICT DO NOTHING", (session, until))


def has(tx: Transaction, session: str) -> bool:
    """Whether a session was ended."""
    return bool(tx.driver("SELECT 1 FROM ended_sessions WHERE id = ?", [session]))
