"""Passwords of users: ``Authorization: Basic …``, as clients send user name and password."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import re
import secrets
from functools import partial
from typing import NamedTuple

from jupyter_tracking.protocol.errors import Unauthenticated

from .. import password_hash
from ..access import Caller
from ..store import memberships, users
from ..store.database import Transaction
from .attempts import Attempts
from .base import Sender
from .people import People
from .recollection import Recollection

__all__ = ["Pair", "Passwords", "basic_pair"]

_BASIC = re.compile(r"basic(?:\s+|\Z)", re.IGNORECASE)


class Pair(NamedTuple):
    """What a ``Basic`` header holds."""

    user: str
    password: str


class Passwords:
    """Takes the name and password of an account.

    Checking one is slow by design, so a pair that was right is remembered for a moment, by a digest with a
    key that lives as long as this process.

    Args:
        people: the database.
        recollection: the callers that were found lately.
        attempts: the wrong ones.
    """

    def __init__(
        self, people: People, recollection: Recollection | None = None, attempts: Attempts | None = None
    ) -> None:
        self._people = people
        self._recollection = recollection or Recollection()
        self._attempts = attempts or Attempts()
        self._key = secrets.token_bytes(32)
        self._under_way: dict[bytes, asyncio.Task[Caller]] = {}

    def carries(self, sender: Sender) -> bool:
        """Whether there is such a header, whatever is in it."""
        return _BASIC.match(sender.headers.get("Authorization", "")) is not None

    async def identify(self, sender: Sender) -> Caller | None:
        """The user whose name and password the header carries.

        Raises:
            Unauthenticated: the header cannot be read, the pair is wrong, or too many were.
            TemporarilyUnavailable: the database does not answer, or too many passwords wait to be checked.
        """
        known = self.recognize(sender)
        if known is not None:
            return known
        pair = basic_pair(sender)
        digest = self._digest(pair)
        # The calls that a client sends at once are one check.
        task = self._under_way.get(digest)
        if task is None:
            task = asyncio.ensure_future(self.verify(pair, sender.remote_ip or ""))
            self._under_way[digest] = task
            task.add_done_callback(lambda _: self._under_way.pop(digest, None))
        return self._recollection.keep(digest, await asyncio.shield(task))

    def recognize(self, sender: Sender) -> Caller | None:
        """The same, of a pair that was right a moment ago."""
        try:
            return self._recollection.find(self._digest(basic_pair(sender)))
        except Unauthenticated:
            return None

    async def verify(self, pair: Pair, peer: str) -> Caller:
        """The user with this name and password; it takes as long if there is none of that name.

        Raises:
            Unauthenticated: the pair is wrong, or too many were.
            TemporarilyUnavailable: the database does not answer, or too many passwords wait to be checked.
        """
        self._attempts.check(pair.user, peer)
        found = await self._people.read(partial(_look_up, user=pair.user))
        account, groups = found
        fits = await password_hash.fits(pair.password, account and account.password)
        if account is None or not fits:
            self._attempts.note_wrong(pair.user, peer)
            raise Unauthenticated(
                "The user name or the password is wrong: check MLFLOW_TRACKING_USERNAME and "
                "MLFLOW_TRACKING_PASSWORD."
            )
        return Caller(account.name, "password", groups=groups, admin=account.admin)

    def _digest(self, pair: Pair) -> bytes:
        text = f"{pair.user}:{pair.password}".encode("utf-8", "surrogateescape")
        return hashlib.blake2b(text, key=self._key, digest_size=32).digest()


def _look_up(tx: Transaction, user: str) -> tuple[users.Account | None, frozenset[str]]:
    return users.get(tx, user), memberships.groups_of(tx, user)


def basic_pair(sender: Sender) -> Pair:
    """The name and the password in the header.

    Raises:
        Unauthenticated: it is not what such a header holds; the message says in which way.
    """
    header = sender.headers.get("Authorization", "")
    try:
        raw = base64.b64decode(_BASIC.sub("", header, count=1).strip(), validate=True)
    except (binascii.Error, ValueError):
        raise Unauthenticated(
            "The Authorization header is malformed: what follows Basic is not base64."
        ) from None
    try:
        user, colon, password = raw.decode().partition(":")
    except UnicodeDecodeError:
        raise Unauthenticated(
            "The Authorization header is malformed: what Basic encodes is not UTF-8."
        ) from None
    if not colon or not user or "\0" in user:
        raise Unauthenticated(
            "The Authorization header is malformed: Basic encodes a name, a colon and a password."
        )
    return Pair(user, password)
