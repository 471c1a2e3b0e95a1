"""``jupyter tracking quota``: what users and groups hold, and may hold."""

from __future__ import annotations

import argparse
import json
from functools import partial
from typing import TYPE_CHECKING

from ..config import ConfigurationError
from ..sizes import parse_size, show_size
from .flags import add_flags, settings_of
from .opened import changed, current_database

if TYPE_CHECKING:
    from jupyter_tracking.protocol.grants import SubjectKind

    from ..store.database import Transaction
    from ..store.quotas import Holding, Limits
    from ..store.usage import Held

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

__all__ = ["add_command"]

PAGE = 1000


def add_command(commands: Commands) -> None:
    """Add the command and what is below it."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "quota",
        help="see and set what users and groups may hold",
        description="Works on the database itself, also while servers run; they follow within 5 seconds.",
    )
    below = parser.add_subparsers(required=True, metavar="command")
    listing = below.add_parser("list", help="print what users and groups hold, and may hold")
    listing.add_argument("--json", action="store_true", help="as lines of JSON")
    listing.set_defaults(run=_list)
    setting = below.add_parser("set", help="set a quota, in place of the one that there was")
    setting.add_argument("--bytes", type=_size, default=None, metavar="SIZE", help="of artifacts: 5GB, 1TiB")
    setting.add_argument("--runs", type=_number, default=None, metavar="N", help="runs")
    setting.set_defaults(run=_set)
    removal = below.add_parser("remove", help="take a quota away")
    removal.set_defaults(run=_remove)
    for command in (setting, removal):
        whose = command.add_mutually_exclusive_group(required=True)
        whose.add_argument("--user", metavar="NAME")
        whose.add_argument("--group", metavar="NAME", help="its members together")
        whose.add_argument("--everyone", action="store_true", help="each user without a quota of their own")
    count = below.add_parser("recount", help="compute afresh what users hold")
    count.set_defaults(run=_recount)
    for command in (listing, setting, removal, count):
        add_flags(command, ("backend_store_uri",))


def _size(text: str) -> int:
    try:
        return parse_size(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _number(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no number of runs.")
    return int(text)


def _subject(given: argparse.Namespace) -> tuple[SubjectKind, str]:
    from jupyter_tracking.protocol.grants import SubjectKind  # noqa: PLC0415 - help needs no protocol

    if given.everyone:
        return SubjectKind.EVERYONE, ""
    kind, name = (
        (SubjectKind.USER, given.user) if given.user is not None else (SubjectKind.GROUP, given.group)
    )
    if not 0 < len(name) <= 255:
        raise ConfigurationError("The name of a user or group has 1 to 255 characters.")
    return kind, name


def _list(given: argparse.Namespace) -> int:
    from jupyter_tracking.protocol.grants import SubjectKind  # noqa: PLC0415 - help needs no database

    from ..store import quotas  # noqa: PLC0415 - the same

    found: list[Holding] = []
    with current_database(settings_of(given)) as database, database.read() as tx:
        default = quotas.every(tx).get((SubjectKind.EVERYONE, ""))
        for kind in (SubjectKind.USER, SubjectKind.GROUP):
            page = quotas.holdings(tx, kind, None, PAGE)
            while page:
                found += page
                page = quotas.holdings(tx, kind, page[-1].name, PAGE)
    if given.json:
        for one in found:
            print(json.dumps(_fields(one), ensure_ascii=False))
        return 0
    if default is not None:
        print(f"Each user without a quota of their own: {_most(default)}.")
    rows = [("", "name", "bytes", "of", "runs", "of")]
    rows += [
        (
            one.kind.value,
            one.name,
            show_size(one.held.bytes),
            _limit(one.limits.bytes),
            str(one.held.runs),
            "any" if one.limits.runs is None else str(one.limits.runs),
        )
        for one in found
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(f"{text:<{width}}" for text, width in zip(row, widths, strict=True)).rstrip())
    return 0


def _fields(one: Holding) -> dict[str, object]:
    return {
        "kind": one.kind.value,
        "name": one.name,
        "bytes": one.held.bytes,
        "runs": one.held.runs,
        "max_bytes": one.limits.bytes,
        "max_runs": one.limits.runs,
    }


def _limit(most: int | None) -> str:
    return "any" if most is None else show_size(most)


def _most(limits: Limits) -> str:
    size = "any number of bytes" if limits.bytes is None else show_size(limits.bytes)
    return f"{size} and {'any number of' if limits.runs is None else limits.runs} runs"


def _set(given: argparse.Namespace) -> int:
    from ..store import quotas  # noqa: PLC0415 - help needs no database

    if given.bytes is None and given.runs is None:
        raise ConfigurationError("Give --bytes, --runs or both; quota remove takes a quota away.")
    kind, name = _subject(given)
    limits = quotas.Limits(given.bytes, given.runs)

    def work(tx: Transaction) -> bool:
        quotas.put(tx, kind, name, limits)
        return True

    subject = {"max_bytes": given.bytes, "max_runs": given.runs}
    told = {field: str(value) for field, value in subject.items() if value is not None}
    changed(settings_of(given), work, "set_quota", kind=kind.value, name=name, **told)
    print(f"{_who(kind, name)} may hold {_most(limits)}.")
    return 0


def _remove(given: argparse.Namespace) -> int:
    from ..store import quotas  # noqa: PLC0415 - help needs no database

    kind, name = _subject(given)
    work = partial(quotas.remove, kind=kind, name=name)
    if not changed(settings_of(given), work, "remove_quota", kind=kind.value, name=name):
        raise ConfigurationError(f"{_who(kind, name)} has no quota; jupyter tracking quota list prints all.")
    print(f"{_who(kind, name)} has no quota any more.")
    return 0


def _who(kind: SubjectKind, name: str) -> str:
    return f"The {kind.value} {name}" if name else "Each user"


def _recount(given: argparse.Namespace) -> int:
    from ..store import usage  # noqa: PLC0415 - help needs no database

    wrong = changed(settings_of(given), usage.recount, "recount_usage")
    for user, (before, after) in wrong.items():
        print(f"{user}: {_told(before)} → {_told(after)}")
    print(f"Corrected what {len(wrong)} users hold." if wrong else "All sums were right.")
    return 0


def _told(held: Held) -> str:
    return f"{held.bytes} bytes, {held.runs} runs"
