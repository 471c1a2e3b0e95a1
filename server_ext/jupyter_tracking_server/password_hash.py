"""Passwords as argon2 digests: what is stored of them, and whether one fits.

Each digest costs memory and tens of milliseconds by design, so they are made in threads, few at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from jupyter_tracking.protocol.errors import InvalidParameterValue, TemporarilyUnavailable

__all__ = ["LONGEST", "SHORTEST", "check", "digest_of", "fits", "make"]

T = TypeVar("T")
SHORTEST, LONGEST = 8, 1024
"""Characters of a password."""
AT_ONCE = 2
MOST_WAITING = 100

# The first choice of OWASP's cheat sheet for password storage: 19 MiB, two passes.
_hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)


class _Threads:
    """Some threads with a queue that has an end."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="passwords")
        self._under_way = 0

    async def run(self, work: Callable[[], T]) -> T:
        """Run some work; only the event loop's own thread may ask for it."""
        if self._under_way >= MOST_WAITING:
            raise TemporarilyUnavailable("Too many passwords wait to be checked; try again.")
        self._under_way += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._under_way -= 1


_threads = _Threads()


def check(password: str) -> None:
    """Refuse what is no password.

    Raises:
        InvalidParameterValue: it is too short, or too long.
    """
    if not SHORTEST <= len(password) <= LONGEST:
        raise InvalidParameterValue(
            f"'password' must have between {SHORTEST} and {LONGEST} characters; it has {len(password)}."
        )


def make(password: str) -> str:
    """What is stored of a password.

    Raises:
        InvalidParameterValue: it is none.
    """
    check(password)
    return _hasher.hash(_encoded(password))


async def digest_of(password: str) -> str:
    """The same, in a thread.

    Raises:
        InvalidParameterValue: it is none.
        TemporarilyUnavailable: too many wait.
    """
    check(password)
    return await _threads.run(partial(make, password))


async def fits(password: str, digest: str | None) -> bool:
    """Whether a password is the one of a digest; without a digest it takes as long and is not.

    Raises:
        TemporarilyUnavailable: too many wait.
    """
    return await _threads.run(partial(_fits, password, digest))


def _fits(password: str, digest: str | None) -> bool:
    with contextlib.suppress(Argon2Error, InvalidHashError):
        _hasher.verify(digest or _decoy(), _encoded(password[: LONGEST + 1]))
        return digest is not None
    return False


def _encoded(password: str) -> bytes:
    return password.encode("utf-8", "surrogateescape")


@cache
def _decoy() -> str:
    """The digest of a password that nobody has."""
    return _hasher.hash(b"\xff")
