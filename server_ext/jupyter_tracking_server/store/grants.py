"""Grants: the roles of subjects in experiments, and whose experiments a caller may read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import ColumnElement, and_, or_, select

from jupyter_tracking.protocol.grants import Grant, Role, SubjectKind

from .codes import ROLE, ROLE_CODE
from .people_tables import grants

if TYPE_CHECKING:
    from .database import Transaction

__all__ = ["Subject", "Visible", "among_subjects", "listed", "put", "readable", "remove", "role_of"]

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


def listed(tx: Transaction, experiment: int) -> list[Grant]:
    """All grants of an experiment: the greatest roles first, then by kind and name."""
    rows = tx.driver("SELECT kind, name, role FROM grants WHERE experiment = ?", [experiment])
    found = [Grant(SubjectKind(kind), name, ROLE[code]) for kind, name, code in rows]
    return sorted(found, key=lambda one: (-ROLE_CODE[one.role], one.kind.value, one.name))


def put(tx: Transaction, experiment: int, given: Sequence[Grant]) -> None:
    """Give roles, in place of those that the subjects had."""
    for grant in given:
        tx.driver(
            "INSERT INTO grants (experiment, kind, name, role) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (experiment, kind, name) DO UPDATE SET role = excluded.role",
            (experiment, grant.kind.value, grant.name, ROLE_CODE[grant.role]),
        )


def remove(tx: Transaction, experiment: int, kind: SubjectKind, name: str) -> bool:
    """Take a subject's role away; False if it had none."""
    sql = "DELETE FROM grants WHERE experiment = ? AND kind = ? AND name = ? RETURNING role"
    return bool(tx.driver(sql, (experiment, kind.value, name)))
