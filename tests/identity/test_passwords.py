"""Names and passwords: what is taken, what it costs, and how many may be wrong."""

from __future__ import annotations

import asyncio
import base64
import time

import pytest

from jupyter_tracking.protocol.errors import InvalidParameterValue, Unauthenticated
from jupyter_tracking_server import password_hash
from jupyter_tracking_server.access import Caller
from jupyter_tracking_server.identity.attempts import (
    MOST_KEYS,
    MOST_OF_EITHER,
    MOST_OF_PAIR,
    WINDOW,
    Attempts,
)
from jupyter_tracking_server.identity.passwords import Passwords
from jupyter_tracking_server.identity.recollection import TRUST, Recollection
from jupyter_tracking_server.store import users

from .people import PASSWORD, Clock, Town
from .senders import sender


@pytest.fixture
def gate(town: Town, clock: Clock) -> Passwords:
    return Passwords(town, Recollection(clock=clock), Attempts(clock))


def header(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def ask(gate: Passwords, authorization: str, peer: str = "10.0.0.1") -> Caller | None:
    return asyncio.run(gate.identify(sender(peer, authorization=authorization)))


def refusal(gate: Passwords, authorization: str, peer: str = "10.0.0.1") -> str:
    with pytest.raises(Unauthenticated) as caught:
        ask(gate, authorization, peer)
    return caught.value.message


@pytest.mark.parametrize("password", [PASSWORD, "pässwörd 日本", ":" * 8, " leading and trailing "])
def test_a_password_says_who_calls(town: Town, gate: Passwords, password: str) -> None:
    town.settle("jane doe", password, admin=True, groups=("lab",))
    found = ask(gate, header("jane doe", password).replace("Basic", "bAsIc"))
    assert found == Caller("jane doe", "password", groups=frozenset({"lab"}), admin=True)
    assert found.ambient


@pytest.mark.parametrize(
    ("authorization", "said"),
    [
        ("Basic", "a name, a colon and a password"),
        ("Basic ", "a name, a colon and a password"),
        ("Basic !!!", "not base64"),
        ("Basic YQ", "not base64"),
        ("Basic é", "not base64"),
        ("Basic \udcff", "not base64"),
        ("Basic " + base64.b64encode(b"\xff\xfe:x").decode(), "not UTF-8"),
        ("Basic " + base64.b64encode(b"jane").decode(), "a name, a colon and a password"),
        ("Basic " + base64.b64encode(b":password").decode(), "a name, a colon and a password"),
        ("Basic " + base64.b64encode(b"ja\0ne:password").decode(), "a name, a colon and a password"),
    ],
)
def test_a_malformed_header_is_refused_in_plain_words(
    town: Town, gate: Passwords, authorization: str, said: str
) -> None:
    request = sender(authorization=authorization)
    assert gate.carries(request)
    assert gate.recognize(request) is None
    assert said in refusal(gate, authorization)


def test_other_headers_are_not_its_business(gate: Passwords) -> None:
    assert not any(gate.carries(sender(authorization=text)) for text in ("", "Bearer x", "Basics x"))


def test_a_wrong_name_is_refused_like_a_wrong_password(town: Town, gate: Passwords) -> None:
    town.settle("jane")
    town.settle("tokens only", None)
    # The digest that stands in for a missing one is made at its first use.
    refusal(gate, header("nobody", PASSWORD), "10.0.0.9")
    said, took = set(), []
    for user, password in (("jane", "wrong password"), ("nobody", PASSWORD), ("tokens only", PASSWORD)):
        begun = time.perf_counter()
        said.add(refusal(gate, header(user, password)))
        took.append(time.perf_counter() - begun)
    assert len(said) == 1
    # Each has cost a digest, which is tens of milliseconds; without one it is one or two.
    assert min(took) > 0.008


def test_many_calls_cost_one_check(town: Town, gate: Passwords) -> None:
    town.settle("jane")
    request = sender(authorization=header("jane", PASSWORD))

    async def burst() -> list[Caller | None]:
        return await asyncio.gather(*(gate.identify(request) for _ in range(50)))

    found = asyncio.run(burst())
    assert {caller.user for caller in found if caller} == {"jane"}
    assert town.asked == 1
    assert gate.recognize(request) == found[0]
    assert PASSWORD not in repr([vars(gate), vars(gate._recollection)])


def test_an_old_password_ends_when_the_memory_does(town: Town, gate: Passwords, clock: Clock) -> None:
    town.settle("jane")
    old = header("jane", PASSWORD)
    assert ask(gate, old) is not None
    digest = password_hash.make("another password")
    assert town.do(lambda tx: users.set_password(tx, "jane", digest))
    clock.seconds += TRUST
    assert gate.recognize(sender(authorization=old)) is None
    assert "wrong" in refusal(gate, old)
    assert ask(gate, header("jane", "another password")) is not None


def test_after_ten_wrong_ones_even_the_right_one_has_to_wait(
    town: Town, gate: Passwords, clock: Clock
) -> None:
    town.settle("jane")
    for number in range(MOST_OF_PAIR):
        assert "wrong: check" in refusal(gate, header("jane", f"wrong password {number}"))
        clock.seconds += 1
    asked = town.asked
    assert "Too many wrong passwords for 'jane' or from 10.0.0.1: wait 50 seconds" in refusal(
        gate, header("jane", PASSWORD)
    )
    assert town.asked == asked
    # Others are let in, and the user from elsewhere.
    assert ask(gate, header("jane", PASSWORD), "10.0.0.2") is not None
    clock.seconds += WINDOW
    assert ask(gate, header("jane", PASSWORD)) is not None


def test_many_wrong_ones_of_one_peer_or_for_one_user_are_too_many(clock: Clock) -> None:
    attempts = Attempts(clock)
    for number in range(MOST_OF_EITHER):
        attempts.check(f"user {number}", "10.0.0.1")
        attempts.note_wrong(f"user {number}", "10.0.0.1")
        attempts.check("jane", f"10.1.0.{number}")
        attempts.note_wrong("jane", f"10.1.0.{number}")
    for user, peer in (("somebody else", "10.0.0.1"), ("jane", "10.2.0.1")):
        with pytest.raises(Unauthenticated):
            attempts.check(user, peer)
    attempts.check("somebody else", "10.2.0.1")
    clock.seconds += WINDOW
    attempts.check("jane", "10.0.0.1")


def test_what_is_remembered_of_wrong_ones_has_an_end(clock: Clock) -> None:
    attempts = Attempts(clock)
    for number in range(MOST_KEYS):
        attempts.note_wrong(f"user {number}", f"peer {number}")
    assert len(attempts._wrong) <= MOST_KEYS
    clock.seconds += WINDOW
    attempts.note_wrong("jane", "10.0.0.1")
    assert len(attempts._wrong) <= 3


@pytest.mark.parametrize("password", ["", "short", "1234567", "x" * 1025])
def test_what_is_no_password(password: str) -> None:
    with pytest.raises(InvalidParameterValue, match="between 8 and 1024 characters"):
        password_hash.make(password)


def test_too_many_at_once_are_told_to_try_again() -> None:
    from jupyter_tracking.protocol.errors import TemporarilyUnavailable

    async def crowd() -> list[bool | BaseException]:
        many = (password_hash.fits("x", None) for _ in range(password_hash.MOST_WAITING + 5))
        return await asyncio.gather(*many, return_exceptions=True)

    found = asyncio.run(crowd())
    assert found.count(False) == password_hash.MOST_WAITING
    assert sum(isinstance(one, TemporarilyUnavailable) for one in found) == 5
