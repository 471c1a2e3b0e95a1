"""``jupyter tracking doctor``: is all set up as it should be?"""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ..config import ConfigurationError, Settings
from .flags import add_flags, settings_of
from .opened import database
from .stores import open_one

if TYPE_CHECKING:
    from ..doctor.findings import Finding

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

__all__ = ["add_command"]

_MARKS = {"ok": "OK  ", "look": "look", "bad": "BAD "}


def add_command(commands: Commands) -> None:
    """Add the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "doctor",
        help="check the set-up",
        description="Checks database, artifact store and locations as a server with these flags would use "
        "them. It writes nothing but a probe to the artifact store, which it deletes. In a terminal of a "
        "notebook server that a JupyterHub started, it checks the way to the service instead. Exit code 1 "
        "if anything is bad.",
    )
    parser.add_argument("--url", default="", help="check the server that runs there, too, as a client does")
    parser.add_argument(
        "--hub-service",
        action="store_true",
        help="check the service of a JupyterHub, too; so it is where JUPYTERHUB_SERVICE_NAME is set",
    )
    add_flags(parser)
    parser.set_defaults(run=_run)


def _run(given: argparse.Namespace) -> int:
    from ..doctor import hub  # noqa: PLC0415 - help needs none of it

    if hub.is_notebook(os.environ) and not given.hub_service:
        # There the store is the service's business.
        return asyncio.run(_check(_each(hub.check_notebook(os.environ))))
    beside = hub.check_service(os.environ) if given.hub_service or hub.is_service(os.environ) else ()
    return asyncio.run(_check(_each(beside), _findings(settings_of(given), given.url)))


async def _each(found: Iterable[Finding]) -> AsyncIterator[Finding]:
    for finding in found:
        yield finding


async def _check(*checks: AsyncIterator[Finding]) -> int:
    code = 0
    for check in checks:
        code = max(code, await _show(check))
    return code


async def _show(check: AsyncIterator[Finding]) -> int:
    code = 0
    async for finding in check:
        print(f"{_MARKS[finding.level]}  {finding.text}")
        if finding.cure:
            print(f"      → {finding.cure}")
        if finding.level == "bad":
            code = 1
    return code


async def _findings(settings: Settings, url: str) -> AsyncIterator[Finding]:
    from ..doctor import address  # noqa: PLC0415 - help needs none of it
    from ..doctor.destination import check_credentials, check_space, check_store  # noqa: PLC0415 - the same
    from ..doctor.findings import bad, look  # noqa: PLC0415 - the same

    for finding in check_credentials(settings):
        yield finding
    place = ""
    try:
        store = open_one(settings, settings.store)
    except ConfigurationError as error:
        cure = "Without the proxy the server starts all the same, and lists no artifacts."
        yield (
            bad(str(error), "Change --artifacts-destination, or mend what the line names.")
            if settings.serve_artifacts
            else look(str(error), cure)
        )
    else:
        place = store.url
        async for finding in check_store(store):
            yield finding
        await store.close()
    for finding in (*_of_database(settings, place), *check_space(settings)):
        yield finding
    for finding in address.check_public_url(settings):
        yield finding
    if url:
        for finding in address.check_running(url):
            yield finding


def _of_database(settings: Settings, place: str) -> list[Finding]:
    """What is found of the database and of the locations in it."""
    from ..doctor import database as checks  # noqa: PLC0415 - help needs no database
    from ..doctor import locations  # noqa: PLC0415 - the same
    from ..doctor.findings import bad, look  # noqa: PLC0415 - the same
    from ..store import destination, survey  # noqa: PLC0415 - the same

    try:
        where = settings.database_url
        if where.startswith("sqlite:///") and not Path(where.removeprefix("sqlite:///")).exists():
            return [look(f"There is no database at {where} yet.", "The server makes it at its start.")]
        with database(settings) as opened:
            found = list(checks.check(opened, settings))
            if checks.is_current(opened):
                with opened.read() as tx:
                    said, experiments = destination.recall(tx), survey.locations(tx)
                found += locations.check(settings, place, said, experiments)
    except ConfigurationError as error:
        return [
            bad(str(error), "Check --backend-store-uri, and that the database runs and lets this user in.")
        ]
    return found
