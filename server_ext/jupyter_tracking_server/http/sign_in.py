"""How clients of the standalone server sign in: by its one token, as users, through a Hub, or not at all."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from ..access import Caller
from ..config import ConfigurationError, Settings
from ..identity import Authenticator, OpenAuthenticator, TokenAuthenticator, TokenRegistry
from ..runtime_file import write_private
from ..server import Server, user_name
from .routes import Route

__all__ = ["SignIn", "sign_in"]


async def _nothing() -> None:
    """Most ways to sign in leave nothing open."""


@dataclass(frozen=True)
class SignIn:
    """A way to sign in.

    Attributes:
        authenticator: says who sent a request.
        token: what clients are told to send; "" if there is no token for all.
        routes: further ones, such as the page to which a login comes back.
        login: the path, below the root, to which a browser without a session is sent; "" if there is none.
        close: called when the last request is answered.
    """

    authenticator: Authenticator
    token: str = ""
    routes: list[Route] = field(default_factory=list)
    login: str = ""
    close: Callable[[], Awaitable[None]] = _nothing


def sign_in(settings: Settings, server: Server, *, local: bool) -> SignIn:
    """The way that the settings name; ``local`` is for one user's kernels alone."""
    if settings.auth == "none":
        return SignIn(OpenAuthenticator())
    if settings.auth == "hub":
        return _through_hub(server)
    if settings.auth == "users":
        return _as_users(settings, server)
    tokens = TokenRegistry()
    if local:
        token = tokens.issue(user_name())
    else:
        token = _kept_token(settings)
        tokens.admit(token, Caller("", "token"))
    return SignIn(TokenAuthenticator(tokens), token)


def _as_users(settings: Settings, server: Server) -> SignIn:
    # Their libraries take memory, and the server of one token needs none of them.
    from ..identity.passwords import Passwords  # noqa: PLC0415 - see above
    from .browser_sign_in import browsers  # noqa: PLC0415 - see above
    from .users_sign_in import users_authenticator  # noqa: PLC0415 - see above

    passwords = Passwords(server)
    way = browsers(settings, server, passwords)
    authenticator = users_authenticator(settings, server, passwords, way.sessions)
    return SignIn(authenticator, routes=way.routes, login=way.login)


def _through_hub(server: Server) -> SignIn:
    try:
        # The Hub's own library, which only its service needs.
        from .hub_sign_in import LOGIN, HubLogin  # noqa: PLC0415 - see above
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("jupyterhub"):
            raise
        raise ConfigurationError(
            "--auth hub needs JupyterHub's library: pip install 'jupyter-tracking[hub]'"
        ) from None
    login = HubLogin(server)
    return SignIn(login.authenticator, routes=login.routes, login=LOGIN, close=login.close)


def _kept_token(settings: Settings) -> str:
    """The token in the token file; made at the first start."""
    path = settings.token_path
    if not path.exists():
        write_private(path, secrets.token_urlsafe(32) + "\n")
    return path.read_text(encoding="utf-8").strip()
