"""The database and the artifact stores while a command works on them, beside servers that may run."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from jupyter_tracking.protocol.errors import TrackingError

from ..config import ConfigurationError, Settings

if TYPE_CHECKING:
    from ..store.database import Database, Transaction

__all__ = ["Threads", "changed", "current_database", "database", "note"]

T = TypeVar("T")

MOST_ATTEMPTS = 6
"""How often a transaction is run that loses against others."""


@contextlib.contextmanager
def database(settings: Settings) -> Iterator[Database]:
    """The database while a command works on it.

    Raises:
        ConfigurationError: it cannot be used, or not for this.
    """
    from ..store.database import Database  # noqa: PLC0415 - help needs no database
    from ..store.migrate import UnsupportedDatabase  # noqa: PLC0415 - the same

    try:
        with contextlib.closing(Database(settings.database_url)) as opened:
            yield opened
    except (UnsupportedDatabase, TrackingError, ValueError, OSError) as error:
        raise ConfigurationError(str(error)) from error


@contextlib.contextmanager
def current_database(settings: Settings) -> Iterator[Database]:
    """The same for a command that needs the schema of this version, and neither makes nor changes it.

    Raises:
        ConfigurationError: there is none, or one of another version.
    """
    from ..store.migrations import HEAD  # noqa: PLC0415 - help needs no database
    from ..store.upkeep import schema_version  # noqa: PLC0415 - the same

    url = settings.database_url
    if url.startswith("sqlite:///") and not Path(url.removeprefix("sqlite:///")).exists():
        raise ConfigurationError(f"There is no database at {url}; name it by --backend-store-uri.")
    with database(settings) as opened:
        version = schema_version(opened)
        if version != HEAD:
            raise ConfigurationError(
                f"The database has schema version {version or 'none'}, and this command needs {HEAD}: run "
                "jupyter tracking db upgrade, or start the server of this version once."
            )
        yield opened


def changed(settings: Settings, work: Callable[[Transaction], T], act: str = "", **subject: str) -> T:
    """What ``work`` returns, run in a writing transaction on the current database.

    Args:
        settings: which database.
        work: what is to be done; what it returns is False if there was nothing to do.
        act: what that is called in the ledger; ``""`` keeps it out.
        subject: ids and names, for the ledger.

    Raises:
        ConfigurationError: the database cannot be used.
    """

    def noted(tx: Transaction) -> T:
        result = work(tx)
        if act and result is not False:
            note(tx, act, **subject)
        return result

    with current_database(settings) as opened:
        return asyncio.run(Threads(opened).write(noted))


def note(tx: Transaction, act: str, **subject: str) -> None:
    """Add to the ledger what a command does, by the user of the operating system who runs it."""
    from ..observer import row  # noqa: PLC0415 - help needs no database
    from ..server import user_name  # noqa: PLC0415 - the same
    from ..store import audit  # noqa: PLC0415 - the same

    entry = {"user": user_name(), "how": "command", "endpoint": act, "subject": subject, "outcome": "ok"}
    audit.add(tx, [row(entry)])


class Threads:
    """Transactions of a command, each in a thread."""

    def __init__(self, opened: Database) -> None:
        self._database = opened

    def read(self, work: Callable[[Transaction], T]) -> Awaitable[T]:
        """Run some work in a reading transaction."""
        return asyncio.to_thread(self._read, work)

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """Run some work in a writing transaction, again if it loses a race."""
        return await asyncio.to_thread(self._write, work, 1)

    def _read(self, work: Callable[[Transaction], T]) -> T:
        with self._database.read() as tx:
            return work(tx)

    def _write(self, work: Callable[[Transaction], T], attempt: int) -> T:
        from ..store.faults import LostRace  # noqa: PLC0415 - help needs no database

        try:
            with self._database.write() as tx:
                return work(tx)
        except LostRace:
            if attempt == MOST_ATTEMPTS:
                raise
        time.sleep(random.uniform(0.01, 0.05) * 2**attempt)  # noqa: S311  # jitter, no secret
        return self._write(work, attempt + 1)
