"""Our handlers inside Jupyter Server: its identity, its authorizer and its rules against foreign pages.

Two credentials are taken: a token of ours, which kernels get and which opens nothing else of Jupyter, and
whatever Jupyter itself takes (its token, or a browser's cookie together with the XSRF token).
"""

from __future__ import annotations

import inspect
from typing import Any, cast

from jupyter_server import CallContext
from jupyter_server.auth import AllowAllAuthorizer, IdentityProvider, User
from jupyter_server.auth.decorator import allow_unauthenticated
from jupyter_server.auth.identity import LegacyIdentityProvider, PasswordIdentityProvider
from jupyter_server.base.handlers import JupyterHandler
from tornado import web
from tornado.httputil import HTTPServerRequest
from tornado.log import access_log
from tornado.routing import AnyMatches, Router, Rule

from jupyter_tracking.protocol.call import Action
from jupyter_tracking.protocol.errors import PermissionDenied

from ..access import Caller
from . import gate
from .handler import TrackingHandler

__all__ = ["RESOURCE", "add_lane", "embedded", "log_failure"]

RESOURCE = "tracking"
"""The name of this server's things for Jupyter's authorizer."""
_NAMELESS = (IdentityProvider, PasswordIdentityProvider, LegacyIdentityProvider)
"""Jupyter's own providers: their user is a new random one for each token request."""


class JupyterDoor(TrackingHandler, JupyterHandler):  # type: ignore[misc]  # prepare() is ours on purpose
    """Identity as Jupyter has it; mixed into each handler class by ``embedded``."""

    def check_gate(self) -> None:
        """Take the host names that Jupyter takes.

        Raises:
            PermissionDenied
        """
        CallContext.set(CallContext.JUPYTER_HANDLER, self)
        if not self.check_host():
            raise PermissionDenied(
                "This server is not known by that name; see ServerApp.local_hostnames and "
                "ServerApp.allow_remote_access."
            )

    async def identify(self, action: Action) -> Caller | None:
        """A token of ours, or Jupyter's identity; Jupyter's authorizer must agree in both cases."""
        caller = await self.front.authenticator.identify(self.request)
        if caller is not None:
            self._remember(User(caller.user), by_token=True)
        else:
            caller = await self._jupyter_caller()
        if caller is None:
            return None
        allowed = self.authorizer.is_authorized(
            self, cast("User", self.current_user), "read" if action == "read" else "write", RESOURCE
        )
        if inspect.isawaitable(allowed):
            allowed = await allowed
        if not allowed:
            raise PermissionDenied(f"Jupyter's authorizer does not let this user {action} tracking data.")
        return caller

    async def _jupyter_caller(self) -> Caller | None:
        provider = self.identity_provider
        user = provider.get_user(self)
        if inspect.isawaitable(user):
            user = await user
        if user is None:
            self.current_user = None
            return None
        self._remember(user, by_token=False)
        if not self.token_authenticated:
            self._check_page()
        name = self.front.server.user if type(provider) in _NAMELESS else user.username
        return Caller(name, "token" if self.token_authenticated else "cookie")

    def _check_page(self) -> None:
        """What a cookie proves is the browser, not the page: ask where it comes from."""
        if self.allow_origin or self.allow_origin_pat:
            if not self.check_origin():
                raise PermissionDenied("Pages of this origin may not call this server.")
        else:
            gate.check_site(self.request.headers, self.request.host)
        if self.request.method not in {"GET", "HEAD", "OPTIONS"}:
            self.check_xsrf_cookie()

    def _remember(self, user: User, *, by_token: bool) -> None:
        self.current_user = self._jupyter_current_user = user
        if by_token:
            # Where Jupyter looks when it decides on XSRF.
            self._token_authenticated = True


def embedded(handler: type[TrackingHandler]) -> type[TrackingHandler]:
    """The same handler with Jupyter's door.

    Its methods are marked as open for Jupyter's check of handlers: ours ask for the credential in ``prepare``
    themselves, all but those that need none.
    """
    methods: dict[str, Any] = {}
    for name in ("get", "head", "post", "put", "patch", "delete", "options"):
        method = getattr(handler, name)
        if method is not web.RequestHandler._unimplemented_method:
            methods[name] = allow_unauthenticated(method)
    return type(f"Jupyter{handler.__name__}", (JupyterDoor, handler), methods)


def add_lane(application: web.Application, lane: Router) -> None:
    """Serve plain calls with a token of ours before Jupyter's handlers get to see them.

    An authorizer wants to see the handler, so there is a lane only where nobody is to be asked.
    """
    if type(application.settings.get("authorizer")) is AllowAllAuthorizer:
        # Not add_handlers, by which Jupyter wants handler classes.
        application.default_router.rules.insert(0, Rule(AnyMatches(), lane))


def log_failure(status: int, request: HTTPServerRequest) -> None:
    """As Jupyter does, in fewer words."""
    if status >= 500:
        access_log.error("%d %s %s", status, request.method, request.path)
    elif status >= 400:
        access_log.warning("%d %s %s (%s)", status, request.method, request.path, request.remote_ip)
