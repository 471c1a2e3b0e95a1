"""``jupyter tracking rights``: who may do what in an experiment."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from jupyter_tracking.protocol.errors import InvalidParameterValue
from jupyter_tracking.protocol.grants import Grant, Role, SubjectKind
from jupyter_tracking.protocol.users import check_name

from ..config import ConfigurationError
from .flags import add_flags, settings_of
from .opened import changed, current_database, note

if TYPE_CHECKING:
    from ..store.database import Transaction

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

__all__ = ["add_command"]


def add_command(commands: Commands) -> None:
    """Add the command and what is below it."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "rights",
        help="say who may do what in an experiment",
        description="Works on the database itself, also while servers run; they follow within 5 seconds. An "
        "experiment is named by its id, or as user/name.",
    )
    below = parser.add_subparsers(required=True, metavar="command")
    listing = below.add_parser("list", help="print the roles in an experiment")
    listing.set_defaults(run=_list)
    give = below.add_parser("set", help="give a role, in place of the one before")
    give.set_defaults(run=_set)
    remove = below.add_parser("remove", help="take a role away")
    remove.set_defaults(run=_remove)
    for command in (listing, give, remove):
        command.add_argument("experiment")
    for command in (give, remove):
        subject = command.add_mutually_exclusive_group(required=True)
        subject.add_argument("--user", metavar="NAME")
        subject.add_argument("--group", metavar="NAME")
        subject.add_argument("--everyone", action="store_true", help="each user of the server")
    give.add_argument("--role", required=True, choices=[role.value for role in Role])
    transfer = below.add_parser(
        "transfer",
        help="give all roles and experiments of a user to another",
        description="For people who leave. Runs keep the name of who made them. An experiment of a name that "
        "the other user has already gets a new one. Share links that the user made end.",
    )
    transfer.add_argument("user")
    transfer.add_argument("heir")
    transfer.set_defaults(run=_transfer)
    for command in (listing, give, remove, transfer):
        add_flags(command, ("backend_store_uri",))


def _list(given: argparse.Namespace) -> int:
    from ..store import grants  # noqa: PLC0415 - help needs no database

    with current_database(settings_of(given)) as database, database.read() as tx:
        for grant in grants.listed(tx, _experiment(tx, given.experiment)):
            print(f"{grant.role.value}\t{_text(grant.kind, grant.name)}")
    return 0


def _set(given: argparse.Namespace) -> int:
    from ..store import grants  # noqa: PLC0415 - help needs no database

    kind, name = _subject(given)
    role = Role(given.role)

    def work(tx: Transaction) -> int:
        number = _experiment(tx, given.experiment)
        grants.put(tx, number, [Grant(kind, name, role)])
        note(tx, "set_grant", experiment_id=str(number), kind=kind.value, name=name, role=role.value)
        return number

    number = changed(settings_of(given), work)
    print(f"{_text(kind, name)} is {role.value} in experiment {number}.")
    return 0


def _remove(given: argparse.Namespace) -> int:
    from ..store import grants  # noqa: PLC0415 - help needs no database

    kind, name = _subject(given)

    def work(tx: Transaction) -> int:
        number = _experiment(tx, given.experiment)
        if not grants.remove(tx, number, kind, name):
            raise ConfigurationError(
                f"{_text(kind, name)} has no role in experiment {number}; jupyter tracking rights list "
                f"{number} prints all."
            )
        note(tx, "remove_grant", experiment_id=str(number), kind=kind.value, name=name)
        return number

    number = changed(settings_of(given), work)
    print(f"{_text(kind, name)} has no role in experiment {number} any more.")
    return 0


def _transfer(given: argparse.Namespace) -> int:
    from ..store import experiments, grants, share_links  # noqa: PLC0415 - help needs no database

    for name in (given.user, given.heir):
        _check(name)
    if given.user == given.heir:
        raise ConfigurationError("These are the same user.")

    def work(tx: Transaction) -> tuple[int, list[tuple[str, str]], int]:
        roles = grants.transfer(tx, given.user, given.heir)
        moved = experiments.hand_over(tx, given.user, given.heir)
        return roles, moved, share_links.remove_made_by(tx, given.user)

    told = {"user": given.user, "heir": given.heir}
    roles, moved, links = changed(settings_of(given), work, "transfer_rights", **told)
    for old, new in moved:
        if old != new:
            print(f"{old!r} is called {new!r} now.")
    print(
        f"{given.heir} has what {given.user} had: roles in experiments: {roles}, names of experiments: "
        f"{len(moved)}."
    )
    if links:
        print(f"Share links that {given.user} made, and that have ended: {links}.")
    return 0


def _experiment(tx: Transaction, text: str) -> int:
    from ..store import experiments  # noqa: PLC0415 - help needs no database

    found = experiments.find(tx, text)
    if not found:
        raise ConfigurationError(f"There is no experiment {text!r}; name it by its id, or as user/name.")
    if len(found) > 1:
        raise ConfigurationError(f"{text!r} may be any of {', '.join(map(str, found))}; name it by its id.")
    return found[0]


def _subject(given: argparse.Namespace) -> tuple[SubjectKind, str]:
    if given.everyone:
        return SubjectKind.EVERYONE, ""
    kind = SubjectKind.GROUP if given.user is None else SubjectKind.USER
    name: str = given.group if given.user is None else given.user
    _check(name)
    return kind, name


def _check(name: str) -> None:
    try:
        check_name(name, "name")
    except InvalidParameterValue as error:
        raise ConfigurationError(error.message) from None


def _text(kind: SubjectKind, name: str) -> str:
    return kind.value if kind is SubjectKind.EVERYONE else f"{kind.value} {name}"
