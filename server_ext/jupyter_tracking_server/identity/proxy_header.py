"""The word of a reverse proxy: it has signed the user in, and says in a header who that is.

Anybody can send such a header, so it is heard from the proxies alone that the administrator named.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from jupyter_tracking.protocol.errors import InvalidParameterValue, Unauthenticated
from jupyter_tracking.protocol.users import check_name

from ..access import Caller
from ..store import memberships, users
from ..store.database import Transaction
from .base import Sender
from .people import People
from .recollection import Recollection

__all__ = ["ProxyHeader", "ProxyHeaders"]

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class ProxyHeaders:
    """What is heard, and from whom.

    Attributes:
        user: the name of the header with the user.
        groups: that of the header with their groups, separated by commas; "" if it is not told.
        proxies: the networks whose word is taken.
    """

    user: str
    groups: str
    proxies: Sequence[Network]


class ProxyHeader:
    """Takes the user whom a trusted proxy names, whether or not they have an account.

    Args:
        headers: what is heard.
        people: the database; the groups are kept there for the tokens that the user makes.
        recollection: the callers that were found lately.
    """

    def __init__(
        self, headers: ProxyHeaders, people: People, recollection: Recollection | None = None
    ) -> None:
        self._headers = headers
        self._people = people
        self._recollection = recollection or Recollection()

    def carries(self, sender: Sender) -> bool:
        """Whether a trusted proxy sent the header; from others it is as if it were not there."""
        return bool(self._user(sender)) and self._trusts(sender.remote_ip or "")

    async def identify(self, sender: Sender) -> Caller | None:
        """The user whom the proxy names.

        Raises:
            Unauthenticated: what the header holds is no name.
            TemporarilyUnavailable: the database does not answer.
        """
        if not self.carries(sender):
            return None
        known = self.recognize(sender)
        if known is not None:
            return known
        user, groups = self._user(sender), self._groups(sender)
        if "," in user:
            raise Unauthenticated(f"The proxy sent {self._headers.user} twice; it must replace the client's.")
        try:
            check_name(user, self._headers.user)
            for group in groups or ():
                check_name(group, self._headers.groups)
        except InvalidParameterValue as error:
            raise Unauthenticated(f"What the proxy said is no name: {error.message}") from None
        account, kept = await self._people.read(partial(_look_up, user=user))
        if groups is not None and groups != kept:
            await self._people.write(partial(memberships.replace, user=user, groups=groups))
        admin = account is not None and account.admin
        caller = Caller(user, "proxy", groups=kept if groups is None else groups, admin=admin)
        return self._recollection.keep((user, groups), caller)

    def recognize(self, sender: Sender) -> Caller | None:
        """The same, of a user who was found a moment ago."""
        if not self.carries(sender):
            return None
        return self._recollection.find((self._user(sender), self._groups(sender)))

    def _user(self, sender: Sender) -> str:
        return sender.headers.get(self._headers.user, "").strip()

    def _groups(self, sender: Sender) -> frozenset[str] | None:
        """Those that the proxy tells; None if it is not asked."""
        if not self._headers.groups:
            return None
        text = sender.headers.get(self._headers.groups, "")
        return frozenset(part.strip() for part in text.split(",") if part.strip())

    def _trusts(self, peer: str) -> bool:
        try:
            address: Any = ipaddress.ip_address(peer.partition("%")[0])
        except ValueError:
            return False
        # An IPv4 peer of a socket that listens on both.
        address = getattr(address, "ipv4_mapped", None) or address
        return any(address in network for network in self._headers.proxies)


def _look_up(tx: Transaction, user: str) -> tuple[users.Account | None, frozenset[str]]:
    return users.get(tx, user), memberships.groups_of(tx, user)
