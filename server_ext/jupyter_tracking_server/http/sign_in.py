"""How clients of the standalone server sign in: by its one token, as users, through a Hub, or not at all."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from ..access import Caller
from ..config import Settings
from ..identity import Authenticator, OpenAuthenticator, TokenAuthenticator, TokenRegistry
from ..runtime_file import write_private
from ..server import Server, user_name
from .routes import Route

__all__ = ["SignIn", "sign_in"]


@dataclass(frozen=True)
class SignIn:
    """A way to sign in.

    Attributes:
        authenticator: says who sent a request.
        token: what clients are told to send; "" if there is no token for all.
        routes: further ones, such as the page to which a login comes back.
        login: the path, below the root, to which a browser without a session is sent; "" if there is none.
    """

    authenticator: Authenticator
    token: str = ""
    routes: list[Route] = field(default_factory=list)
    login: str = ""


def sign_in(settings: Settings, server: Server, *, local: bool) -> SignIn:
    """The way that the settings name; ``local`` is for one user's kernels alone."""
    del server
    if settings.auth == "none":
        return SignIn(OpenAuthenticator())
    tokens = TokenRegistry()
    if local:
        token = tokens.issue(user_name())
    else:
        token = _kept_token(settings)
        tokens.admit(token, Caller("", "token"))
    return SignIn(TokenAuthenticator(tokens), token)


def _kept_token(settings: Settings) -> str:
    """The token in the token file; made at the first start."""
    path = settings.token_path
    if not path.exists():
        write_private(path, secrets.token_urlsafe(32) + "\n")
    return path.read_text(encoding="utf-8").strip()
