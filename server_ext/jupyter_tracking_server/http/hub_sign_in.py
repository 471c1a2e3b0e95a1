"""Login of browsers by the Hub: OAuth with PKCE, and a cookie of ours at its end.

``/login`` sends the browser to the Hub, which sends it back to ``/oauth_callback`` with a *code*; for that
the Hub gives us its token for this browser. What belongs to one login (where to go after it, and the verifier
that proves that we began it) waits in a sealed cookie that bears the login's *state* in its name: a state
without its cookie was not begun by this browser, and is refused. So any replica can end what another began.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import msgspec

from jupyter_tracking.protocol.errors import BadRequest, PermissionDenied, TemporarilyUnavailable

from ..hub_environment import HubEnvironment, hub_environment
from ..identity import Chain
from ..identity.hub import Hub, HubTokens
from ..identity.hub_cookies import LONGEST, HubCookies, hub_seal
from ..identity.sessions import cookie
from ..server import Server
from .handler import Front
from .page import NEXT, PageHandler, next_page
from .pages import page_routes
from .routes import Route

__all__ = ["LOGIN", "HubLogin"]

LOGIN, CALLBACK, LOGOUT = "/login", "/oauth_callback", "/logout"
LOGIN_SECONDS = 600
_STATE = re.compile(r"[A-Za-z0-9_-]{20,64}\Z")
_AGAIN = "Open the page that you wanted once more."


class _Begun(msgspec.Struct, frozen=True):
    """What belongs to one login: the page to which it leads, and the proof that we began it."""

    state: str
    after: str
    verifier: str


class HubLogin:
    """How callers of the Hub's service are known, and how browsers log in.

    Attributes:
        authenticator: for the Hub's tokens, and our cookies.
        routes: of the login, and of the pages for browsers.
        seal: for what a browser keeps during its login.
    """

    def __init__(self, server: Server, surroundings: HubEnvironment | None = None) -> None:
        self.surroundings = surroundings or hub_environment()
        self.hub = Hub(self.surroundings, server)
        self.cookies = HubCookies(self.hub, self.surroundings, server)
        self.seal = hub_seal(self.surroundings, "logins")
        self.authenticator = Chain([HubTokens(self.hub), self.cookies])
        more: dict[str, Any] = {"login": self}
        self.routes: list[Route] = [
            (LOGIN, LoginHandler, more),
            (CALLBACK, CallbackHandler, more),
            (LOGOUT, LogoutHandler, more),
            *page_routes(),
        ]

    async def close(self) -> None:
        """End the connections to the Hub."""
        await self.hub.close()

    def state_cookie(self, state: str) -> str:
        """The name of the cookie of one login."""
        return f"{self.cookies.name}-login-{state}"

    def authorize_url(self, state: str, proof: Mapping[str, str]) -> str:
        """The page of the Hub that asks who it is."""
        asked = {
            "client_id": self.surroundings.client_id,
            "redirect_uri": self.hub.oauth.oauth_redirect_uri,
            "response_type": "code",
            "state": state,
            **proof,
        }
        return f"{self.hub.oauth.oauth_authorization_url}?{urlencode(asked)}"


class LoginPage(PageHandler):
    """What the pages of the login have in common."""

    login: HubLogin

    def initialize(self, front: Front, login: HubLogin) -> None:  # type: ignore[override]  # as tornado has it
        """Tornado passes what the route holds."""
        super().initialize(front)
        self.login = login

    def keep(self, name: str, value: str, seconds: int) -> None:
        """Set a cookie that is sent to us alone, and over TLS alone where the browser uses it."""
        self.set_cookie(
            name,
            value,
            path=f"{self.root_path}/",
            secure=self.front.base_url(self.request).startswith("https:"),
            httponly=True,
            samesite="Lax",
            max_age=seconds,
        )

    def drop(self, name: str) -> None:
        """Have the browser forget a cookie."""
        self.clear_cookie(name, path=f"{self.root_path}/")


class LoginHandler(LoginPage):
    """Sends a browser to the Hub."""

    endpoint = "login"

    async def get(self) -> None:
        """Begin a login; ``next`` is the path below our root to which it leads."""
        state = secrets.token_urlsafe(24)
        verifier, proof = self.login.hub.new_proof()
        begun = _Begun(state, next_page(self.get_query_argument(NEXT, "")), verifier)
        self.keep(self.login.state_cookie(state), self.login.seal.seal(begun), LOGIN_SECONDS)
        self.redirect(self.login.authorize_url(state, proof))


class CallbackHandler(LoginPage):
    """Takes a browser back from the Hub."""

    endpoint = "oauth_callback"

    async def get(self) -> None:
        """Take the code to the Hub, give the browser its cookie, and lead it on.

        Raises:
            BadRequest: the Hub did not log anybody in.
            PermissionDenied: this browser did not begin the login, or its user may not come in.
            TemporarilyUnavailable: the Hub does not answer.
        """
        begun = self._begun(self.get_query_argument("state", ""))
        code = self.get_query_argument("code", "")
        if not code:
            raise BadRequest(f"The Hub did not log this browser in. {_AGAIN}")
        token = await self.login.hub.token_for(code, begun.verifier)
        if await self.login.hub.find(token) is None:
            raise TemporarilyUnavailable(f"The Hub does not know what it just gave. {_AGAIN}")
        self.keep(self.login.cookies.name, self.login.cookies.begin(token), LONGEST)
        self.redirect(self.root_path + begun.after)

    def _begun(self, state: str) -> _Begun:
        if _STATE.match(state):
            name = self.login.state_cookie(state)
            opened = self.login.seal.open(_Begun, cookie(self.request, name), LOGIN_SECONDS)
            if opened is not None and opened[0].state == state:
                self.drop(name)
                return opened[0]
        raise PermissionDenied(
            f"This browser did not begin this login, or too long ago; cookies must be on. {_AGAIN}"
        )


class LogoutHandler(LoginPage):
    """Ends a browser's session with us, and sends it to the Hub, which ends its own."""

    endpoint = "logout"

    async def get(self) -> None:
        """Do it."""
        await self.login.cookies.end(self.request)
        self.drop(self.login.cookies.name)
        self.redirect(f"{self.login.surroundings.public_host}{self.login.surroundings.base_url}hub/logout")
