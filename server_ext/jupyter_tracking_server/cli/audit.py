"""``jupyter tracking audit``: read the ledger, export what is old, and remove what was exported."""

from __future__ import annotations

import argparse
import sys
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from ..age import parse_age
from ..config import ConfigurationError
from .flags import add_flags, settings_of
from .opened import current_database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jupyter_tracking.protocol.audit import AuditEntry

    from ..store.audit import Wanted
    from ..store.database import Database

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

__all__ = ["add_command"]

PAGE = 1000


def add_command(commands: Commands) -> None:
    """Add the command and what is below it."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "audit",
        help="see who did what",
        description="Prints the ledger, the newest entries first. It reads the database itself, also while "
        "servers run, which write what happens within half a second.",
    )
    for name, metavar, what in (
        ("user", "NAME", "only what this user did"),
        ("endpoint", "NAME", "only this call, such as delete_run, or artifact"),
        ("experiment_id", "ID", "only what names this experiment"),
        ("run_id", "ID", "only what names this run"),
    ):
        parser.add_argument(f"--{name.replace('_', '-')}", default="", metavar=metavar, help=what)
    parser.add_argument("--outcome", choices=("ok", "refused", "failed"), default="")
    parser.add_argument(
        "--since", type=_moment, metavar="WHEN", help="an age (7d, 12h) or a time (2026-01-31T12:00)"
    )
    parser.add_argument("--until", type=_moment, metavar="WHEN", help="the same; what is younger is left out")
    parser.add_argument("--limit", type=int, default=100, metavar="N", help="entries at most; 0 for all")
    parser.add_argument("--json", action="store_true", help="as lines of JSON")
    parser.set_defaults(run=_list)
    add_flags(parser, ("backend_store_uri",))
    below = parser.add_subparsers(required=False, metavar="command")
    export = below.add_parser("export", help="write old entries to a new file, as lines of JSON")
    export.add_argument("file", type=Path)
    export.add_argument("--before", type=_moment, required=True, metavar="WHEN", help="as --since")
    export.set_defaults(run=_export)
    prune = below.add_parser("prune", help="remove from the database the entries that an exported file holds")
    prune.add_argument("--exported", type=Path, required=True, metavar="FILE")
    prune.set_defaults(run=_prune)
    for command in (export, prune):
        add_flags(command, ("backend_store_uri",))


def _moment(text: str) -> int:
    """Milliseconds since the epoch."""
    try:
        if text[4:5] == "-":
            return int(datetime.fromisoformat(text).timestamp() * 1000)
        return int((time.time() - parse_age(text)) * 1000)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is neither an age, such as 30d or 12h, nor a time, such as 2026-01-31T12:00."
        ) from None


def _list(given: argparse.Namespace) -> int:
    from jupyter_tracking.protocol import wire  # noqa: PLC0415 - help needs no database

    from ..store.audit import Wanted  # noqa: PLC0415 - the same

    wanted = Wanted(
        given.user, given.endpoint, given.experiment_id, given.run_id, given.outcome, given.since, given.until
    )
    with current_database(settings_of(given)) as database:
        for entry in _entries(database, wanted, given.limit or sys.maxsize):
            print(wire.encode(entry).decode() if given.json else _line(entry))
    return 0


def _entries(database: Database, wanted: Wanted, limit: int) -> Iterator[AuditEntry]:
    from ..services.audit import told  # noqa: PLC0415 - help needs no database
    from ..store import audit  # noqa: PLC0415 - the same

    after: audit.Cursor | None = None
    while limit > 0:
        with database.read() as tx:
            rows = audit.page(tx, wanted, after, min(limit, PAGE))
        yield from (told(*row) for row in rows)
        if len(rows) < min(limit, PAGE):
            return
        limit -= len(rows)
        number, last = rows[-1]
        after = last.at, number


def _line(entry: AuditEntry) -> str:
    at = datetime.fromtimestamp(entry.at / 1000, tz=timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    subject = " ".join(f"{name}={value}" for name, value in entry.subject.items())
    who = entry.user or "-"
    line = f"{at}  {who:<16}  {entry.outcome:<7}  {entry.endpoint:<24}  {entry.peer or '-':<15}  {subject}"
    # What users named must not move the cursor of the administrator's terminal.
    return "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in line
    )


def _export(given: argparse.Namespace) -> int:
    from ..ledger_file import export  # noqa: PLC0415 - help needs no database

    with current_database(settings_of(given)) as database:
        try:
            count = export(database, given.file, given.before)
        except OSError as error:
            raise ConfigurationError(f"{given.file} cannot be written: {error.strerror}.") from error
    print(f"Wrote {count} entries to {given.file}.")
    return 0


def _prune(given: argparse.Namespace) -> int:
    from ..ledger_file import Broken, prune, read_seal  # noqa: PLC0415 - help needs no database
    from .opened import note  # noqa: PLC0415 - the same

    try:
        seal = read_seal(given.exported)
        with current_database(settings_of(given)) as database:
            with database.write() as tx:
                name = given.exported.name
                note(tx, "prune_audit", file=name, entries=str(seal.entries), sha256=seal.sha256)
            removed = prune(database, given.exported)
    except Broken as error:
        raise ConfigurationError(str(error)) from error
    except OSError as error:
        raise ConfigurationError(f"{given.exported} cannot be read: {error.strerror}.") from error
    print(f"Removed {removed} entries; {given.exported} is what is left of them, so keep it.")
    return 0
