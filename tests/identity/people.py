"""A database of people as authenticators ask it, and a clock."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import TypeVar

from jupyter_tracking_server import password_hash
from jupyter_tracking_server.store import memberships, tokens, users
from jupyter_tracking_server.store.database import Database, Transaction

__all__ = ["PASSWORD", "Clock", "Town"]

T = TypeVar("T")
PASSWORD = "correct horse: battery"


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.seconds = 1_000_000.0

    def __call__(self) -> float:
        return self.seconds


class Town:
    """A real database.

    Attributes:
        asked: how often it was read.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.asked = 0

    def read(self, work: Callable[[Transaction], T]) -> Awaitable[T]:
        self.asked += 1
        return asyncio.to_thread(self.look, work)

    def write(self, work: Callable[[Transaction], T]) -> Awaitable[T]:
        return asyncio.to_thread(self.do, work)

    def look(self, work: Callable[[Transaction], T]) -> T:
        with self._database.read() as tx:
            return work(tx)

    def do(self, work: Callable[[Transaction], T]) -> T:
        with self._database.write() as tx:
            return work(tx)

    def settle(
        self, name: str, password: str | None = PASSWORD, *, admin: bool = False, groups: tuple[str, ...] = ()
    ) -> None:
        """Make an account."""
        digest = None if password is None else password_hash.make(password)

        def work(tx: Transaction) -> None:
            assert users.add(tx, users.Account(name, digest, admin, 0))
            memberships.replace(tx, name, frozenset(groups))

        self.do(work)

    def token(
        self, user: str, scopes: frozenset[str] = frozenset({"read"}), expires: int | None = None
    ) -> tuple[str, str]:
        """A token's id and secret."""
        secret, token_id = tokens.new_secret(), secrets.token_hex(6)
        made = tokens.Token(token_id, user, scopes, "", 0, expires, None)
        self.do(lambda tx: tokens.add(tx, made, tokens.digest_of(secret)))
        return token_id, secret
