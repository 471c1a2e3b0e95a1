"""``jupyter tracking db``: the schema of the database, and a copy of it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from .flags import add_flags, settings_of
from .opened import database
from .relocate import add_relocate

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

__all__ = ["add_command"]

FLAGS = ("backend_store_uri", "default_artifact_root")


def add_command(commands: Commands) -> None:
    """Add the command and what is below it."""
    parser: argparse.ArgumentParser = commands.add_parser("db", help="look after the database")
    below = parser.add_subparsers(required=True, metavar="command")
    current = below.add_parser("current", help="print the version of the schema")
    current.set_defaults(run=_current)
    upgrade = below.add_parser(
        "upgrade", help="bring the schema to this version; a server does so at its start"
    )
    upgrade.set_defaults(run=_upgrade)
    backup = below.add_parser("backup", help="copy a SQLite database while servers may use it")
    backup.add_argument("target", type=Path, help="the file to make")
    backup.set_defaults(run=_backup)
    for command in (current, upgrade, backup):
        add_flags(command, FLAGS)
    add_relocate(below)


def _current(given: argparse.Namespace) -> int:
    from ..store.upkeep import schema_version  # noqa: PLC0415 - help needs no database

    with database(settings_of(given)) as opened:
        print(schema_version(opened) or "no schema yet")
    return 0


def _upgrade(given: argparse.Namespace) -> int:
    settings = settings_of(given)
    with database(settings) as opened:
        opened.migrate(settings.artifact_root)
    return _current(given)


def _backup(given: argparse.Namespace) -> int:
    from ..store.upkeep import back_up  # noqa: PLC0415 - help needs no database

    with database(settings_of(given)) as opened:
        back_up(opened, given.target)
    print(given.target)
    return 0
