"""``jupyter tracking user``: the accounts of a server with ``--auth users``."""

from __future__ import annotations

import argparse
import getpass
import sys
import time
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from jupyter_tracking.protocol.errors import InvalidParameterValue
from jupyter_tracking.protocol.users import check_name

from ..config import ConfigurationError
from .flags import add_flags, settings_of
from .opened import changed, current_database

if TYPE_CHECKING:
    from ..store.database import Transaction

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

__all__ = ["add_command"]


def add_command(commands: Commands) -> None:
    """Add the command and what is below it."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "user",
        help="look after the accounts of a server with --auth users",
        description="Works on the database itself, also while servers run; they follow within 30 seconds.",
    )
    below = parser.add_subparsers(required=True, metavar="command")
    create = below.add_parser("create", help="make an account")
    create.add_argument("name")
    create.add_argument("--admin", action="store_true", help="who may do everything")
    create.add_argument("--group", action="append", default=[], metavar="NAME", help="repeatable")
    create.add_argument(
        "--no-password", action="store_true", help="for a user with tokens or certificates alone"
    )
    create.set_defaults(run=_create)
    password = below.add_parser("password", help="give a user another password")
    password.add_argument("name")
    password.set_defaults(run=_password)
    for command in (create, password):
        command.add_argument(
            "--password-stdin", action="store_true", help="read the password from the standard input"
        )
    groups = below.add_parser("groups", help="put a user into these groups and no others")
    groups.add_argument("name")
    groups.add_argument("groups", nargs="*", metavar="group")
    groups.set_defaults(run=_groups)
    admin = below.add_parser("admin", help="make a user an administrator")
    admin.add_argument("name")
    admin.add_argument("--revoke", action="store_true", help="no longer one")
    admin.set_defaults(run=_admin)
    delete = below.add_parser(
        "delete", help="remove an account with its tokens, groups, roles, quota and share links"
    )
    delete.add_argument("name")
    delete.set_defaults(run=_delete)
    listing = below.add_parser("list", help="print the accounts")
    listing.set_defaults(run=_list)
    for command in (create, password, groups, admin, delete, listing):
        add_flags(command, ("backend_store_uri",))


def _create(given: argparse.Namespace) -> int:
    from ..store import memberships, users  # noqa: PLC0415 - help needs no database

    _check_names([given.name, *given.group])
    digest = None if given.no_password else _digest(given)

    def work(tx: Transaction) -> bool:
        account = users.Account(given.name, digest, given.admin, time.time_ns() // 1_000_000)
        made = users.add(tx, account)
        if made:
            memberships.replace(tx, given.name, frozenset(given.group))
        return made

    told = {"is_admin": str(given.admin).lower()}
    if not changed(settings_of(given), work, "create_user", username=given.name, **told):
        raise ConfigurationError(f"There is a user {given.name!r} already.")
    print(f"Made the user {given.name}{', an administrator' if given.admin else ''}.")
    return 0


def _password(given: argparse.Namespace) -> int:
    from ..store import users  # noqa: PLC0415 - help needs no database

    digest = _digest(given)
    if not changed(
        settings_of(given),
        lambda tx: users.set_password(tx, given.name, digest),
        "update_user_password",
        username=given.name,
    ):
        raise _missing(given.name)
    print(f"{given.name} has another password; sessions with the old one end within 30 seconds.")
    return 0


def _groups(given: argparse.Namespace) -> int:
    from ..store import memberships, users  # noqa: PLC0415 - help needs no database

    _check_names(given.groups)

    def work(tx: Transaction) -> bool:
        if users.get(tx, given.name) is None:
            return False
        memberships.replace(tx, given.name, frozenset(given.groups))
        return True

    told = {"username": given.name, "groups": " ".join(given.groups)}
    if not changed(settings_of(given), work, "set_user_groups", **told):
        raise _missing(given.name)
    print(f"{given.name} is in: {', '.join(sorted(set(given.groups))) or 'no group'}.")
    return 0


def _admin(given: argparse.Namespace) -> int:
    from ..store import users  # noqa: PLC0415 - help needs no database

    told = {"username": given.name, "is_admin": str(not given.revoke).lower()}
    work = partial(users.set_admin, name=given.name, admin=not given.revoke)
    if not changed(settings_of(given), work, "update_user_admin", **told):
        raise _missing(given.name)
    print(f"{given.name} is {'no longer' if given.revoke else 'now'} an administrator.")
    return 0


def _delete(given: argparse.Namespace) -> int:
    from ..store import users  # noqa: PLC0415 - help needs no database

    if not changed(
        settings_of(given), lambda tx: users.remove(tx, given.name), "delete_user", username=given.name
    ):
        raise _missing(given.name)
    print(f"Removed the user {given.name}; what they logged stays.")
    return 0


def _list(given: argparse.Namespace) -> int:
    from ..store import memberships, users  # noqa: PLC0415 - help needs no database

    with current_database(settings_of(given)) as database, database.read() as tx:
        for account in users.listed(tx):
            marks = ["admin"] if account.admin else []
            marks += [] if account.password else ["no password"]
            marks += [f"in {group}" for group in sorted(memberships.groups_of(tx, account.name))]
            print(f"{account.name}\t{', '.join(marks)}".rstrip())
    return 0


def _missing(name: str) -> ConfigurationError:
    return ConfigurationError(f"There is no user {name!r}; jupyter tracking user list prints all.")


def _check_names(names: Sequence[str]) -> None:
    try:
        for name in names:
            check_name(name, "name")
    except InvalidParameterValue as error:
        raise ConfigurationError(error.message) from None


def _digest(given: argparse.Namespace) -> str:
    """What is stored of the password that is typed, or comes by the standard input.

    Raises:
        ConfigurationError: it is none, or was typed in two ways.
    """
    from .. import password_hash  # noqa: PLC0415 - help needs no hashes

    if given.password_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    elif sys.stdin.isatty():
        password = getpass.getpass(f"Password of {given.name}: ")
        if getpass.getpass("Once more: ") != password:
            raise ConfigurationError("These were two different passwords.")
    else:
        raise ConfigurationError("Give the password on the standard input, with --password-stdin.")
    try:
        return password_hash.make(password)
    except InvalidParameterValue as error:
        raise ConfigurationError(error.message) from None
