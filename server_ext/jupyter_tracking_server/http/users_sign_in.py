"""How users of the standalone server sign in: each way that the settings allow, in one chain."""

from __future__ import annotations

import ipaddress
import re
import shlex
import sys

from ..config import ConfigurationError, Settings
from ..identity import Authenticator, Chain
from ..identity.certificates import CertificateRequired, Certificates
from ..identity.passwords import Passwords
from ..identity.proxy_header import Network, ProxyHeader, ProxyHeaders
from ..identity.stored_tokens import StoredTokens
from ..server import Server
from ..store import users

__all__ = ["hint", "users_authenticator"]

_HEADER = re.compile(r"[A-Za-z0-9-]+\Z")


def users_authenticator(
    settings: Settings, server: Server, passwords: Passwords, *further: Authenticator
) -> Authenticator:
    """Says which user sent a request.

    What a client sends on purpose is judged before what comes with each request from there.

    Args:
        settings: they name the ways.
        server: where the accounts are.
        passwords: judges names and passwords, also those of the login page.
        further: other ways, judged after tokens and passwords.

    Raises:
        ConfigurationError: the settings contradict each other.
    """
    links: list[Authenticator] = [StoredTokens(server), passwords, *further]
    headers = proxy_headers(settings)
    if headers is not None:
        links.append(ProxyHeader(headers, server))
    if settings.client_ca:
        links.append(Certificates(server))
    chain = Chain(links)
    return CertificateRequired(chain) if settings.client_certificates == "required" else chain


def proxy_headers(settings: Settings) -> ProxyHeaders | None:
    """What is heard from proxies, and from which; None for nothing.

    Raises:
        ConfigurationError: the settings contradict each other.
    """
    user, groups = settings.proxy_user_header, settings.proxy_groups_header
    proxies = [_network(part.strip()) for part in settings.trusted_proxies.split(",") if part.strip()]
    if not user:
        if groups or proxies:
            raise ConfigurationError("--proxy-groups-header and --trusted-proxies need --proxy-user-header.")
        return None
    if not proxies:
        raise ConfigurationError(
            "--proxy-user-header needs --trusted-proxies: from anybody else the header means nothing."
        )
    for flag, name in (("--proxy-user-header", user), ("--proxy-groups-header", groups)):
        if name and not _HEADER.match(name):
            raise ConfigurationError(
                f"{flag}: {name!r} is not the name of a header, such as X-Forwarded-User."
            )
    return ProxyHeaders(user, groups, proxies)


def _network(text: str) -> Network:
    try:
        found = ipaddress.ip_network(text)
    except ValueError:
        raise ConfigurationError(
            f"--trusted-proxies: {text!r} is neither an address nor a network, such as 10.0.0.0/8."
        ) from None
    if found.prefixlen == 0:
        raise ConfigurationError(f"--trusted-proxies: {text} would let every machine be any user.")
    return found


async def hint(settings: Settings, server: Server) -> None:
    """Say on standard error how the first administrator is made, if there is none."""
    if settings.auth != "users" or await server.read(users.has_admin):
        return
    # Its password, if it has one, is not for logs.
    where = settings.backend_store_uri
    flag = f" --backend-store-uri {shlex.quote(where)}" if where and "@" not in where else ""
    print(  # noqa: T201 - for people
        f"There is no administrator yet. Make one: jupyter tracking user create NAME --admin{flag}",
        file=sys.stderr,
        flush=True,
    )
