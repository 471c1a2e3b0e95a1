"""Shared access signatures for single blobs, made with an account's key.

obstore makes them too, but wrong ones for names that an address has to escape.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from urllib.parse import quote, urlencode

from .azure_account import Account
from .azure_parts import Block
from .base import Signed
from .keys import Key

__all__ = ["AzureSigner"]

VERSION = "2020-12-06"
"""It says what is signed; that of the service itself may be a later one."""


class AzureSigner:
    """Signs for a container.

    Args:
        account: with its key.
        path: of a key's blob.
    """

    def __init__(self, account: Account, path: Callable[[Key], str]) -> None:
        self._account = account
        self._path = path

    async def sign_read(self, key: Key, seconds: int) -> Signed:
        """Where the artifact can be fetched."""
        return Signed(self._signed(self._path(key), "r", seconds), {})

    async def sign_part(self, key: Key, upload: str, number: int, seconds: int) -> Signed:
        """Where a part can be sent. Azure's answer has no ``ETag``; ``complete`` takes ``""`` for it."""
        query = urlencode({"comp": "block", "blockid": Block.new(upload, number).id})
        return Signed(f"{self._signed(self._path(key), 'w', seconds)}&{query}", {})

    def _signed(self, path: str, rights: str, seconds: int) -> str:
        account = self._account
        end = f"{datetime.now(timezone.utc) + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%SZ}"
        resource = f"/blob/{account.name}/{account.container}/{path}"
        # Between them: beginning, policy, address and protocol; behind: what we neither ask nor override.
        lines = [rights, "", end, resource, "", "", "", VERSION, "b", *[""] * 7]
        key = base64.b64decode(str(account.credential().get("access_key", "")))
        signature = base64.b64encode(hmac.digest(key, "\n".join(lines).encode(), hashlib.sha256)).decode()
        query = urlencode({"sv": VERSION, "sr": "b", "sp": rights, "se": end, "sig": signature})
        return f"{account.endpoint}/{account.container}/{quote(path, safe='/')}?{query}"
