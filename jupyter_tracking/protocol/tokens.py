"""Tokens: a user's own, for clients that send them in place of a password."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import msgspec
from msgspec import Meta

from .call import Call, Empty

LONGEST_LIFE = 10 * 366 * 86_400


class TokenScope(Enum):
    """What a token is good for: reading, changing, and moving the bytes of artifacts."""

    READ = "read"
    WRITE = "write"
    ARTIFACTS = "artifacts"


class TokenInfo(msgspec.Struct, frozen=True):
    """What is known of a token, but for its secret. Times are milliseconds since the epoch."""

    id: str
    scopes: list[TokenScope]
    note: str
    created: int
    expires: int | None
    last_used: int | None


class CreateToken(msgspec.Struct, frozen=True):
    """Make a token for the caller.

    Without ``scopes`` it has those of the credential that asks, and never more. ``lifetime`` is in seconds; a
    token that asks makes none that outlives itself.
    """

    scopes: Annotated[list[TokenScope], Meta(max_length=3)] = []
    lifetime: Annotated[int, Meta(ge=1, le=LONGEST_LIFE)] | None = None
    note: Annotated[str, Meta(max_length=500)] = ""


class CreatedToken(msgspec.Struct, frozen=True):
    """A new token; its ``secret`` is told this once."""

    secret: str
    info: TokenInfo


class ListTokens(msgspec.Struct, frozen=True):
    """The caller's tokens, the newest first."""


class TokensReply(msgspec.Struct, frozen=True):
    """Tokens."""

    tokens: list[TokenInfo]


class RevokeToken(msgspec.Struct, frozen=True):
    """End one of the caller's tokens; servers follow within 30 seconds."""

    id: Annotated[str, Meta(min_length=1, max_length=64)]


create_token = Call(
    "create_token",
    ("POST",),
    "tokens/create",
    CreateToken,
    CreatedToken,
    "write",
    family="jupyter-tracking",
)
list_tokens = Call(
    "list_tokens", ("GET",), "tokens/list", ListTokens, TokensReply, "read", family="jupyter-tracking"
)
revoke_token = Call(
    "revoke_token", ("POST",), "tokens/revoke", RevokeToken, Empty, "write", family="jupyter-tracking"
)
