"""What all kinds of credentials have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from ..access import Caller

__all__ = ["Authenticator", "Chain", "OpenAuthenticator", "Sender"]


class Sender(Protocol):
    """What of a request tells who sent it; tornado's ``HTTPServerRequest`` is one.

    Attributes:
        method: ``GET``, ``POST``, …
        remote_ip: the peer's address.
    """

    @property
    def method(self) -> str | None:
        """The request's verb, as ``GET``."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The request's headers; their names in any case."""

    @property
    def remote_ip(self) -> str | None:
        """The peer's address."""

    def get_ssl_certificate(self, binary_form: bool = False) -> Any:
        """The certificate that the client showed and TLS accepted; None without."""


class Authenticator(Protocol):
    """Says who sent a request, by one kind of credential."""

    def carries(self, sender: Sender) -> bool:
        """Whether the request carries a credential of this kind, good or not."""

    async def identify(self, sender: Sender) -> Caller | None:
        """The caller, or None if the request carries no credential that is known here.

        Raises:
            TemporarilyUnavailable: who knows the credential does not answer.
            RequestLimitExceeded: too many wrong ones came from there.
        """

    def recognize(self, sender: Sender) -> Caller | None:
        """The caller, if that can be said without waiting; None leaves it to ``identify``."""


class OpenAuthenticator:
    """Takes anybody."""

    def carries(self, sender: Sender) -> bool:
        """Each request does."""
        del sender
        return True

    async def identify(self, sender: Sender) -> Caller | None:
        """Nobody in particular, with all rights."""
        return self.recognize(sender)

    def recognize(self, sender: Sender) -> Caller | None:
        """The same."""
        del sender
        return _ANYBODY


_ANYBODY = Caller("", "open")


class Chain:
    """Several kinds of credentials: the first that a request carries is judged, and no other."""

    def __init__(self, links: Sequence[Authenticator]) -> None:
        self._links = tuple(links)

    def carries(self, sender: Sender) -> bool:
        """Whether the request carries any of them."""
        return self._link(sender) is not None

    async def identify(self, sender: Sender) -> Caller | None:
        """The caller by the first kind of credential that the request carries."""
        link = self._link(sender)
        return None if link is None else await link.identify(sender)

    def recognize(self, sender: Sender) -> Caller | None:
        """The same, if that can be said without waiting."""
        link = self._link(sender)
        return None if link is None else link.recognize(sender)

    def _link(self, sender: Sender) -> Authenticator | None:
        return next((link for link in self._links if link.carries(sender)), None)
