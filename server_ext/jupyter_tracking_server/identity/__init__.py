"""Who sent a request: one file for each kind of credential, all ``Authenticator``s, tried in order.

Here are those that every server has; the others are imported from their files, as they need libraries.
"""

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
