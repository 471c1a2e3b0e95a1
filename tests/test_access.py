"""What callers may do: everything within their scopes, or what their roles allow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from jupyter_tracking.protocol.errors import PermissionDenied
from jupyter_tracking.protocol.grants import Grant, Role, SubjectKind
from jupyter_tracking_server.access import TRUST, Access, Caller, LinkAccess, RoleAccess
from jupyter_tracking_server.store import experiments, grants
from jupyter_tracking_server.store.database import Database, Transaction
from jupyter_tracking_server.store.tables import experiments as table

JANE, JOE = Caller("jane", "token", groups=frozenset({"lab"})), Caller("joe", "token")
ADMIN = Caller("root", "token", admin=True)


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def tx(tmp_path: Path) -> Iterator[Transaction]:
    database = Database(f"sqlite:///{tmp_path / 'tracking.db'}")
    database.migrate("mlflow-artifacts:")
    with database.write() as opened:
        yield opened
    database.close()


def experiment(tx: Transaction, *given: Grant) -> int:
    new = experiments.NewExperiment("e", "root", 1, grants=given)
    return experiments.create(tx, new)


def test_scopes_narrow_what_a_caller_may_do(tx: Transaction) -> None:
    access = Access()
    reader = Caller("jane", "token", frozenset({"read"}))
    assert access.may(tx, reader, "read", 1)
    assert not access.may(tx, reader, "write", 1)
    assert not access.may(tx, reader, "manage", None)
    with pytest.raises(PermissionDenied, match="manage"):
        access.require(tx, reader, "manage", 1)
    access.require(tx, Caller("jane", "token"), "manage", 1)


def test_roles_include_smaller_ones(tx: Transaction) -> None:
    number = experiment(tx, Grant(SubjectKind.USER, "jane", Role.EDITOR))
    access = RoleAccess()
    assert [access.may(tx, JANE, action, number) for action in ("read", "write", "manage")] == [
        True,
        True,
        False,
    ]
    assert not access.may(tx, JOE, "read", number)
    assert access.may(tx, ADMIN, "manage", number)
    with pytest.raises(PermissionDenied, match="role of an owner in experiment"):
        access.require(tx, JANE, "manage", number)


def test_the_greatest_of_several_grants_counts(tx: Transaction) -> None:
    number = experiment(
        tx,
        Grant(SubjectKind.EVERYONE, "", Role.READER),
        Grant(SubjectKind.GROUP, "lab", Role.OWNER),
        Grant(SubjectKind.USER, "jane", Role.EDITOR),
    )
    access = RoleAccess()
    assert access.role(tx, JANE, number) is Role.OWNER
    assert access.role(tx, JOE, number) is Role.READER
    assert access.role(tx, Caller("", "token"), number) is Role.READER


def test_a_credential_never_does_more_than_its_scopes(tx: Transaction) -> None:
    number = experiment(tx, Grant(SubjectKind.USER, "jane", Role.OWNER))
    narrow = Caller("jane", "token", frozenset({"read"}))
    access = RoleAccess()
    assert access.may(tx, narrow, "read", number)
    assert not access.may(tx, narrow, "write", number)
    with pytest.raises(PermissionDenied, match="This credential does not allow to write"):
        access.require(tx, narrow, "write", number)


def test_a_lost_role_is_believed_for_seconds_only_and_a_new_one_counts_at_once(tx: Transaction) -> None:
    clock = Clock()
    number = experiment(tx, Grant(SubjectKind.USER, "jane", Role.OWNER))
    access = RoleAccess(clock=clock)
    assert access.may(tx, JANE, "read", number)
    assert not access.may(tx, JOE, "read", number)
    grants.put(tx, number, [Grant(SubjectKind.USER, "joe", Role.READER)])
    assert access.may(tx, JOE, "read", number)
    grants.remove(tx, number, SubjectKind.USER, "joe")
    assert access.may(tx, JOE, "read", number)
    clock.seconds += TRUST
    assert not access.may(tx, JOE, "read", number)


@pytest.mark.parametrize(
    ("new", "readers"),
    [("private", []), ("group", [(SubjectKind.GROUP, "lab")]), ("open", [(SubjectKind.EVERYONE, "")])],
)
def test_the_administrator_says_who_reads_a_new_experiment(
    new: str, readers: list[tuple[SubjectKind, str]]
) -> None:
    first, *others = RoleAccess(new).first_grants(JANE)
    assert first == Grant(SubjectKind.USER, "jane", Role.OWNER)
    assert others == [Grant(kind, name, Role.READER) for kind, name in readers]


def test_only_administrators_do_what_concerns_the_whole_server(tx: Transaction) -> None:
    assert Access().may(tx, JOE, "admin", None)
    assert not RoleAccess().may(tx, JOE, "admin", None)
    assert RoleAccess().may(tx, ADMIN, "admin", None)
    with pytest.raises(PermissionDenied, match="administrator"):
        RoleAccess().require(tx, JOE, "admin", None)


def test_only_a_token_shows_intent() -> None:
    assert not Caller("jane", "token").ambient
    assert Caller("jane", "cookie").ambient


def test_a_link_reads_in_one_experiment_and_finds_nothing(tx: Transaction) -> None:
    first = experiment(tx, Grant(SubjectKind.EVERYONE, "", Role.OWNER))
    access, guest = LinkAccess(first), Caller("", "link", admin=True)
    assert access.may(tx, guest, "read", first)
    assert not access.may(tx, guest, "read", first + 1)
    assert not any(access.may(tx, guest, action, first) for action in ("write", "manage", "admin"))
    visible = access.visible(guest)
    assert visible is not None
    assert tx.execute(select(table.c.id).where(table.c.id == first)).all()
    assert not tx.execute(select(table.c.id).where(visible(table.c.id))).all()
