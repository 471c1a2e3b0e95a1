"""The database, as authenticators ask it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from ..store.database import Transaction

__all__ = ["People"]

T = TypeVar("T")


class People(Protocol):
    """Where users, their tokens and their groups are kept: ``Server`` is one."""

    def read(self, work: Callable[[Transaction], T]) -> Awaitable[T]:
        """Run ``work`` in a reading transaction."""

    def write(self, work: Callable[[Transaction], T]) -> Awaitable[T]:
        """Run ``work`` in a writing one."""
