"""``jupyter tracking token``: tokens of users of a server with ``--auth users``."""

from __future__ import annotations

import argparse
import secrets
import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from ..age import parse_age
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
        "token",
        help="look after the tokens of users",
        description="Works on the database itself, also while servers run; they follow within 30 seconds.",
    )
    below = parser.add_subparsers(required=True, metavar="command")
    create = below.add_parser("create", help="make a token, and print it this once")
    create.add_argument("--user", required=True, metavar="NAME")
    create.add_argument(
        "--scopes",
        type=_scopes,
        default=None,
        metavar="LIST",
        help="of read, write and artifacts, separated by commas (default: all)",
    )
    create.add_argument("--expires", type=_age, default=None, metavar="AGE", help="30d, 12h (default: never)")
    create.add_argument("--note", default="", metavar="TEXT", help="what it is for")
    create.set_defaults(run=_create)
    listing = below.add_parser("list", help="print what is known of the tokens; never their secrets")
    listing.add_argument("--user", metavar="NAME", help="only theirs")
    listing.set_defaults(run=_list)
    revoke = below.add_parser("revoke", help="end a token")
    revoke.add_argument("id", help="as token list prints it")
    revoke.set_defaults(run=_revoke)
    for command in (create, listing, revoke):
        add_flags(command, ("backend_store_uri",))


def _scopes(text: str) -> frozenset[str]:
    from ..access import ALL_SCOPES  # noqa: PLC0415 - help needs no server

    found = frozenset(part.strip() for part in text.split(",") if part.strip())
    if not found or not found <= ALL_SCOPES:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of: {', '.join(sorted(ALL_SCOPES))}.")
    return found


def _age(text: str) -> float:
    try:
        age = parse_age(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if age <= 0:
        raise argparse.ArgumentTypeError("a token must live longer than nothing; leave it out for ever.")
    return age


def _create(given: argparse.Namespace) -> int:
    from ..access import ALL_SCOPES  # noqa: PLC0415 - help needs no server
    from ..store import tokens, users  # noqa: PLC0415 - the same

    now = time.time_ns() // 1_000_000
    expires = None if given.expires is None else now + int(given.expires * 1000)
    scopes = frozenset[str](ALL_SCOPES) if given.scopes is None else given.scopes
    secret = tokens.new_secret()
    token = tokens.Token(secrets.token_hex(6), given.user, scopes, given.note, now, expires, None)

    def work(tx: Transaction) -> bool:
        found = users.get(tx, given.user) is not None
        if found:
            tokens.add(tx, token, tokens.digest_of(secret))
        return found

    if not changed(settings_of(given), work, "create_token", user=given.user, id=token.id):
        raise ConfigurationError(f"There is no user {given.user!r}; jupyter tracking user create makes one.")
    print(secret)
    return 0


def _list(given: argparse.Namespace) -> int:
    from ..store import tokens  # noqa: PLC0415 - help needs no database

    with current_database(settings_of(given)) as database, database.read() as tx:
        for token in tokens.listed(tx, given.user):
            print(
                f"{token.id}\t{token.user}\t{','.join(sorted(token.scopes))}\t"
                f"expires {_time(token.expires)}\tlast used {_time(token.last_used)}\t{token.note}".rstrip()
            )
    return 0


def _time(at: int | None) -> str:
    if at is None:
        return "never"
    return datetime.fromtimestamp(at / 1000, tz=timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _revoke(given: argparse.Namespace) -> int:
    from ..store import tokens  # noqa: PLC0415 - help needs no database

    if not changed(settings_of(given), lambda tx: tokens.remove(tx, given.id), "revoke_token", id=given.id):
        raise ConfigurationError(f"There is no token {given.id!r}; jupyter tracking token list prints all.")
    print(f"Revoked the token {given.id}; running servers follow within 30 seconds.")
    return 0
