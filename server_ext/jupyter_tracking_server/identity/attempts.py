"""Wrong passwords of the last minute, so that nobody can try many."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable

from jupyter_tracking.protocol.errors import Unauthenticated

__all__ = ["Attempts"]

WINDOW = 60.0
"""Seconds for which a wrong password counts."""
MOST_OF_PAIR = 10
"""For one user from one peer."""
MOST_OF_EITHER = 100
"""For one user from all peers, and from one peer for all users: many users may share an address."""
MOST_KEYS = 10_000
SWEEP = 1.0
"""Seconds between two looks at all keys: a flood must not have each of its attempts pay for one."""

Key = tuple[str, str]


class Attempts:
    """Counts wrong passwords by user and by peer.

    Args:
        clock: seconds that only go forward.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._wrong: dict[Key, deque[float]] = {}
        self._swept = -math.inf

    def check(self, user: str, peer: str) -> None:
        """Go on only if a password may be tried.

        Not RequestLimitExceeded: stock clients retry that for minutes, in silence, and whoever mistyped a
        password would wait for nothing. They show this one at once.

        Raises:
            Unauthenticated: too many were wrong; the message says for how long to wait.
        """
        waits = [self._wait(key, most) for key, most in _keys(user, peer)]
        if max(waits) > 0:
            raise Unauthenticated(
                f"Too many wrong passwords for {user!r} or from {peer or 'there'}: wait "
                f"{math.ceil(max(waits))} seconds, then try the right one."
            )

    def note_wrong(self, user: str, peer: str) -> None:
        """Count a wrong password."""
        now = self._clock()
        if len(self._wrong) >= MOST_KEYS and now >= self._swept + SWEEP:
            self._swept = now
            self._wrong = {key: times for key, times in self._wrong.items() if times[-1] > now - WINDOW}
        for key, most in _keys(user, peer):
            # Of a flood under ever new names those that are there already are counted on.
            if key in self._wrong or len(self._wrong) < MOST_KEYS:
                self._wrong.setdefault(key, deque(maxlen=most)).append(now)

    def _wait(self, key: Key, most: int) -> float:
        """Seconds until one more may be tried."""
        times = self._wrong.get(key)
        if times is None or len(times) < most:
            return 0.0
        return times[0] + WINDOW - self._clock()


def _keys(user: str, peer: str) -> list[tuple[Key, int]]:
    return [((user, peer), MOST_OF_PAIR), (("", peer), MOST_OF_EITHER), ((user, ""), MOST_OF_EITHER)]
