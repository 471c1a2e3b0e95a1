"""Callers that were found a moment ago, so that not every request asks the database."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable

from ..access import Caller

__all__ = ["TRUST", "Recollection"]

TRUST = 15.0
"""Seconds for which a caller is believed to be what the database said; a revoked one lives so long."""
MOST = 10_000


class Recollection:
    """Callers by what they sent, for a short time.

    Args:
        trust: seconds that each is believed.
        clock: seconds that only go forward.
    """

    def __init__(self, trust: float = TRUST, clock: Callable[[], float] = time.monotonic) -> None:
        self._trust = trust
        self._clock = clock
        self._known: dict[Hashable, tuple[Caller, float]] = {}

    def keep(self, key: Hashable, caller: Caller, lifetime: float | None = None) -> Caller:
        """Remember a caller, for ``lifetime`` seconds at most; returns it."""
        trust = self._trust if lifetime is None else min(self._trust, lifetime)
        if len(self._known) >= MOST:
            self._known.clear()
        self._known[key] = caller, self._clock() + trust
        return caller

    def forget(self, credential: str) -> None:
        """Believe a credential no more, in whatever spelling it was sent."""
        self._known = {key: known for key, known in self._known.items() if known[0].credential != credential}

    def find(self, key: Hashable) -> Caller | None:
        """A caller that is remembered and still to be believed."""
        known = self._known.get(key)
        if known is None:
            return None
        if self._clock() >= known[1]:
            del self._known[key]
            return None
        return known[0]
