"""Addresses to which one part of one upload can be sent, without any other credential.

The signature in an address is the right to use it. It is made from a secret of the database's, so any server
on that database honours it.
"""

from __future__ import annotations

import hashlib
import hmac
import re

from jupyter_tracking.protocol.errors import PermissionDenied

__all__ = ["PATH", "PartUrls", "lifetime"]

PATH = "/api/2.0/mlflow-artifacts/mpu/part"
HOUR, DAY = 3600, 86_400
PER_PART = 60
"""Seconds that a part may take; clients get all addresses at once, and send a few parts at a time."""

_SECONDS = re.compile(r"[0-9]{1,12}\Z")


def lifetime(num_parts: int) -> int:
    """Seconds for which the addresses of an upload are good."""
    return min(HOUR + PER_PART * num_parts, DAY)


class PartUrls:
    """Makes and judges these addresses.

    Args:
        secret: of the database.
    """

    def __init__(self, secret: bytes) -> None:
        self._key = hmac.digest(secret, b"addresses of parts", hashlib.sha256)

    def url(self, base_url: str, upload_id: str, number: int, expires: int) -> str:
        """The address; it ``expires`` at that second since the epoch."""
        signature = self._sign(upload_id, str(number), str(expires))
        return f"{base_url}{PATH}/{upload_id}/{number}?expires={expires}&signature={signature}"

    def check(self, upload_id: str, number: str, expires: str, signature: str, now: int) -> None:
        """Refuse an address that was not made here or is too old: its parts as they stand in it.

        ``now`` is in milliseconds since the epoch.

        Raises:
            PermissionDenied
        """
        expected = self._sign(upload_id, number, expires)
        if not hmac.compare_digest(expected.encode(), signature.encode()):
            raise PermissionDenied("The signature of this address is wrong; use it as the server gave it.")
        if not _SECONDS.match(expires) or int(expires) * 1000 < now:
            raise PermissionDenied("This address has expired; ask for the upload's addresses again.")

    def _sign(self, *what: str) -> str:
        return hmac.new(self._key, "\n".join(what).encode(), hashlib.sha256).hexdigest()
