"""Browsers that logged in through the Hub: the Hub's token for them, in a cookie that only we can open.

All replicas of the service open it, as the key comes from the token by which the Hub knows the service.

On a Hub without subdomains, pages of other users' servers have our origin: a browser lets their scripts send
requests to us with this cookie, and read the replies. So the cookie is good for opening pages and files in a
window (``GET`` and ``navigate``), and for nothing that a script can send or that changes anything.

Who signs out of the Hub ends the Hub's tokens of that login, if the Hub still knows it. Who signs out here is
noted in the database besides, so that a copy of the cookie is worth nothing in either case.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import partial

import msgspec

from jupyter_tracking.protocol.errors import PermissionDenied

from ..access import Caller
from ..hub_environment import HubEnvironment
from ..store import ended_sessions
from .base import Sender
from .hub import Hub
from .people import People
from .sealed import Seal
from .sessions import cookie, note_end

__all__ = ["LONGEST", "HubCookies", "hub_seal"]

LONGEST = 14 * 86_400
"""Seconds after which a browser must log in again, if the Hub does not end its session before."""
_FRAMES = frozenset({"iframe", "frame", "embed", "object", "fencedframe"})


class _Session(msgspec.Struct, frozen=True):
    token: str

    @property
    def id(self) -> str:
        """Tells sessions apart, and opens nothing: the Hub gives each login a token of its own."""
        return hashlib.sha256(self.token.encode()).hexdigest()


class HubCookies:
    """Makes the cookie's value when a browser has logged in, and takes it from then on.

    Attributes:
        name: of the cookie.
    """

    def __init__(self, hub: Hub, surroundings: HubEnvironment, people: People) -> None:
        self.name = surroundings.client_id
        self._hub = hub
        self._people = people
        self._seal = hub_seal(surroundings, "sessions")

    def begin(self, token: str) -> str:
        """The cookie's value for the browser to which the Hub gave this token."""
        return self._seal.seal(_Session(token))

    async def end(self, sender: Sender) -> None:
        """Let the session of a browser be over: here at once, elsewhere when the Hub is asked again.

        Raises:
            TemporarilyUnavailable: the database does not answer; the session goes on.
        """
        opened = self._seal.open(_Session, cookie(sender, self.name), LONGEST)
        if opened is None:
            return
        session, left = opened
        await note_end(self._people, self._seal, session.id, left)
        self._hub.forget(session.token)

    def carries(self, sender: Sender) -> bool:
        """Whether there is such a cookie, and no other credential that was sent on purpose."""
        return "Authorization" not in sender.headers and bool(cookie(sender, self.name))

    async def identify(self, sender: Sender) -> Caller | None:
        """The caller whose browser it is.

        Raises:
            PermissionDenied: it does not open a page or a file.
            TemporarilyUnavailable: the Hub or the database does not answer.
        """
        opened = self._seal.open(_Session, cookie(sender, self.name), LONGEST)
        if opened is None:
            return None
        _check_opens_a_page(sender)
        session = opened[0]
        if self._hub.recall(session.token) is None and await self._has_ended(session):
            return None
        caller = await self._hub.find(session.token)
        return None if caller is None else replace(caller, how="cookie")

    async def _has_ended(self, session: _Session) -> bool:
        return await self._people.read(partial(ended_sessions.has, session=session.id))

    def recognize(self, sender: Sender) -> Caller | None:
        """Nobody: the fast lane is for programs."""
        del sender
        return None


def hub_seal(surroundings: HubEnvironment, purpose: str) -> Seal:
    """Seals for one purpose; ends with the token by which the Hub knows the service."""
    return Seal(surroundings.api_token.encode(), f"hub {purpose}")


def _check_opens_a_page(sender: Sender) -> None:
    # Browsers leave both out where the connection is neither encrypted nor local.
    mode = sender.headers.get("Sec-Fetch-Mode", "navigate")
    framed = sender.headers.get("Sec-Fetch-Dest", "document") in _FRAMES
    if sender.method not in {"GET", "HEAD"} or mode != "navigate" or framed:
        raise PermissionDenied(
            "A browser's login here is good for opening pages and files, and not for what a page's script "
            "or form sends: that takes a token of the Hub in the header Authorization."
        )
