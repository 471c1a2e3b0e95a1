"""Who calls, and what they may do.

A *caller* is known by a *credential* (``identity`` tells how). A credential has *scopes*, which narrow what
its user may do. What users may do in an experiment is asked of ``Access``: everything, or, where several
share a server, what their *role* there allows (``RoleAccess``). It is the one gate of all surfaces.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from jupyter_tracking.protocol.call import Action
from jupyter_tracking.protocol.errors import PermissionDenied, ResourceDoesNotExist
from jupyter_tracking.protocol.grants import Grant, Role, SubjectKind

from .store import grants
from .store.codes import ROLE_CODE
from .store.database import Transaction
from .store.grants import Subject, Visible

__all__ = [
    "ALL_SCOPES",
    "NEEDED",
    "Access",
    "Caller",
    "Concealed",
    "Denied",
    "How",
    "LinkAccess",
    "RoleAccess",
    "Scope",
]

Scope = Literal["read", "write", "artifacts"]
How = Literal["token", "password", "certificate", "proxy", "cookie", "open", "link"]
ALL_SCOPES: frozenset[Scope] = frozenset({"read", "write", "artifacts"})
NEEDED: dict[Action, Role] = {"read": Role.READER, "write": Role.EDITOR, "manage": Role.OWNER}
"""The least role for an action on an experiment."""
TRUST = 5.0
"""Seconds for which a role that was looked up is believed; a missing one is looked up each time."""
MOST_TRUSTED = 10_000


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent a request.

    Attributes:
        user: the name under which runs are filed; empty if the credential names nobody.
        how: by what the caller is known: a ``token`` (sent on purpose), a ``password``, a client's
            ``certificate``, the word of a ``proxy``, a ``cookie`` (a browser sends it by itself), ``open``
            (no credential is asked for), or the ``link`` that somebody was given.
        scopes: what the credential is good for.
        credential: tells credentials apart in logs, and opens nothing.
        groups: those that the user is in.
        admin: whether the user may do everything.
    """

    user: str
    how: How
    scopes: frozenset[Scope] = ALL_SCOPES
    credential: str = ""
    groups: frozenset[str] = frozenset()
    admin: bool = False

    @property
    def ambient(self) -> bool:
        """Whether a foreign web page could make a browser send this request with its rights."""
        return self.how != "token"

    @property
    def subject(self) -> Subject:
        """Whom grants are looked up for."""
        return Subject(self.user, self.groups)


class Denied(Exception):
    """The cause of a ``ResourceDoesNotExist`` of a thing that is there, but not the caller's to know of."""


class Concealed(ResourceDoesNotExist):
    """A thing that is not the caller's to know of is answered as if it were there and empty.

    Attributes:
        reply: that answer, as JSON.
    """

    def __init__(self, reply: bytes) -> None:
        super().__init__("There is nothing here.")
        self.reply = reply


