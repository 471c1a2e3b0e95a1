"""What browsers keep for us and cannot read or change: encrypted and signed under the database's secret.

So any replica reads what another one made, and nothing of it must be kept here.
"""

from __future__ import annotations

import base64
import hmac
import time
from collections.abc import Callable
from typing import TypeVar

import msgspec
from cryptography.fernet import Fernet, InvalidToken

__all__ = ["Seal"]

S = TypeVar("S", bound=msgspec.Struct)


class Seal:
    """Seals values for one purpose; a value sealed for another does not open.

    Args:
        secret: the database's.
        purpose: what the values are for.
        clock: seconds since the epoch.
    """

    def __init__(self, secret: bytes, purpose: str, clock: Callable[[], float] = time.time) -> None:
        self._key = hmac.digest(secret, f"jupyter-tracking {purpose}".encode(), "sha256")
        self._fernet = Fernet(base64.urlsafe_b64encode(self._key))
        self._clock = clock

    def seal(self, value: msgspec.Struct) -> str:
        """A text of letters, digits, ``-``, ``_`` and ``=``."""
        return self._fernet.encrypt_at_time(msgspec.json.encode(value), int(self._clock())).decode()

    def open(self, kind: type[S], text: str, longest: int) -> tuple[S, float] | None:
        """What was sealed at most ``longest`` seconds ago, and how many of them are left; else None."""
        try:
            token, now = text.encode("ascii"), int(self._clock())
            opened = self._fernet.decrypt_at_time(token, longest, now)
            left = self._fernet.extract_timestamp(token) + longest - now
            return msgspec.json.decode(opened, type=kind), left
        except (InvalidToken, UnicodeEncodeError, msgspec.MsgspecError):
            return None

    def ends(self, left: float) -> int:
        """When that many seconds will be over, in milliseconds since the epoch."""
        return int((self._clock() + left) * 1000)

    def sign(self, text: str) -> str:
        """A signature that only we can make, in hexadecimal."""
        return hmac.new(self._key, b"sign " + text.encode("utf-8", "surrogateescape"), "sha256").hexdigest()

    def signed(self, text: str, signature: str) -> bool:
        """Whether we made this signature of the text."""
        return hmac.compare_digest(self.sign(text).encode(), signature.encode("utf-8", "surrogateescape"))
