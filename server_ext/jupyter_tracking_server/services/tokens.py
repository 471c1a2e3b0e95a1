"""Rules of tokens: a caller makes, lists and ends their own, and gains nothing by a new one."""

from __future__ import annotations

import secrets

from jupyter_tracking.protocol import Empty
from jupyter_tracking.protocol import tokens as wire
from jupyter_tracking.protocol.errors import (
    InvalidParameterValue,
    PermissionDenied,
    ResourceDoesNotExist,
    Unauthenticated,
)
from jupyter_tracking.protocol.tokens import TokenInfo, TokenScope

from ..context import Context
from ..store import tokens, users
from ..store.tokens import Token
from . import accounts

__all__ = ["MOST", "create_token", "list_tokens", "revoke_token"]

MOST = 500
"""Tokens of one user."""


def create_token(context: Context, request: wire.CreateToken) -> wire.CreatedToken:
    """Make a token for the caller.

    Raises:
        Unauthenticated: the caller's account is gone.
        PermissionDenied: it would have scopes that the caller's credential lacks.
        InvalidParameterValue: it would outlive the token that asks, or the user has too many.
    """
    accounts.check_kept(context.settings)
    caller = context.caller
    scopes = frozenset(scope.value for scope in request.scopes) or caller.scopes
    if not scopes <= caller.scopes:
        lacking = ", ".join(sorted(scopes - caller.scopes))
        raise PermissionDenied(f"The new token cannot have scopes that this credential lacks: {lacking}.")
    if len(tokens.listed(context.tx, caller.user)) >= MOST:
        raise InvalidParameterValue(f"A user can have {MOST} tokens; revoke those that are not needed.")
    now = context.now()
    if caller.how == "proxy":
        # It vouches for users who may have had no account so far.
        users.ensure(context.tx, caller.user, now)
    elif users.get(context.tx, caller.user) is None:
        # A credential may outlive it for some seconds.
        raise Unauthenticated("Your account has been removed.")
    secret = tokens.new_secret()
    end = _end(context, None if request.lifetime is None else now + request.lifetime * 1000)
    made = Token(secrets.token_hex(6), caller.user, scopes, request.note, now, end, None)
    tokens.add(context.tx, made, tokens.digest_of(secret))
    return wire.CreatedToken(secret, _info(made))


def list_tokens(context: Context, request: wire.ListTokens) -> wire.TokensReply:
    """The caller's tokens."""
    del request
    accounts.check_kept(context.settings)
    return wire.TokensReply([_info(token) for token in tokens.listed(context.tx, context.caller.user)])


def revoke_token(context: Context, request: wire.RevokeToken) -> Empty:
    """End one of the caller's tokens.

    Raises:
        ResourceDoesNotExist: the caller has no such token.
    """
    accounts.check_kept(context.settings)
    if not tokens.remove(context.tx, request.id, context.caller.user):
        raise ResourceDoesNotExist(f"You have no token with the id {request.id!r}.")
    return Empty()


def _end(context: Context, asked: int | None) -> int | None:
    """When the new token ends: not after the one that asks for it."""
    own = tokens.get(context.tx, context.caller.credential) if context.caller.how == "token" else None
    last = None if own is None else own.expires
    if last is None or asked is None:
        return last if asked is None else asked
    if asked > last:
        raise InvalidParameterValue("'lifetime' goes beyond the end of the token that asks; leave it out.")
    return asked


def _info(token: Token) -> TokenInfo:
    scopes = [scope for scope in TokenScope if scope.value in token.scopes]
    return TokenInfo(token.id, scopes, token.note, token.created, token.expires, token.last_used)
