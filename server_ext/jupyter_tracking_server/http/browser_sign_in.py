"""How browsers sign in where users have accounts: sessions, with a password or through an OpenID provider."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..config import ConfigurationError, Settings, is_loopback
from ..identity import Authenticator
from ..identity.oidc_users import ClaimNames
from ..identity.passwords import Passwords
from ..identity.sealed import Seal
from ..identity.sessions import SessionCookies
from ..server import Server
from .login import LOGIN, LoginHandler, Logins, LogoutHandler
from .pages import page_routes
from .routes import Route
from .sessions import Cookies

if TYPE_CHECKING:
    from ..identity.oidc import Provider

__all__ = ["SECRET", "Browsers", "browsers"]

SECRET = "JUPYTER_TRACKING_OIDC_CLIENT_SECRET"  # noqa: S105 - the name of the variable
"""The variable with the secret that the provider gave this server, if no file holds it."""


@dataclass(frozen=True)
class Browsers:
    """What a server needs for browsers.

    Attributes:
        sessions: says whose browser sent a request.
        login: where a browser without a session is sent.
    """

    sessions: Authenticator
    routes: list[Route]
    login: str = LOGIN


def browsers(settings: Settings, server: Server, passwords: Passwords) -> Browsers:
    """Sessions, the pages to sign in and out, and the plain pages.

    Raises:
        ConfigurationError: the settings of the provider are not complete.
    """
    cookies = Cookies(settings, server.secret)
    sessions = SessionCookies(server, Seal(server.secret, "sessions"), cookies.session_name)
    provider = _provider(settings)
    claims = ClaimNames(settings.oidc_user_claim, settings.oidc_groups_claim, settings.oidc_admin_group)
    logins = Logins(sessions, cookies, passwords, provider, claims, asks_passwords=not settings.oidc_only)
    common = {"logins": logins}
    routes: list[Route] = [(LOGIN, LoginHandler, common), (r"/logout", LogoutHandler, common)]
    if provider is not None:
        from .oidc_login import CALLBACK, CallbackHandler, DepartHandler  # noqa: PLC0415 - wants authlib

        routes += [(rf"{LOGIN}/oidc", DepartHandler, common), (CALLBACK, CallbackHandler, common)]
    return Browsers(sessions, [*routes, *page_routes()])


def _provider(settings: Settings) -> Provider | None:
    issuer, client = settings.oidc_issuer, settings.oidc_client_id
    if not issuer:
        if client or settings.oidc_only:
            raise ConfigurationError("--oidc-client-id and --oidc-only need --oidc-issuer.")
        return None
    if not client:
        raise ConfigurationError(
            "--oidc-issuer needs --oidc-client-id: the provider knows this server by it."
        )
    if settings.oidc_admin_group and not settings.oidc_groups_claim:
        raise ConfigurationError("--oidc-admin-group needs --oidc-groups-claim, which tells the groups.")
    url = urlsplit(issuer)
    if not url.hostname or not (
        url.scheme == "https" or (url.scheme == "http" and is_loopback(url.hostname))
    ):
        raise ConfigurationError("--oidc-issuer must be an address that begins with https://.")
    try:
        from ..identity.oidc import Provider  # noqa: PLC0415 - a library that few servers need
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"authlib", "joserfc"}:
            raise
        raise ConfigurationError(
            "--oidc-issuer needs Authlib: pip install 'jupyter-tracking[oidc]'"
        ) from None
    return Provider(issuer, client, _client_secret(settings), settings.oidc_scopes)


def _client_secret(settings: Settings) -> str:
    """From the file, else from the environment; "" for a public client."""
    if not settings.oidc_client_secret_file:
        return os.environ.get(SECRET, "")
    try:
        return Path(settings.oidc_client_secret_file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"--oidc-client-secret-file cannot be read: {error}") from None
