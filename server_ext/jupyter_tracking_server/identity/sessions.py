"""Sessions: browsers whose users signed in, by a sealed cookie that names the user.

Groups and rights are not in it but asked of the database, every few seconds. The *proof* binds a session to
the account as it was: with a new password, or when the account is removed, all its sessions are over. A
session that its user ended is noted in the database, by its id: a copy of the cookie is worth nothing then.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from functools import partial

import msgspec

from ..access import Caller
from ..store import ended_sessions, memberships, users
from ..store.database import Transaction
from ..store.users import Account
from .base import Sender
from .people import People
from .recollection import Recollection
from .sealed import Seal

__all__ = ["LONGEST", "SessionCookies", "cookie", "note_end"]

LONGEST = 12 * 3600
"""Seconds after which a user must sign in again."""
SKEW = 60.0
"""Seconds by which the clocks of replicas may differ."""


class Session(msgspec.Struct, frozen=True):
    """What the cookie holds; the ``id`` tells sessions apart, and opens nothing."""

    id: str
    user: str
    proof: str


class SessionCookies:
    """Makes the cookie's value when a user signs in, and takes it from then on.

    Args:
        people: the database.
        seal: for sessions.
        name: the cookie's name, by the request.
        recollection: the callers that were found lately.
    """

    def __init__(
        self,
        people: People,
        seal: Seal,
        name: Callable[[Sender], str],
        recollection: Recollection | None = None,
    ) -> None:
        self._people = people
        self._seal = seal
        self._name = name
        self._recollection = recollection or Recollection()

    async def begin(self, user: str) -> str:
        """The cookie's value for a user who has just signed in; "" if there is no such account any more."""
        account = await self._people.read(partial(users.get, name=user))
        if account is None:
            return ""
        return self._seal.seal(Session(secrets.token_hex(6), user, self._proof(account)))

    async def end(self, sender: Sender) -> None:
        """Let the session of a browser be over: here at once, elsewhere when it is looked up again.

        Raises:
            TemporarilyUnavailable: the database does not answer; the session goes on.
        """
        opened = self._seal.open(Session, self._sent(sender), LONGEST)
        if opened is None:
            return
        session, left = opened
        await note_end(self._people, self._seal, session.id, left)
        self._recollection.forget(session.id)

    def carries(self, sender: Sender) -> bool:
        """Whether there is such a cookie, and no other credential that was sent on purpose."""
        return "Authorization" not in sender.headers and bool(self._sent(sender))

    async def identify(self, sender: Sender) -> Caller | None:
        """The user whose browser it is.

        Raises:
            TemporarilyUnavailable: the database does not answer.
        """
        known = self.recognize(sender)
        if known is not None:
            return known
        value = self._sent(sender)
        opened = self._seal.open(Session, value, LONGEST)
        if opened is None:
            return None
        session, left = opened
        found = await self._people.read(partial(_look_up, session=session))
        if found is None or self._proof(found[0]) != session.proof:
            return None
        account, groups = found
        caller = Caller(account.name, "cookie", credential=session.id, groups=groups, admin=account.admin)
        return self._recollection.keep(value, caller, left)

    def recognize(self, sender: Sender) -> Caller | None:
        """The same, of a session that was good a moment ago."""
        return self._recollection.find(self._sent(sender))

    def _sent(self, sender: Sender) -> str:
        return cookie(sender, self._name(sender))

    def _proof(self, account: Account) -> str:
        return self._seal.sign(f"{account.created} {account.password}")


async def note_end(people: People, seal: Seal, session: str, left: float) -> None:
    """Note that a session, which had some seconds left, is over.

    Raises:
        TemporarilyUnavailable: the database does not answer.
    """
    until, now = seal.ends(left + SKEW), seal.ends(0)
    await people.write(partial(ended_sessions.add, session=session, until=until, now=now))


def _look_up(tx: Transaction, session: Session) -> tuple[Account, frozenset[str]] | None:
    account = users.in_session(tx, session.user, session.id)
    return None if account is None else (account, memberships.groups_of(tx, session.user))


def cookie(sender: Sender, name: str) -> str:
    """The value of a cookie as it was sent; "" without. Of several, the one with the longest path wins."""
    for item in sender.headers.get("Cookie", "").split(";"):
        key, _, value = item.strip().partition("=")
        if key == name:
            return value
    return ""
