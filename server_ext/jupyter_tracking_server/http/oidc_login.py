"""Signing in at an OpenID provider: out to it, and back with its word (code flow, PKCE, state, nonce)."""

from __future__ import annotations

import hmac
import secrets
from functools import partial
from urllib.parse import parse_qs

from jupyter_tracking.protocol.errors import PermissionDenied

from ..identity.oidc import Provider, Trip
from ..identity.oidc_users import described, welcome
from ..server import now
from .login import LOGIN, LoginPage
from .page import NEXT, next_page

__all__ = ["CALLBACK", "CallbackHandler", "DepartHandler"]

CALLBACK = f"{LOGIN}/callback"
LONGEST_TRIP = 600
"""Seconds that a user may take to sign in at the provider."""


class OidcPage(LoginPage):
    """Base of both."""

    @property
    def provider(self) -> Provider:
        """The provider, without which there are no such routes."""
        if self.logins.provider is None:
            raise RuntimeError("There is no provider.")
        return self.logins.provider

    @property
    def home(self) -> str:
        """The address to which the provider sends browsers; it must know it."""
        return self.front.base_url(self.request) + CALLBACK


class DepartHandler(OidcPage):
    """``/login/oidc``: off to the provider."""

    endpoint = "login_oidc"

    async def get(self) -> None:
        """Say where to."""
        cookies = self.logins.cookies
        after = next_page(self.get_query_argument(NEXT, "/"))
        trip = Trip(cookies.visit(self), secrets.token_urlsafe(24), secrets.token_urlsafe(48), after)
        self.redirect(await self.provider.begin(self.home, cookies.seal.seal(trip), trip))


class CallbackHandler(OidcPage):
    """``/login/callback``: back again."""

    endpoint = "login_callback"

    async def get(self) -> None:
        """Take the provider's word, and begin the session."""
        self.audited = "write"
        found = parse_qs(self.request.query)
        given = {name: values[0] for name, values in found.items() if len(values) == 1}
        trip = self._trip(given.get("state", ""))
        if "error" in given:
            raise PermissionDenied(f"The sign-in at {self.provider.host} failed: {given['error'][:100]}.")
        if given.get("iss", self.provider.issuer) != self.provider.issuer:
            raise PermissionDenied("Another sign-in service answered than was asked.")
        claims = await self.provider.finish(self.home, given.get("code", ""), trip)
        user = described(claims, self.logins.claims)
        self.subject = {"user": user.user}
        await self.front.server.write(partial(welcome, one=user, at=now()))
        await self.welcome(user.user, trip.after)

    def _trip(self, state: str) -> Trip:
        """The trip on which this browser set out.

        Raises:
            PermissionDenied: it did not, or long ago.
        """
        opened = self.logins.cookies.seal.open(Trip, state, LONGEST_TRIP)
        here = self.logins.cookies.visit(self)
        if opened is None or not hmac.compare_digest(opened[0].visit.encode(), here.encode()):
            raise PermissionDenied(
                "This browser did not begin this sign-in here, or did so too long ago. Begin again."
            )
        return opened[0]
