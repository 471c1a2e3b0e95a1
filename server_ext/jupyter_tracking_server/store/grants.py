"""Grants: the roles of subjects in experiments, and whose experiments a caller may read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import ColumnElement, and_, false, or_, select

from jupyter_tracking.protocol.grants import Grant, Role, SubjectKind

from .codes import ROLE, ROLE_CODE
from .people_tables import grants

if TYPE_CHECKING:
    from .database import Transaction

__all__ = [
    "Subject",
    "Visible",
    "all_but",
    "among_subjects",
    "given",
    "held_by",
    "listed",
    "put",
    "readable",
    "remove",
    "role_of",
    "transfer",
    "unreadable",
]

Visible = Callable[[ColumnElement[int]], ColumnElement[bool]]
"""From the column with an experiment's id to the condition that the caller may read it."""


class Subject(NamedTuple):
    """Whom grants are looked up for; a user without a name has those of everyone."""

    user: str
    groups: frozenset[str]


def role_of(tx: Transaction, experiment: int, subject: Subject) -> Role | None:
    """The greatest role that a subject has in an experiment, by any grant; None without one."""
    condition, parameters = among_subjects(tx, subject)
    ((code,),) = tx.driver(
        f"SELECT max(role) FROM grants WHERE experiment = ? AND {condition}", [experiment, *parameters]
    )
    return None if code is None else ROLE[code]


def given(tx: Transaction, experiment: int, kind: SubjectKind, name: str) -> Role | None:
    """The role that was granted to exactly this subject; None without one."""
    sql = "SELECT role FROM grants WHERE experiment = ? AND kind = ? AND name = ?"
    found = tx.driver(sql, (experiment, kind.value, name))
    return ROLE[found[0][0]] if found else None


def among_subjects(tx: Transaction, subject: Subject) -> tuple[str, list[object]]:
    """SQL with its parameters: a row of ``grants`` is for the subject."""
    parts, parameters = ["grants.kind = 'everyone'"], list[object]()
    if subject.user:
        parts.append("(grants.kind = 'user' AND grants.name = ?)")
        parameters.append(subject.user)
    if subject.groups:
        parts.append(f"(grants.kind = 'group' AND {tx.among('grants.name', 'text')})")
        parameters.append(tx.array(sorted(subject.groups)))
    return f"({' OR '.join(parts)})", parameters


def readable(subject: Subject) -> Visible:
    """The condition for searches: some grant lets the subject read the experiment."""
    kinds = [grants.c.kind == SubjectKind.EVERYONE.value]
    if subject.user:
        kinds.append(and_(grants.c.kind == SubjectKind.USER.value, grants.c.name == subject.user))
    if subject.groups:
        named = grants.c.name.in_(sorted(subject.groups))
        kinds.append(and_(grants.c.kind == SubjectKind.GROUP.value, named))
    found = select(grants.c.experiment).where(or_(*kinds))
    return lambda experiment: experiment.in_(found)


def all_but(number: int) -> Visible:
    """The condition of who may read all experiments, but is not to see one of them."""
    return lambda experiment: experiment != number


def unreadable(experiment: ColumnElement[int]) -> ColumnElement[bool]:
    """The condition of who searches in vain."""
    del experiment
    return false()


def listed(tx: Transaction, experiment: int) -> list[Grant]:
    """All grants of an experiment: the greatest roles first, then by kind and name."""
    rows = tx.driver("SELECT kind, name, role FROM grants WHERE experiment = ?", [experiment])
    found = [Grant(SubjectKind(kind), name, ROLE[code]) for kind, name, code in rows]
    return sorted(found, key=lambda one: (-ROLE_CODE[one.role], one.kind.value, one.name))


def held_by(tx: Transaction, user: str) -> list[tuple[int, Role]]:
    """The experiments in which a user was granted a role by name, by their ids."""
    sql = "SELECT experiment, role FROM grants WHERE kind = 'user' AND name = ? ORDER BY experiment"
    return [(experiment, ROLE[code]) for experiment, code in tx.driver(sql, [user])]


def put(tx: Transaction, experiment: int, given: Sequence[Grant]) -> None:
    """Give roles, in place of those that the subjects had."""
    for grant in given:
        tx.driver(
            "INSERT INTO grants (experiment, kind, name, role) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (experiment, kind, name) DO UPDATE SET role = excluded.role",
            (experiment, grant.kind.value, grant.name, ROLE_CODE[grant.role]),
        )


def transfer(tx: Transaction, user: str, heir: str) -> int:
    """Give all roles of a user to another, who keeps greater ones; how many they were."""
    rows = tx.driver("DELETE FROM grants WHERE kind = 'user' AND name = ? RETURNING experiment, role", [user])
    for experiment, role in rows:
        tx.driver(
            "INSERT INTO grants (experiment, kind, name, role) VALUES (?, 'user', ?, ?) "
            "ON CONFLICT (experiment, kind, name) DO UPDATE SET role = excluded.role "
            "WHERE excluded.role > grants.role",
            (experiment, heir, role),
        )
    return len(rows)


def remove(tx: Transaction, experiment: int, kind: SubjectKind, name: str) -> bool:
    """Take a subject's role away; False if it had none."""
    sql = "DELETE FROM grants WHERE experiment = ? AND kind = ? AND name = ? RETURNING role"
    return bool(tx.driver(sql, (experiment, kind.value, name)))
