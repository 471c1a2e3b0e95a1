"""Who sent a request: one file for each kind of credential, all ``Authenticator``s, tried in order."""

from __future__ import annotations

from .base import Authenticator, Chain, OpenAuthenticator, Sender
from .certificates import CertificateRequired, Certificates
from .passwords import Passwords
from .proxy_header import ProxyHeader, ProxyHeaders
from .recollection import Recollection
from .stored_tokens import StoredTokens
from .tokens import TokenAuthenticator, TokenRegistry, bearer_token

__all__ = [
    "Authenticator",
    "CertificateRequired",
    "Certificates",
    "Chain",
    "OpenAuthenticator",
    "Passwords",
    "ProxyHeader",
    "ProxyHeaders",
    "Recollection",
    "Sender",
    "StoredTokens",
    "TokenAuthenticator",
    "TokenRegistry",
    "bearer_token",
]
