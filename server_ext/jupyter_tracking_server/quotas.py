"""What callers may hold: asked before a run is made and before and while an artifact comes in.

A quota is of a user, of a group (its members together), or of everyone (each user who has none of their
own). Where none applies to a caller the question costs nothing. Uploads that run at the same time do not see
each other, so that together they may exceed a quota by what is under way.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from jupyter_tracking.protocol.errors import ResourceLimitExceeded
from jupyter_tracking.protocol.grants import SubjectKind

from .sizes import show_size
from .store import quotas, usage
from .store.database import Transaction
from .store.grants import Subject
from .store.quotas import FREE, Holding, Rules

__all__ = ["Quotas", "Room"]

TRUST = 5.0
"""Seconds for which quotas that were read are believed."""
_CURE = (
    "Delete what is not needed; deleted runs count until they are removed for good "
    "(jupyter tracking gc). Or ask an administrator of this server for more."
)


@dataclass(frozen=True)
class Room:
    """How many bytes an upload may have: those that are left by the tightest quota.

    Attributes:
        bytes: how many.
        holding: whose quota says so.
    """

    bytes: int
    holding: Holding

    def check(self, size: int) -> None:
        """Go on only if ``size`` bytes fit.

        Raises:
            ResourceLimitExceeded
        """
        if size > self.bytes:
            held, most = self.holding.held.bytes, self.holding.limits.bytes or 0
            raise ResourceLimitExceeded(
                f"The artifact does not fit: {_whose(self.holding)} {show_size(held)} of {show_size(most)}, "
                f"so it may have {show_size(self.bytes)} at most. {_CURE}"
            )


class Quotas:
    """The quotas of one server, as last read.

    Args:
        clock: seconds that only go forward.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._read: tuple[Rules, float] | None = None

    def forget(self) -> None:
        """Quotas have changed: believe nothing that was read before."""
        self._read = None

    def concern(self, subject: Subject) -> bool:
        """Whether a quota may apply; False is known, True perhaps only not known otherwise."""
        rules = self._fresh()
        return rules is None or bool(_that_apply(rules, subject))

    @property
    def concern_anybody(self) -> bool:
        """The same for all subjects together."""
        return self._fresh() != {}

    def holdings(self, tx: Transaction, subject: Subject) -> list[Holding]:
        """What the user, and each of the user's groups that has a quota, holds and may hold."""
        rules = self._rules(tx)
        limits = quotas.limits_of(rules, SubjectKind.USER, subject.user)
        own = Holding(SubjectKind.USER, subject.user, usage.of_user(tx, subject.user), limits)
        return [own, *(one for one in _measured(tx, rules, subject) if one.kind is SubjectKind.GROUP)]

    def require_run(self, tx: Transaction, subject: Subject) -> None:
        """Go on only if the subject may make one more run.

        Raises:
            ResourceLimitExceeded
        """
        for holding in _measured(tx, self._rules(tx), subject):
            most = holding.limits.runs
            if most is not None and holding.held.runs >= most:
                raise ResourceLimitExceeded(
                    f"No more runs: {_whose(holding)} {holding.held.runs} of {most} runs. {_CURE}"
                )

    def room(self, tx: Transaction, subject: Subject, replaced: int = 0) -> Room | None:
        """How much may come in; None for any amount.

        Args:
            tx: to look it up.
            subject: whose it will be.
            replaced: bytes of the subject's that will go for it.
        """
        rooms = [
            Room(max(holding.limits.bytes - holding.held.bytes, 0) + replaced, holding)
            for holding in _measured(tx, self._rules(tx), subject)
            if holding.limits.bytes is not None
        ]
        return min(rooms, key=lambda room: room.bytes, default=None)

    def _fresh(self) -> Rules | None:
        read = self._read
        return read[0] if read is not None and self._clock() < read[1] else None

    def _rules(self, tx: Transaction) -> Rules:
        rules = self._fresh()
        if rules is None:
            rules = quotas.every(tx)
            self._read = rules, self._clock() + TRUST
        return rules


def _that_apply(rules: Rules, subject: Subject) -> list[tuple[SubjectKind, str]]:
    if not rules:
        return []
    found = [
        (SubjectKind.GROUP, name) for name in sorted(subject.groups) if (SubjectKind.GROUP, name) in rules
    ]
    if quotas.limits_of(rules, SubjectKind.USER, subject.user) != FREE:
        found.insert(0, (SubjectKind.USER, subject.user))
    return found


def _measured(tx: Transaction, rules: Rules, subject: Subject) -> list[Holding]:
    """What is held under each quota that applies."""
    return [
        Holding(
            kind,
            name,
            usage.of_user(tx, name) if kind is SubjectKind.USER else usage.of_group(tx, name),
            quotas.limits_of(rules, kind, name),
        )
        for kind, name in _that_apply(rules, subject)
    ]


def _whose(holding: Holding) -> str:
    if holding.kind is SubjectKind.GROUP:
        return f"the group {holding.name} holds"
    return f"{holding.name or 'this user'} holds"
