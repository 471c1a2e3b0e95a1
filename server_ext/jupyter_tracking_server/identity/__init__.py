"""Who sent a request: one file for each kind of credential, all ``Authenticator``s, tried in order."""

from __future__ import annotations

from .base import Authenticator, Chain, OpenAuthenticator, Sender
from .tokens import TokenAuthenticator, TokenRegistry, bearer_token

__all__ = [
    "Authenticator",
    "Chain",
    "OpenAuthenticator",
    "Sender",
    "TokenAuthenticator",
    "TokenRegistry",
    "bearer_token",
]
