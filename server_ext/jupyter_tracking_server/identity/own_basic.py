"""The name and password that this process itself sends to its service.

Stock clients prefer what ``~/.mlflow/credentials`` holds to the token that they are told, so a kernel of a
user with that file sends a relay what the relay would send on.
"""

from __future__ import annotations

import hmac

from ..access import Caller
from .base import Sender

__all__ = ["OwnBasicAuthenticator"]


class OwnBasicAuthenticator:
    """Takes ``Authorization: Basic …`` if it is the very one that goes to the service.

    Args:
        user: whom it stands for.
        authorization: the header that goes to the service; None if none does.
    """

    def __init__(self, user: str, authorization: str | None) -> None:
        self._caller = Caller(user, "password")
        self._own = (authorization or "").encode() if (authorization or "").startswith("Basic ") else b""

    def carries(self, sender: Sender) -> bool:
        """Whether there is such a header."""
        return sender.headers.get("Authorization", "").lower().startswith("basic ")

    async def identify(self, sender: Sender) -> Caller | None:
        """The user of this Jupyter."""
        return self.recognize(sender)

    def recognize(self, sender: Sender) -> Caller | None:
        """The same."""
        sent = sender.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
        return self._caller if self._own and hmac.compare_digest(sent, self._own) else None
