"""``jupyter tracking db relocate OLD NEW``: artifacts have been brought elsewhere."""

from __future__ import annotations

import argparse
import asyncio
import sys
from functools import partial
from typing import TYPE_CHECKING

from ..config import ConfigurationError, Settings
from .flags import add_flags, settings_of
from .opened import Threads, current_database
from .stores import STORAGE, open_roots

if TYPE_CHECKING:
    from ..store.database import Database

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

__all__ = ["add_relocate"]

PROXIED = "mlflow-artifacts:"


def add_relocate(below: Commands) -> None:
    """Add the command below ``db``."""
    parser: argparse.ArgumentParser = below.add_parser(
        "relocate",
        help="give stored locations another beginning, after their files were brought there",
        description="Changes the location of every experiment, run and logged model that is OLD or lies "
        "below it, all in one transaction. Before, it looks whether the new place has the files of the old "
        "one. It moves no file itself.",
    )
    parser.add_argument("old", help="such as s3://bucket/mlruns; mlflow-artifacts:/ is the proxy")
    parser.add_argument("new", help="such as mlflow-artifacts:/")
    parser.add_argument("--dry-run", action="store_true", help="only look, and say what would change")
    parser.add_argument("--no-check", action="store_true", help="do not look whether the files are there")
    add_flags(parser, STORAGE)
    parser.set_defaults(run=_run)


def _run(given: argparse.Namespace) -> int:
    settings = settings_of(given)
    old, new = _trimmed(given.old), _trimmed(given.new)
    if old == new:
        raise ConfigurationError("OLD and NEW are the same place.")
    with current_database(settings) as database:
        return asyncio.run(_relocate(given, settings, database, (old, new)))


def _trimmed(location: str) -> str:
    from ..services.locations import address, proxied_key  # noqa: PLC0415 - help needs none of it

    if address(location) is None and proxied_key(location) is None:
        raise ConfigurationError(
            f"{location} is no place of artifacts; write it as in the experiment's location."
        )
    return location.rstrip("/")


async def _relocate(
    given: argparse.Namespace, settings: Settings, database: Database, names: tuple[str, str]
) -> int:
    from ..services.relocation import differences  # noqa: PLC0415 - help needs no database
    from ..store import relocate  # noqa: PLC0415 - the same

    old, new = names
    threads = Threads(database)
    locations = await threads.read(partial(relocate.below, old=old))
    if not given.no_check:
        direct = [name for name in names if not name.startswith(PROXIED)]
        async with open_roots(settings, direct) as roots:
            pairs = [(location, new + location[len(old) :]) for location in locations]
            faults = await differences(roots, pairs)
        for fault in faults:
            print(fault, file=sys.stderr)
        if faults:
            print("Nothing was changed. Bring the files along, or say --no-check.", file=sys.stderr)
            return 1
    if given.dry_run:
        print(f"{len(locations)} runs and logged models would be at {new} instead of {old}.")
        return 0
    moved = await threads.write(partial(relocate.relocate, old=old, new=new))
    print(
        f"Changed the locations of {moved.experiments} experiments, {moved.runs} runs and "
        f"{moved.models} logged models."
    )
    return 0
