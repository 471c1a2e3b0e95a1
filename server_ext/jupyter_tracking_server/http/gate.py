"""What a request must pass before anything looks at what it asks: by which name it came, and from where.

The *host* check stops DNS rebinding: a web page can make a name point to this machine, but then its name is
in the ``Host`` header. The *site* check stops foreign pages that use a browser's own rights (cookies, or a
server without a credential); requests with a token pass, since a page cannot send one unasked.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from jupyter_tracking.protocol.call import Action
from jupyter_tracking.protocol.errors import InvalidParameterValue, PermissionDenied

from ..access import Caller, Scope
from ..config import WILDCARDS, ConfigurationError

__all__ = ["HOST", "Gate", "check_json", "check_page", "check_scopes", "check_site"]

HOST = re.compile(r"(?:\[(?P<six>[0-9a-fA-F:.]+)\]|(?P<name>[A-Za-z0-9._-]+))(?::\d{1,5})?\Z")
"""A name or address, and perhaps a port."""
_OWN_SITES = frozenset({"same-origin", "none"})
_REMEMBERED = 1000

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Gate:
    """The names by which clients may call this server.

    Loopback is always one. A server that listens on every interface also takes private addresses as such:
    a page on a foreign name cannot have one for its host.

    Args:
        host: what the server listens on.
        allowed: further names, addresses or networks, separated by commas; ``*`` for any.

    Raises:
        ConfigurationError: an entry of ``allowed`` is none of these.
    """

    def __init__(self, host: str, allowed: str = "") -> None:
        self._names = {"localhost"}
        self._networks: list[Network] = []
        self._any = False
        self._private = host in WILDCARDS
        self._passed: set[str] = set()
        for entry in (*(part.strip() for part in allowed.split(",")), "" if self._private else host):
            if entry:
                self._allow(entry)

    def check_host(self, host: str) -> None:
        """Refuse a ``Host`` header that is none of this server's names.

        Raises:
            PermissionDenied: naming the cure.
        """
        if host in self._passed:
            return
        if not self._any and not self._is_own(host):
            raise PermissionDenied(
                f"This server is not known as {host[:100]!r}. Call it by a name that it has, or have its "
                "administrator add that one with --allowed-hosts."
            )
        if len(self._passed) < _REMEMBERED:
            self._passed.add(host)

    def _allow(self, entry: str) -> None:
        if entry == "*":
            self._any = True
            return
        with contextlib.suppress(ValueError):
            self._networks.append(ipaddress.ip_network(entry))
            return
        found = HOST.match(entry.removesuffix(":*"))
        if found is None:
            raise ConfigurationError(
                f"--allowed-hosts: {entry!r} is neither a name nor an address nor a network. "
                "Patterns are not taken, since 10.* would also allow 10.evil.example."
            )
        address = _address(found["six"] or found["name"])
        if address is not None:
            self._networks.append(ipaddress.ip_network(address))
        else:
            self._names.add(found["name"].lower())

    def _is_own(self, host: str) -> bool:
        found = HOST.match(host)
        if found is None:
            return False
        address = _address(found["six"] or found["name"])
        if address is None:
            return found["six"] is None and found["name"].lower() in self._names
        return (
            address.is_loopback
            or (self._private and address.is_private)
            or any(address in network for network in self._networks)
        )


def check_page(method: str, headers: Mapping[str, str], host: str, *, cookie: bool) -> None:
    """Refuse what a page of another site made a browser send with rights of its own.

    A link that is followed to here in a window of its own is no such thing: what it gets, the page that it is
    on cannot see.

    Where ``cookie``, the rights are those of a session, which only browsers have; and they say where a change
    comes from.

    Raises:
        PermissionDenied: the browser says that it comes from elsewhere, or does not say.
    """
    reads = method in {"GET", "HEAD"}
    window = headers.get("Sec-Fetch-Mode") == "navigate" and headers.get("Sec-Fetch-Dest") == "document"
    if reads and window:
        return
    if cookie and not reads and "Sec-Fetch-Site" not in headers and "Origin" not in headers:
        raise PermissionDenied(
            "With the cookie of a browser's session, a request that changes something must have the header "
            "Origin or Sec-Fetch-Site. Programs send a token instead: MLFLOW_TRACKING_TOKEN."
        )
    check_site(headers, host)


def check_site(headers: Mapping[str, str], host: str) -> None:
    """Refuse what a page of another site made the browser send.

    Raises:
        PermissionDenied: the browser says that it comes from elsewhere.
    """
    site = headers.get("Sec-Fetch-Site")
    if site is not None and site not in _OWN_SITES:
        raise PermissionDenied("Pages of other sites may not call this server.")
    origin = headers.get("Origin")
    # Older browsers send only this.
    if origin is not None and (origin == "null" or urlsplit(origin).netloc.lower() != host.lower()):
        raise PermissionDenied("Pages of other origins may not call this server.")


def check_scopes(caller: Caller, action: Action, further: Sequence[Scope]) -> None:
    """Refuse a credential that is not good for an action and the ``further`` scopes.

    Raises:
        PermissionDenied
    """
    needed: tuple[Scope, ...] = ("read" if action == "read" else "write", *further)
    for scope in needed:
        if scope not in caller.scopes:
            raise PermissionDenied(f"This credential is not good for: {scope}.")


def check_json(content_type: str) -> None:
    """Refuse a body that is not declared to be JSON: what a plain form of any page can send is never JSON.

    Raises:
        InvalidParameterValue: as upstream words it.
    """
    if not content_type:
        raise InvalidParameterValue("Bad Request. Content-Type header is missing.")
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise InvalidParameterValue("Bad Request. Content-Type must be one of ['application/json'].")


def _address(text: str) -> Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
