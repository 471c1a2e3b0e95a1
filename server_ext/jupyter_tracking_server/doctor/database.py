"""Is the database there, of this version, safe and quick to answer?"""

from __future__ import annotations

import time
from collections.abc import Iterator

from ..config import Settings
from ..store import survey
from ..store.database import Database, Transaction
from ..store.migrations import HEAD
from ..store.upkeep import schema_version
from .findings import Finding, bad, look, ok

__all__ = ["check", "is_current"]

SKEW = 5_000
"""Milliseconds by which two clocks may differ."""
OLD = 2 * 3_600_000


def is_current(database: Database) -> bool:
    """Whether the schema is this version's, so that more can be asked of it."""
    return schema_version(database) == HEAD


def check(database: Database, settings: Settings) -> Iterator[Finding]:
    """The findings; a database that does not answer raises."""
    began = time.monotonic()
    version = schema_version(database)
    took = (time.monotonic() - began) * 1000
    yield ok(f"The database {database.url} answers in {took:.0f} ms.")
    if version is None:
        yield look("It has no tables yet.", "The server makes them at its start.")
        return
    if version != HEAD:
        newer = version > HEAD
        cure = "Upgrade jupyter-tracking." if newer else "Run: jupyter tracking db upgrade"
        yield (bad if newer else look)(f"Its schema is {version}, this version's is {HEAD}.", cure)
        return
    yield ok(f"Its schema is this version's ({HEAD}).")
    with database.read() as tx:
        yield _durability(tx, settings)
        yield from _clock(tx)
        yield from _leftovers(tx)


def _durability(tx: Transaction, settings: Settings) -> Finding:
    found = survey.durability(tx)
    words = ", ".join(f"{name}={value}" for name, value in found.items())
    if tx.dialect == "sqlite":
        if found["journal_mode"] != "wal":
            return bad(
                f"SQLite runs with {words}: readers block writers.", "Start a server on it: it sets WAL."
            )
        if settings.durability == "full":
            return ok(f"An acknowledged write survives loss of power ({words}, durability full).")
        return look(
            f"An acknowledged write may be lost with the power ({words}, durability normal).",
            "Use --durability full, unless this is meant so.",
        )
    if found["fsync"] == "on" and found["synchronous_commit"] != "off":
        return ok(f"An acknowledged write survives loss of power ({words}).")
    return look(f"PostgreSQL may lose acknowledged writes ({words}).", "Turn them on in postgresql.conf.")


def _clock(tx: Transaction) -> Iterator[Finding]:
    theirs = survey.clock(tx)
    if theirs is None:
        return
    skew = theirs - time.time_ns() // 1_000_000
    if abs(skew) <= SKEW:
        yield ok(f"Its clock and this machine's differ by {abs(skew) / 1000:.1f} s.")
    else:
        yield look(
            f"Its clock and this machine's differ by {abs(skew) / 1000:.0f} s.",
            "Run a time service on both: the age of what is in the trash depends on clocks.",
        )


def _leftovers(tx: Transaction) -> Iterator[Finding]:
    found = survey.leftovers(tx)
    yield ok(f"In the trash: {found.trashed_runs} runs; uploads under way: {found.uploads}.")
    if found.purges and found.oldest < time.time_ns() // 1_000_000 - OLD:
        yield look(
            f"The artifacts of {found.purges} runs or models that are gone could not be removed.",
            "Run: jupyter tracking gc, which says why.",
        )
