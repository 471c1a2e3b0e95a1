"""Cookies of ours: where they are valid, what they are called, and what is kept in the one before the login.

They are confined to our path, since other servers may have others on the same name; where our path is all of
the name, ``__Host-`` keeps its other names from setting them. The name also tells the deployments on one
machine apart, as cookies know no ports.
"""

from __future__ import annotations

import secrets
from typing import NamedTuple, cast
from urllib.parse import urlsplit

from tornado.httputil import HTTPServerRequest

from ..config import Settings
from ..identity.base import Sender
from ..identity.sealed import Seal
from ..identity.sessions import LONGEST, SessionCookies, cookie
from .base_url import base_url
from .handler import TrackingHandler

__all__ = ["Cookies"]

_LONG_AGO = 1.0
"""A time that is over, in seconds since the epoch."""


class _Place(NamedTuple):
    path: str
    secure: bool

    @property
    def prefix(self) -> str:
        if not self.secure:
            return ""
        return "__Host-" if self.path == "/" else "__Secure-"


class Cookies:
    """Sets, reads and removes the cookies of one server.

    Args:
        settings: where the server is.
        secret: the database's.

    Attributes:
        seal: for what browsers carry through a login.
    """

    def __init__(self, settings: Settings, secret: bytes) -> None:
        self._settings = settings
        self.seal = Seal(secret, "logins")
        self._tag = self.seal.sign("name")[:8]

    def session_name(self, sender: Sender) -> str:
        """What the session's cookie is called when it is set in answer to this request."""
        return self._name("session", cast("HTTPServerRequest", sender))

    async def begin_session(self, handler: TrackingHandler, sessions: SessionCookies, user: str) -> None:
        """Let the browser be this user's from now on."""
        self._set(handler, "session", await sessions.begin(user), LONGEST)

    async def end_session(self, handler: TrackingHandler, sessions: SessionCookies) -> None:
        """Let the session be over, and the browser forget it.

        Raises:
            TemporarilyUnavailable: the database does not answer; nothing has changed.
        """
        await sessions.end(handler.request)
        self._set(handler, "session", "", gone=True)

    def visit(self, handler: TrackingHandler) -> str:
        """What tells this browser from others before anybody signed in: a random text."""
        known = cookie(handler.request, self._name("visit", handler.request))
        if known:
            return known
        made = secrets.token_urlsafe(24)
        self._set(handler, "visit", made)
        return made

    def proof(self, handler: TrackingHandler) -> str:
        """What a form of ours holds, so that it is known to be one, and to be this browser's."""
        return self.seal.sign(f"form {self.visit(handler)}")

    def is_proof(self, handler: TrackingHandler, text: str) -> bool:
        """Whether that came back from the browser that got it."""
        known = cookie(handler.request, self._name("visit", handler.request))
        return bool(known) and self.seal.signed(f"form {known}", text)

    def _set(
        self,
        handler: TrackingHandler,
        kind: str,
        value: str,
        lifetime: int | None = None,
        *,
        gone: bool = False,
    ) -> None:
        place = self._place(handler.request)
        handler.set_cookie(
            self._name(kind, handler.request),
            value,
            expires=_LONG_AGO if gone else None,
            path=place.path,
            secure=place.secure,
            httponly=True,
            samesite="Lax",
            max_age=lifetime,
        )

    def _name(self, kind: str, request: HTTPServerRequest) -> str:
        return f"{self._place(request).prefix}jupyter-tracking-{kind}-{self._tag}"

    def _place(self, request: HTTPServerRequest) -> _Place:
        url = urlsplit(base_url(request, self._settings.static_prefix, self._settings.public_url))
        return _Place(url.path or "/", url.scheme == "https")
