"""``jupyter tracking db``: the schema of the database, and a copy of it."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_tracking.protocol.errors import TrackingError

from ..config import ConfigurationError, Settings
from .flags import add_flags, settings_of

if TYPE_CHECKING:
    from ..store.database import Database

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


def _current(given: argparse.Namespace) -> int:
    from ..store.upkeep import schema_version  # noqa: PLC0415 - help needs no database

    with _database(settings_of(given)) as database:
        print(schema_version(database) or "no schema yet")
    return 0


def _upgrade(given: argparse.Namespace) -> int:
    settings = settings_of(given)
    with _database(settings) as database:
        database.migrate(settings.artifact_root)
    return _current(given)


def _backup(given: argparse.Namespace) -> int:
    from ..store.upkeep import back_up  # noqa: PLC0415 - help needs no database

    with _database(settings_of(given)) as database:
        back_up(database, given.target)
    print(given.target)
    return 0


@contextlib.contextmanager
def _database(settings: Settings) -> Iterator[Database]:
    """The database while a command works on it.

    Raises:
        ConfigurationError: it cannot be used, or not for this.
    """
    from ..store.database import Database  # noqa: PLC0415 - help needs no database
    from ..store.migrate import UnsupportedDatabase  # noqa: PLC0415 - the same

    try:
        with contextlib.closing(Database(settings.database_url)) as database:
            yield database
    except (UnsupportedDatabase, TrackingError, ValueError, OSError) as error:
        raise ConfigurationError(str(error)) from error
