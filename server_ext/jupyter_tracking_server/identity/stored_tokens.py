"""Tokens that the database keeps: each of one user, until it expires or is revoked."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from functools import partial

from jupyter_tracking.protocol.errors import TrackingError, Unauthenticated

from ..access import ALL_SCOPES, Caller
from ..store import tokens
from ..store.tokens import Holder
from .base import Sender
from .people import People
from .recollection import Recollection
from .tokens import CLOCK_SKEW, bearer_token

__all__ = ["StoredTokens"]

_log = logging.getLogger("jupyter_tracking")


class StoredTokens:
    """Takes ``Authorization: Bearer …`` (or ``token …``) with a token of the database.

    Args:
        people: the database.
        recollection: the callers that were found lately.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        people: People,
        recollection: Recollection | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._people = people
        self._recollection = recollection or Recollection()
        self._clock = clock
        self._notes: set[asyncio.Future[None]] = set()

    def carries(self, sender: Sender) -> bool:
        """Whether there is such a header."""
        return bool(bearer_token(sender))

    async def identify(self, sender: Sender) -> Caller | None:
        """The caller whose token the header carries.

        Raises:
            Unauthenticated: it is not known, or no longer.
            TemporarilyUnavailable: the database does not answer.
        """
        known = self.recognize(sender)
        if known is not None:
            return known
        digest = tokens.digest_of(bearer_token(sender))
        holder = await self._people.read(partial(tokens.find, digest=digest))
        left = None if holder is None else self._left(holder)
        if holder is None or (left is not None and left <= 0):
            raise Unauthenticated(
                "This token is not known here: it may have expired, or been revoked. Another one goes into "
                "MLFLOW_TRACKING_TOKEN."
            )
        self._note(holder)
        return self._recollection.keep(digest, _caller(holder), left)

    def recognize(self, sender: Sender) -> Caller | None:
        """The same, of a token that was found a moment ago."""
        secret = bearer_token(sender)
        return self._recollection.find(tokens.digest_of(secret)) if secret else None

    def _left(self, holder: Holder) -> float | None:
        """Seconds until the token ends; None if it does not."""
        expires = holder.token.expires
        return None if expires is None else expires / 1000 + CLOCK_SKEW - self._clock()

    def _note(self, holder: Holder) -> None:
        """Note that the token was used, beside the request, which does not wait for it."""
        at = int(self._clock() * 1000)
        if (holder.token.last_used or 0) > at - tokens.NOTED:
            return
        work = partial(tokens.note_use, token_id=holder.token.id, at=at)
        noted = asyncio.ensure_future(self._people.write(work))
        self._notes.add(noted)
        noted.add_done_callback(self._noted)

    def _noted(self, noted: asyncio.Future[None]) -> None:
        self._notes.discard(noted)
        error = None if noted.cancelled() else noted.exception()
        if isinstance(error, TrackingError):
            _log.warning("The use of a token was not noted: %s", error.message)
        elif error is not None:
            _log.error("The use of a token was not noted.", exc_info=error)


def _caller(holder: Holder) -> Caller:
    token = holder.token
    # A scope that a later version knows means nothing here.
    scopes = frozenset(scope for scope in ALL_SCOPES if scope in token.scopes)
    return Caller(token.user, "token", scopes, token.id, holder.groups, holder.admin)
