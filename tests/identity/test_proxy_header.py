"""The word of a proxy: from which peers it is heard, and what it may say."""

from __future__ import annotations

import asyncio
import ipaddress

import pytest

from jupyter_tracking.protocol.errors import Unauthenticated
from jupyter_tracking_server.access import Caller
from jupyter_tracking_server.identity.proxy_header import ProxyHeader, ProxyHeaders
from jupyter_tracking_server.identity.recollection import Recollection
from jupyter_tracking_server.store import memberships

from .people import Clock, Town
from .senders import sender

PROXIES = (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8"))


def gate(town: Town, clock: Clock, groups: str = "X-Forwarded-Groups") -> ProxyHeader:
    return ProxyHeader(ProxyHeaders("X-Forwarded-User", groups, PROXIES), town, Recollection(clock=clock))


@pytest.mark.parametrize("peer", ["10.1.2.3", "::ffff:10.1.2.3", "fd00::1"])
def test_a_trusted_one_names_the_user_and_their_groups(town: Town, clock: Clock, peer: str) -> None:
    town.settle("jane", admin=True, groups=("old",))
    request = sender(peer, x_forwarded_user="jane", X_FORWARDED_groups="lab, staff,")
    found = asyncio.run(gate(town, clock).identify(request))
    groups = frozenset({"lab", "staff"})
    assert found == Caller("jane", "proxy", groups=groups, admin=True)
    assert found.ambient
    # Tokens that the user makes have them, too.
    assert town.look(lambda tx: memberships.groups_of(tx, "jane")) == groups


@pytest.mark.parametrize(
    "peer", ["127.0.0.1", "11.0.0.1", "::1", "fe80::1%eth0", "", "unix:", "::ffff:11.0.0.1"]
)
def test_from_others_the_header_is_not_there(town: Town, clock: Clock, peer: str) -> None:
    found = gate(town, clock)
    request = sender(peer, x_forwarded_user="jane", x_forwarded_for="10.1.2.3")
    assert not found.carries(request)
    assert found.recognize(request) is None
    assert asyncio.run(found.identify(request)) is None


def test_who_was_recognized_from_a_proxy_is_not_from_elsewhere(town: Town, clock: Clock) -> None:
    found = gate(town, clock)
    assert asyncio.run(found.identify(sender("10.1.2.3", x_forwarded_user="jane"))) is not None
    assert found.recognize(sender("10.1.2.4", x_forwarded_user="jane")) is not None
    assert found.recognize(sender("11.1.2.3", x_forwarded_user="jane")) is None
    # Nor is somebody in groups that were told of an earlier request.
    assert found.recognize(sender("10.1.2.3", x_forwarded_user="jane", x_forwarded_groups="lab")) is None


@pytest.mark.parametrize("user", ["admin,jane", "a:b", "a\u200bb", "x" * 300])
def test_what_is_no_name_is_refused(town: Town, clock: Clock, user: str) -> None:
    with pytest.raises(Unauthenticated):
        asyncio.run(gate(town, clock).identify(sender("10.1.2.3", x_forwarded_user=user)))


def test_a_header_that_came_twice_is_refused(town: Town, clock: Clock) -> None:
    request = sender("10.1.2.3", x_forwarded_user="jane")
    request.headers.add("X-Forwarded-User", "admin")
    with pytest.raises(Unauthenticated, match="twice"):
        asyncio.run(gate(town, clock).identify(request))


def test_groups_that_are_not_told_are_those_that_are_kept(town: Town, clock: Clock) -> None:
    town.settle("jane", groups=("lab",))
    request = sender("10.1.2.3", x_forwarded_user="jane", x_forwarded_groups="admins")
    found = asyncio.run(gate(town, clock, groups="").identify(request))
    assert found == Caller("jane", "proxy", groups=frozenset({"lab"}))
