"""Tokens that one process knows: made or read at its start, gone with it."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from ..access import ALL_SCOPES, Caller, Scope
from .base import Sender

__all__ = ["CLOCK_SKEW", "TokenAuthenticator", "TokenRegistry", "bearer_token"]

CLOCK_SKEW = 30
"""Seconds that a token lives longer than it says, for clocks that differ."""

_AUTHORIZATION = re.compile(r"(?:bearer|token)\s+(\S+)\s*\Z", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Grant:
    digest: bytes
    caller: Caller
    expires: float | None


class TokenRegistry:
    """The tokens that this process knows, as digests.

    Args:
        clock: seconds since the epoch.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._grants: tuple[_Grant, ...] = ()

    def issue(self, user: str, scopes: frozenset[Scope] = ALL_SCOPES, lifetime: float | None = None) -> str:
        """Make a new token for ``user``; it dies after ``lifetime`` seconds or with this process."""
        token = secrets.token_urlsafe(32)
        self.admit(token, Caller(user, "token", scopes), lifetime)
        return token

    def admit(self, token: str, caller: Caller, lifetime: float | None = None) -> None:
        """Take a token that was made elsewhere, such as the one in the token file."""
        expires = None if lifetime is None else self._clock() + lifetime
        digest = _digest(token)
        self._grants = (*self._grants, _Grant(digest, replace(caller, credential=digest.hex()[:12]), expires))

    def revoke(self, token: str) -> None:
        """Forget a token; it is refused from now on."""
        digest = _digest(token)
        self._grants = tuple(grant for grant in self._grants if grant.digest != digest)

    def find(self, token: str) -> Caller | None:
        """The caller that a token stands for; None if it is not known or too old.

        All digests are compared, each in constant time.
        """
        digest, found = _digest(token), None
        for grant in self._grants:
            if hmac.compare_digest(grant.digest, digest):
                found = grant
        if found is None or (found.expires is not None and self._clock() > found.expires + CLOCK_SKEW):
            return None
        return found.caller


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


class TokenAuthenticator:
    """Takes ``Authorization: Bearer …`` (or ``token …``) with a token of the registry."""

    def __init__(self, tokens: TokenRegistry) -> None:
        self._tokens = tokens

    def carries(self, sender: Sender) -> bool:
        """Whether there is such a header."""
        return bool(bearer_token(sender))

    async def identify(self, sender: Sender) -> Caller | None:
        """The caller whose token the header carries."""
        return self.recognize(sender)

    def recognize(self, sender: Sender) -> Caller | None:
        """The same."""
        token = bearer_token(sender)
        return self._tokens.find(token) if token else None


def bearer_token(sender: Sender) -> str:
    """What follows ``Bearer`` or ``token`` in the header; "" without."""
    found = _AUTHORIZATION.match(sender.headers.get("Authorization", ""))
    return found[1] if found else ""
