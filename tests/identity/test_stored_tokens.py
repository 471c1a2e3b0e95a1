"""Tokens of the database: what they are good for, when they end, and how soon that is noticed."""

from __future__ import annotations

import asyncio

import pytest

from jupyter_tracking.protocol.errors import Unauthenticated
from jupyter_tracking_server.access import Caller, Scope
from jupyter_tracking_server.identity.recollection import MOST, TRUST, Recollection
from jupyter_tracking_server.identity.stored_tokens import StoredTokens
from jupyter_tracking_server.identity.tokens import CLOCK_SKEW
from jupyter_tracking_server.store import tokens, users

from .people import Clock, Town
from .senders import sender


@pytest.fixture
def gate(town: Town, clock: Clock) -> StoredTokens:
    return StoredTokens(town, Recollection(clock=clock), clock)


async def ask(gate: StoredTokens, secret: str) -> Caller | None:
    """The caller, or None for nobody."""
    try:
        return await gate.identify(sender(authorization=f"Bearer {secret}"))
    except Unauthenticated:
        return None


def test_a_token_says_who_calls_and_what_they_may(town: Town, gate: StoredTokens) -> None:
    town.settle("jane", admin=True, groups=("lab", "staff"))
    token_id, secret = town.token("jane", frozenset({"read", "artifacts", "a scope of tomorrow"}))
    found = asyncio.run(ask(gate, secret))
    scopes: frozenset[Scope] = frozenset({"read", "artifacts"})
    assert found == Caller("jane", "token", scopes, token_id, frozenset({"lab", "staff"}), True)
    assert secret.startswith("jt_")
    assert len(secret) > 40


def test_it_is_recognized_at_once_after_it_was_looked_up(town: Town, gate: StoredTokens) -> None:
    town.settle("jane")
    _, secret = town.token("jane")
    request = sender(authorization=f"token {secret}")
    assert gate.recognize(request) is None
    found = asyncio.run(ask(gate, secret))
    asked = town.asked
    assert gate.recognize(request) == found
    assert asyncio.run(ask(gate, secret)) == found
    assert town.asked == asked


def test_a_revoked_one_ends_when_the_memory_does(town: Town, gate: StoredTokens, clock: Clock) -> None:
    town.settle("jane")
    token_id, secret = town.token("jane")
    assert asyncio.run(ask(gate, secret)) is not None
    assert town.do(lambda tx: tokens.remove(tx, token_id))
    assert TRUST <= 30
    clock.seconds += TRUST
    assert gate.recognize(sender(authorization=f"Bearer {secret}")) is None
    assert asyncio.run(ask(gate, secret)) is None


def test_a_removed_user_and_their_tokens_end(town: Town, gate: StoredTokens, clock: Clock) -> None:
    town.settle("jane")
    _, secret = town.token("jane")
    assert asyncio.run(ask(gate, secret)) is not None
    assert town.do(lambda tx: users.remove(tx, "jane"))
    clock.seconds += TRUST
    assert asyncio.run(ask(gate, secret)) is None
    # Nor does a later user of that name have it.
    town.settle("jane")
    assert asyncio.run(ask(gate, secret)) is None


def test_rights_that_change_are_noticed(town: Town, gate: StoredTokens, clock: Clock) -> None:
    town.settle("jane")
    _, secret = town.token("jane")
    assert asyncio.run(ask(gate, secret)) is not None
    assert town.do(lambda tx: users.set_admin(tx, "jane", True))
    clock.seconds += TRUST
    found = asyncio.run(ask(gate, secret))
    assert found is not None
    assert found.admin


def test_it_ends_on_time_even_while_it_is_remembered(town: Town, gate: StoredTokens, clock: Clock) -> None:
    town.settle("jane")
    _, secret = town.token("jane", expires=int((clock.seconds + 5) * 1000))
    assert asyncio.run(ask(gate, secret)) is not None
    clock.seconds += 5 + CLOCK_SKEW - 1
    assert asyncio.run(ask(gate, secret)) is not None
    clock.seconds += 1
    assert gate.recognize(sender(authorization=f"Bearer {secret}")) is None
    assert asyncio.run(ask(gate, secret)) is None


@pytest.mark.parametrize("secret", ["x", "jt_", "jt_" + "x" * 43, "\udcff"])
def test_unknown_ones_are_nobody(town: Town, gate: StoredTokens, secret: str) -> None:
    town.settle("jane")
    town.token("jane")
    assert asyncio.run(ask(gate, secret)) is None


def test_its_use_is_noted_once_a_minute_beside_the_request(
    town: Town, gate: StoredTokens, clock: Clock
) -> None:
    town.settle("jane")
    token_id, secret = town.token("jane")

    async def use() -> None:
        assert await ask(gate, secret) is not None
        while gate._notes:
            await asyncio.wait(gate._notes)

    def noted() -> int | None:
        token = town.look(lambda tx: tokens.get(tx, token_id))
        assert token is not None
        return token.last_used

    asyncio.run(use())
    first = int(clock.seconds * 1000)
    assert noted() == first
    clock.seconds += 59
    asyncio.run(use())
    assert noted() == first
    clock.seconds += 1 + TRUST
    asyncio.run(use())
    assert noted() == int(clock.seconds * 1000)


def test_the_memory_has_an_end(clock: Clock) -> None:
    memory = Recollection(clock=clock)
    for number in range(MOST + 1):
        memory.keep(number, Caller("jane", "token"))
    assert len(memory._known) <= MOST
    assert memory.find(MOST) is not None
