"""Pages: how many rows, and the token that continues after the last one.

A token holds the order values of the last row of a page, never an offset: page 1,000 costs what page 1
costs, and rows that come or go meanwhile shift nothing. It is bound to one search and signed.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass

from jupyter_tracking.protocol import limits
from jupyter_tracking.protocol.errors import InvalidParameterValue

__all__ = ["Cursor", "Pages", "page_size"]

Cursor = tuple[str | float | None, ...]
"""The values of a row under the sort keys of a search, in their order."""

_DIGEST = 12


def page_size(max_results: int) -> int:
    """The number of rows that a page may have.

    Raises:
        InvalidParameterValue: it is not between 1 and 50,000.
    """
    fault = f"Invalid value {max_results} for parameter 'max_results' supplied."
    if max_results < 1:
        raise InvalidParameterValue(f"{fault} It must be a positive integer")
    if max_results > limits.SEARCH_MAX_RESULTS:
        raise InvalidParameterValue(f"{fault} It must be at most {limits.SEARCH_MAX_RESULTS}")
    return max_results


@dataclass(frozen=True)
class Pages:
    """Makes and reads the tokens of one search.

    Attributes:
        secret: signs; the same in all processes that serve one store.
        search: everything of a request that decides which rows come in which order, as text.
    """

    secret: bytes
    search: tuple[str, ...]

    def token(self, cursor: Cursor) -> str:
        """For the reply."""
        values = json.dumps(cursor, ensure_ascii=False, separators=(",", ":")).encode()
        body = self._scope() + values
        return base64.urlsafe_b64encode(self._signature(body) + body).decode()

    def cut(self, found: Sequence[tuple[int, Cursor]], size: int) -> tuple[list[int], str | None]:
        """Of ``size`` + 1 rows or fewer, those that make the page, and a token if one is left over."""
        rows = [row for row, _ in found[:size]]
        return rows, self.token(found[size - 1][1]) if len(found) > size else None

    def cursor(self, token: str | None) -> Cursor | None:
        """From the request; None to start at the first page.

        Raises:
            InvalidParameterValue: the token is altered, or belongs to another search.
        """
        if not token:
            return None
        try:
            raw = base64.b64decode(token, altchars=b"-_", validate=True)
        except ValueError:
            raise InvalidParameterValue("Invalid page token, could not base64-decode") from None
        signature, body = raw[:_DIGEST], raw[_DIGEST:]
        if not hmac.compare_digest(signature, self._signature(body)):
            raise InvalidParameterValue("Invalid page token, it was not made by this server")
        if body[:_DIGEST] != self._scope():
            raise InvalidParameterValue(
                "Invalid page token, it belongs to a search with another filter, order or scope"
            )
        return tuple(json.loads(body[_DIGEST:]))

    def _scope(self) -> bytes:
        text = json.dumps(self.search).encode()
        return hashlib.blake2b(text, digest_size=_DIGEST).digest()

    def _signature(self, body: bytes) -> bytes:
        return hmac.digest(self.secret, body, "sha256")[:_DIGEST]
