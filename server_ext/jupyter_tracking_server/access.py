"""Who calls, and what they may do.

A *caller* is known by a *credential*: a token of ours, Jupyter's own token or cookie, or nothing at all
where the administrator opened the server. A credential has *scopes*; rights on a single experiment are
asked of ``Access``. Tokens are kept as SHA-256 digests only.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

from jupyter_tracking.protocol.call import Action
from jupyter_tracking.protocol.errors import PermissionDenied

__all__ = [
    "ALL_SCOPES",
    "Access",
    "Authenticator",
    "Caller",
    "OpenAuthenticator",
    "Scope",
    "TokenAuthenticator",
    "TokenRegistry",
]

Scope = Literal["read", "write", "artifacts"]
ALL_SCOPES: frozenset[Scope] = frozenset({"read", "write", "artifacts"})
CLOCK_SKEW = 30
"""Seconds that a token lives longer than it says, for clocks that differ."""

_AUTHORIZATION = re.compile(r"(?:bearer|token)\s+(\S+)\s*\Z", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent a request.

    Attributes:
        user: the name under which runs are filed; empty if the credential names nobody.
        how: ``token`` (ours or Jupyter's, sent on purpose), ``cookie`` (a browser sends it by itself) or
            ``open`` (no credential is asked for).
        scopes: what the credential is good for.
        credential: tells credentials apart in logs, and opens nothing.
    """

    user: str
    how: Literal["token", "cookie", "open"]
    scopes: frozenset[Scope] = ALL_SCOPES
    credential: str = ""

    @property
    def ambient(self) -> bool:
        """Whether a foreign web page could make a browser send this request with its rights."""
        return self.how != "token"


class Access:
    """What callers may do. Every known caller owns every experiment; scopes narrow that.

    Roles for each experiment are the business of further classes with these three methods.
    """

    def may(self, caller: Caller, action: Action, experiment: int | None) -> bool:
        """Whether ``caller`` may do ``action`` on an experiment, or on none in particular."""
        del experiment
        return ("read" if action == "read" else "write") in caller.scopes

    def require(self, caller: Caller, action: Action, experiment: int | None) -> None:
        """Go on only if the caller may.

        Raises:
            PermissionDenied: the caller may not.
        """
        if not self.may(caller, action, experiment):
            raise PermissionDenied(f"This credential does not allow to {action}.")

    def visible(self, caller: Caller) -> Any:
        """The condition on rows that searches add for this caller; None is all of them."""
        del caller


class Authenticator(Protocol):
    """Says who sent a request, by its headers."""

    async def identify(self, headers: Mapping[str, str]) -> Caller | None:
        """The caller, or None if the request carries no credential that is known here."""

    def recognize(self, headers: Mapping[str, str]) -> Caller | None:
        """The caller, if that can be said without asking elsewhere; None leaves it to ``identify``."""


class OpenAuthenticator:
    """Takes anybody."""

    async def identify(self, headers: Mapping[str, str]) -> Caller | None:
        """Nobody in particular, with all rights."""
        return self.recognize(headers)

    def recognize(self, headers: Mapping[str, str]) -> Caller | None:
        """The same."""
        del headers
        return _ANYBODY


_ANYBODY = Caller("", "open")


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

    async def identify(self, headers: Mapping[str, str]) -> Caller | None:
        """The caller whose token the header carries."""
        return self.recognize(headers)

    def recognize(self, headers: Mapping[str, str]) -> Caller | None:
        """The same."""
        found = _AUTHORIZATION.match(headers.get("Authorization", ""))
        return self._tokens.find(found[1]) if found else None
