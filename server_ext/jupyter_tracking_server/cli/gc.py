"""``jupyter tracking gc``: remove for good what is in the trash."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from ..age import parse_age
from ..config import ConfigurationError, Settings
from ..journal import open_journal
from .flags import add_flags, settings_of
from .opened import Threads, current_database, note
from .stores import STORAGE, check_destination, open_roots

if TYPE_CHECKING:
    from types import FrameType

    from ..services.gc import Report
    from ..services.gc_places import Root
    from ..store.database import Database, Transaction
    from ..store.trash import Choice, Kind, Owner

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

__all__ = ["add_command"]


def add_command(commands: Commands) -> None:
    """Add the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "gc",
        help="remove for good what is in the trash",
        description="Removes runs, logged models and experiments that were deleted, with their artifacts. It "
        "works on the database and the artifact store themselves, also while servers run. It may be broken "
        "off at any time and run again.",
    )
    parser.add_argument(
        "--older-than",
        type=_age,
        default=0.0,
        metavar="AGE",
        help="only what was deleted so long ago: 30d, 12h",
    )
    for flag, what in (("run", "runs"), ("logged-model", "logged models"), ("experiment", "experiments")):
        parser.add_argument(
            f"--{flag}-ids",
            type=_ids,
            default=(),
            metavar="IDS",
            help=f"only these {what}, separated by commas",
        )
    parser.add_argument(
        "--also-below",
        action="append",
        default=[],
        metavar="URL",
        help="remove direct artifacts below this place, too, not only below the configured ones; repeatable",
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what would go")
    parser.add_argument(
        "--progress",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="show a progress bar (default: on a terminal)",
    )
    add_flags(parser, (*STORAGE, "audit_log"))
    parser.set_defaults(run=_run)


def _age(text: str) -> float:
    try:
        return parse_age(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _ids(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _run(given: argparse.Namespace) -> int:
    settings = settings_of(given)
    choice = _choice(given)
    with current_database(settings) as database:
        report = asyncio.run(_collect(given, settings, database, choice))
    if report is None:
        return 0
    _print(report)
    return 1 if report.failed or report.stopped else 0


def _choice(given: argparse.Namespace) -> Choice:
    from ..store.trash import Choice  # noqa: PLC0415 - help needs no database

    try:
        numbers = [int(text) for text in given.experiment_ids]
    except ValueError:
        raise ConfigurationError("--experiment-ids are numbers, separated by commas.") from None
    return Choice(
        before=int((time.time() - given.older_than) * 1000),
        run_ids=given.run_ids,
        model_ids=given.logged_model_ids,
        experiment_ids=numbers,
    )


async def _collect(
    given: argparse.Namespace, settings: Settings, database: Database, choice: Choice
) -> Report | None:
    from ..observer import purge_entry  # noqa: PLC0415 - help needs no database
    from ..services.gc import Collector, Tools  # noqa: PLC0415 - the same
    from ..store import audit as ledger  # noqa: PLC0415 - the same
    from ..store import trash  # noqa: PLC0415 - the same

    threads = Threads(database)
    async with open_roots(settings, given.also_below) as roots:
        await check_destination(threads, roots[0])
        if given.dry_run:
            await _preview(threads, choice, roots)
            return None
        total = await threads.read(partial(trash.count, choice=choice))
        audit = open_journal(settings.audit_log, "--audit-log")
        with _interrupt() as interrupted, _bar(total, given.progress) as advance:
            is_kept = await threads.read(ledger.is_kept)

            def record(tx: Transaction, gone: Owner) -> None:
                if is_kept:
                    note(tx, "gc", **{f"{gone.kind}_id": gone.name, "location": gone.location})

            def done(gone: Owner) -> None:
                advance()
                if audit is not None:
                    audit.write(purge_entry(gone.kind, gone.name, gone.location))

            tools = Tools(
                threads.read,
                threads.write,
                roots,
                now=lambda: time.time_ns() // 1_000_000,
                stopped=lambda: bool(interrupted),
                done=done,
                record=record,
            )
            return await Collector(tools).collect(choice)


async def _preview(threads: Threads, choice: Choice, roots: Sequence[Root]) -> None:
    """Print what would go."""
    from ..services.gc_places import Places  # noqa: PLC0415 - help needs no database
    from ..store import trash  # noqa: PLC0415 - the same

    places = Places(roots)
    for kind in trash.KINDS:
        after = -1
        while owners := await threads.read(partial(trash.due, kind=kind, choice=choice, after=after)):
            for owner in owners:
                left = owner.kind != "experiment" and places.spot(owner.location) is None
                print(f"would remove {kind} {owner.name}, {'leave' if left else 'with'} {owner.location}")
            after = owners[-1].number
    for kind, name in await threads.read(partial(trash.missing, choice=choice)):
        print(f"would fail: {kind} {name} is not in the trash, or not for long enough")


@contextlib.contextmanager
def _interrupt() -> Iterator[list[int]]:
    """A list that is empty until Ctrl-C or SIGTERM; the second time they end the program as usual."""
    seen: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        seen.append(number)
        signal.signal(number, before[number])
        print("Stopping after the present one; once more breaks off at once.", file=sys.stderr)

    before = {int(number): signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield seen
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _bar(total: int, shown: bool | None) -> Iterator[Callable[[], object]]:
    """A progress bar on standard error; yields what to call for each step."""
    from tqdm import tqdm  # noqa: PLC0415 - help needs no progress bar

    hidden = not (sys.stderr.isatty() if shown is None else shown)
    with tqdm(total=total, disable=hidden, desc="gc", file=sys.stderr) as bar:
        yield bar.update


_PLURALS: dict[Kind, str] = {"run": "runs", "model": "logged models", "experiment": "experiments"}


def _print(report: Report) -> None:
    """Say what was done."""
    for word, items in (("left", report.left), ("kept", report.kept), ("failed", report.failed)):
        for item in items:
            print(f"{word}: {item}")
    numbers = ", ".join(f"{report.removed[kind]} {plural}" for kind, plural in _PLURALS.items())
    print(f"Removed for good: {numbers}; {report.folders} folders of artifacts.")
    if report.left:
        print("What is left lies below no configured place: remove it there, or name it by --also-below.")
    if report.stopped:
        print("Stopped before the end; run it again for the rest.")
