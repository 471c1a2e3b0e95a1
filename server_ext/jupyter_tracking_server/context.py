"""What a service may use: one object, handed to it with the request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeVar

from jupyter_tracking.protocol.call import Action

from .access import Access, Caller
from .artifact_stores.base import ArtifactStore
from .config import Settings
from .quotas import Quotas
from .store.database import Transaction
from .store.grants import Visible

if TYPE_CHECKING:
    from .services.part_urls import PartUrls

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Context:
    """For services that read or write the store.

    Attributes:
        tx: the transaction that the request lives in.
        caller: who asks.
        access: what callers may do.
        now: the time in milliseconds since the epoch.
        store_url: the ``url`` of the artifact store.
        quotas: what callers may hold.
        denied: the experiments that the caller was found not to read.
        own_defaults: the experiment that the id 0 stood for when it was last said, by user; for the ledger.
        fresh: the experiments that the transaction made by the way; they are gone if it fails.
    """

    tx: Transaction
    caller: Caller
    access: Access
    settings: Settings
    now: Callable[[], int]
    store_url: str = ""
    quotas: Quotas = field(default_factory=Quotas)
    denied: list[int] = field(default_factory=list)
    own_defaults: dict[str, int] = field(default_factory=dict)
    fresh: list[int] = field(default_factory=list)

    def may(self, action: Action, experiment: int | None) -> bool:
        """Whether the caller may do ``action`` on an experiment, or on none in particular."""
        allowed = self.access.may(self.tx, self.caller, action, experiment)
        if not allowed and action == "read" and experiment is not None:
            self.denied.append(experiment)
        return allowed

    def require(self, action: Action, experiment: int | None) -> None:
        """Go on only if the caller may.

        Raises:
            PermissionDenied
        """
        self.access.require(self.tx, self.caller, action, experiment)

    @property
    def visible(self) -> Visible | None:
        """The condition on rows that searches add for the caller; None is all of them."""
        return self.access.visible(self.caller)


class ShortWork(Protocol):
    """Runs some work on the store in a reader's thread, or in the writer's; awaited on the event loop."""

    def __call__(self, work: Callable[[Context], T]) -> Awaitable[T]:
        """What ``work`` returns, or raises; its context is of this caller and one transaction."""


@dataclass(frozen=True, slots=True)
class FilesContext:
    """For services and streams that touch artifacts; they run on the event loop and must not block it.

    Attributes:
        caller: who asks.
        artifacts: where the bytes are.
        read: ``await context.read(lambda context: ...)`` looks something up in the store.
        write: the same, and may write; what ``work`` raises undoes what it wrote.
        base_url: of this server as the client sees it, without a slash at the end.
        part_urls: makes and judges the addresses of parts.
        now: the time in milliseconds since the epoch.
        quotas: what callers may hold.
    """

    caller: Caller
    settings: Settings
    artifacts: ArtifactStore
    read: ShortWork
    write: ShortWork
    base_url: str
    part_urls: PartUrls
    now: Callable[[], int]
    quotas: Quotas = field(default_factory=Quotas)
