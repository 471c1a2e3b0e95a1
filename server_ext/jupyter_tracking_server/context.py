"""What a service may use: one object, handed to it with the request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from .access import Access, Caller
from .artifact_stores.base import ArtifactStore
from .config import Settings
from .store.database import Transaction

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Context:
    """For services that read or write the store.

    Attributes:
        tx: the transaction that the request lives in.
        caller: who asks.
        access: what callers may do.
        now: the time in milliseconds since the epoch.
    """

    tx: Transaction
    caller: Caller
    access: Access
    settings: Settings
    now: Callable[[], int]


class ShortRead(Protocol):
    """Runs some reading of the store in a reader thread; awaited on the event loop."""

    def __call__(self, work: Callable[[Context], T]) -> Awaitable[T]:
        """What ``work`` returns, or raises; its context is of this caller and one snapshot."""


@dataclass(frozen=True, slots=True)
class FilesContext:
    """For services and streams that touch artifacts; they run on the event loop and must not block it.

    Attributes:
        caller: who asks.
        access: what callers may do.
        artifacts: where the bytes are.
        read: ``await context.read(lambda context: ...)`` looks something up in the store.
    """

    caller: Caller
    access: Access
    settings: Settings
    artifacts: ArtifactStore
    read: ShortRead