class Access:
    """What callers may do: here, every known caller owns every experiment, and scopes narrow that.

    Attributes:
        rights: whether callers differ in what they may do, so that runs are filed under the caller's name
            alone and experiments' names are taken for each user apart.
    """

    rights = False

    def may(self, tx: Transaction, caller: Caller, action: Action, experiment: int | None) -> bool:
        """Whether ``caller`` may do ``action`` on an experiment, or on none in particular."""
        if ("read" if action == "read" else "write") not in caller.scopes:
            return False
        if action == "admin":
            return self.is_admin(caller)
        return experiment is None or self._has_role(tx, caller, NEEDED[action], experiment)

    def require(self, tx: Transaction, caller: Caller, action: Action, experiment: int | None) -> None:
        """Go on only if the caller may.

        Raises:
            PermissionDenied: the caller may not; the message says what it takes.
        """
        if self.may(tx, caller, action, experiment):
            return
        if action == "admin":
            raise PermissionDenied("Only an administrator of this server may do that.")
        if experiment is not None and ("read" if action == "read" else "write") in caller.scopes:
            needed = NEEDED[action].value
            raise PermissionDenied(
                f"This takes the role of {'a' if needed == 'reader' else 'an'} {needed} in experiment "
                f"{experiment}, which {caller.user or 'this credential'} lacks; its owners can give it."
            )
        raise PermissionDenied(f"This credential does not allow to {action}.")

    def is_admin(self, caller: Caller) -> bool:
        """Whether the caller may do everything."""
        del caller
        return True

    def role(self, tx: Transaction, caller: Caller, experiment: int) -> Role | None:
        """The caller's role in an experiment, whatever the credential's scopes; None for no role."""
        del tx, caller, experiment
        return Role.OWNER

    def visible(self, caller: Caller) -> Visible | None:
        """The condition on rows that searches add for this caller; None is all of them."""
        del caller
        return None

    def namespace(self, caller: Caller) -> str:
        """Within which the names of the caller's new experiments are taken."""
        del caller
        return ""

    def first_grants(self, caller: Caller) -> Sequence[Grant]:
        """Who may do what in an experiment that the caller makes."""
        return [Grant(SubjectKind.USER, caller.user, Role.OWNER)] if caller.user else []

    def forget(self) -> None:
        """Grants have changed: believe nothing that was looked up before."""

    def _has_role(self, tx: Transaction, caller: Caller, needed: Role, experiment: int) -> bool:
        role = self.role(tx, caller, experiment)
        return role is not None and ROLE_CODE[role] >= ROLE_CODE[needed]


class RoleAccess(Access):
    """Callers may do what their role in an experiment allows; administrators everything.

    Args:
        new_experiments: who reads a new one: ``private`` (its maker), ``group`` (also the maker's groups) or
            ``open`` (everybody known).
        clock: seconds that only go forward.
    """

    rights = True

    def __init__(self, new_experiments: str = "private", clock: Callable[[], float] = time.monotonic) -> None:
        self._new_experiments = new_experiments
        self._clock = clock
        self._trusted: dict[tuple[Subject, int], tuple[Role, float]] = {}

    def is_admin(self, caller: Caller) -> bool:
        """Whether the caller's credential says so."""
        return caller.admin

    def role(self, tx: Transaction, caller: Caller, experiment: int) -> Role | None:
        """The greatest role by any grant to the caller, to one of the caller's groups, or to everyone."""
        if caller.admin:
            return Role.OWNER
        place = caller.subject, experiment
        trusted = self._trusted.get(place)
        if trusted is not None and self._clock() < trusted[1]:
            return trusted[0]
        role = grants.role_of(tx, experiment, caller.subject)
        if role is not None:
            if len(self._trusted) >= MOST_TRUSTED:
                self._trusted.clear()
            self._trusted[place] = role, self._clock() + TRUST
        return role

    def visible(self, caller: Caller) -> Visible | None:
        """Some grant lets the caller read the experiment."""
        return None if caller.admin else grants.readable(caller.subject)

    def namespace(self, caller: Caller) -> str:
        """Each user's own: nobody learns, or is stopped by, how others name theirs."""
        return caller.user

    def first_grants(self, caller: Caller) -> Sequence[Grant]:
        """The maker owns it; the administrator has said who reads it."""
        found = list(super().first_grants(caller))
        if self._new_experiments == "group":
            found += [Grant(SubjectKind.GROUP, name, Role.READER) for name in sorted(caller.groups)]
        elif self._new_experiments == "open":
            found.append(Grant(SubjectKind.EVERYONE, "", Role.READER))
        return found

    def forget(self) -> None:
        """Ask the database again for each role."""
        self._trusted.clear()


class LinkAccess(Access):
    """Who holds a share link may read in the experiment of its run, and finds nothing by searching.

    Which run that is, and what of it, ``services/share_links.py`` sees to.
    """

    rights = True

    def __init__(self, experiment: int) -> None:
        self._experiment = experiment

    def is_admin(self, caller: Caller) -> bool:
        """Never."""
        del caller
        return False

    def role(self, tx: Transaction, caller: Caller, experiment: int) -> Role | None:
        """That of a reader, in the one experiment."""
        del tx, caller
        return Role.READER if experiment == self._experiment else None

    def visible(self, caller: Caller) -> Visible | None:
        """Nothing is."""
        del caller
        return grants.unreadable
