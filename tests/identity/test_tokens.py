"""Tokens of one process: who they stand for, what they are good for, when they end."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from jupyter_tracking_server.access import Caller
from jupyter_tracking_server.identity import Chain, OpenAuthenticator, TokenAuthenticator, TokenRegistry
from jupyter_tracking_server.identity.tokens import CLOCK_SKEW

from .senders import sender


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def identify(tokens: TokenRegistry, authorization: str) -> Caller | None:
    """The caller, without the name of the credential, which is another each time."""
    found = asyncio.run(TokenAuthenticator(tokens).identify(sender(authorization=authorization)))
    return found and replace(found, credential="")


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "token", "TOKEN"])
def test_a_token_is_taken_by_either_scheme(scheme: str) -> None:
    tokens = TokenRegistry()
    token = tokens.issue("jane", frozenset({"read"}))
    assert identify(tokens, f"{scheme} {token}") == Caller("jane", "token", frozenset({"read"}))


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer x",
        "Basic amFuZTpwdw==",
        "Bearer \udcff",
        "Bearer a b",
        "é",
        "Bearer é",
    ],
)
def test_anything_else_is_nobody(authorization: str) -> None:
    tokens = TokenRegistry()
    tokens.issue("jane")
    assert identify(tokens, authorization) is None


def test_tokens_are_long_different_and_not_kept() -> None:
    tokens = TokenRegistry()
    made = {tokens.issue("jane") for _ in range(10)}
    assert len(made) == 10
    assert all(len(token) >= 40 for token in made)
    assert not any(token in repr(vars(tokens)) for token in made)


def test_a_revoked_token_is_refused_and_others_are_not() -> None:
    tokens = TokenRegistry()
    first, second = tokens.issue("jane"), tokens.issue("jane")
    tokens.revoke(first)
    assert tokens.find(first) is None
    assert tokens.find(second) is not None


def test_a_token_ends_after_its_lifetime_and_the_skew_of_clocks() -> None:
    clock = Clock()
    tokens = TokenRegistry(clock)
    token, lasting = tokens.issue("jane", lifetime=60), tokens.issue("jane")
    clock.seconds += 60 + CLOCK_SKEW
    assert tokens.find(token) is not None
    clock.seconds += 1
    assert tokens.find(token) is None
    assert tokens.find(lasting) is not None


def test_a_token_made_elsewhere_is_taken() -> None:
    tokens = TokenRegistry()
    tokens.admit("from-a-file", Caller("", "token"))
    assert identify(tokens, "Bearer from-a-file") == Caller("", "token")


def test_credentials_are_told_apart_by_a_name_that_opens_nothing() -> None:
    tokens = TokenRegistry()
    first, second = (tokens.find(tokens.issue("jane")) for _ in range(2))
    assert first is not None
    assert second is not None
    assert first.credential != second.credential
    assert len(first.credential) == 12
    assert tokens.find(first.credential) is None


def test_anybody_is_no_intent() -> None:
    anybody = asyncio.run(OpenAuthenticator().identify(sender()))
    assert anybody is not None
    assert anybody.ambient


def test_of_several_kinds_of_credentials_the_first_that_comes_is_judged() -> None:
    first, second = TokenRegistry(), TokenRegistry()
    token = second.issue("jane")
    chain = Chain([TokenAuthenticator(first), OpenAuthenticator()])
    assert asyncio.run(chain.identify(sender(authorization=f"Bearer {token}"))) is None
    open_to_all = asyncio.run(chain.identify(sender()))
    assert open_to_all is not None
    assert open_to_all.how == "open"
    assert not Chain([TokenAuthenticator(first)]).carries(sender())
