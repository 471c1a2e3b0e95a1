"""Entries of the ledger in a file: lines of JSON by id, and a last line that seals them.

The seal says how many entries there are and what sha256 the bytes before it have. What is pruned from the
database is exactly what a sealed file holds, word for word.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from jupyter_tracking.protocol.audit import AuditEntry

from .services.audit import told
from .store import audit
from .store.database import Database

__all__ = ["Broken", "Seal", "export", "prune", "read_seal"]

SLICE = 1000
"""Entries that are read, or removed, in one transaction."""


class Broken(Exception):
    """A file is no whole export, or does not say what the database says."""


class Seal(msgspec.Struct, frozen=True):
    """The last line of a file."""

    entries: int
    sha256: str


def export(database: Database, path: Path, before: int) -> int:
    """Write the entries made before the time ``before`` (milliseconds) to a new file; how many there are.

    Raises:
        OSError: it is there already, or cannot be written.
    """
    count, digest = 0, hashlib.sha256()
    with path.open("xb") as file:
        path.chmod(0o600)
        for entry in _old(database, before):
            line = msgspec.json.encode(entry) + b"\n"
            digest.update(line)
            file.write(line)
            count += 1
        file.write(msgspec.json.encode(Seal(count, digest.hexdigest())) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    return count


def _old(database: Database, before: int) -> Iterator[AuditEntry]:
    after = 0
    while True:
        with database.read() as tx:
            rows = audit.first_ids(tx, after, before, SLICE)
        if not rows:
            return
        yield from (told(*row) for row in rows)
        after = rows[-1][0]


def read_seal(path: Path) -> Seal:
    """The seal of a file, which has been found to hold what it says.

    Raises:
        Broken: it does not.
        OSError: it cannot be read.
    """
    count, digest, last = 0, hashlib.sha256(), b""
    with path.open("rb") as file:
        for line in file:
            if last:
                digest.update(last)
                count += 1
            last = line
    found: Seal = _decoded(last, Seal, path)
    if found != Seal(count, digest.hexdigest()) or not last.endswith(b"\n"):
        raise Broken(f"{path} is not whole, or was changed; nothing was removed. Export again.")
    return found


def prune(database: Database, path: Path) -> int:
    """Remove the entries of a sealed file from the database; how many were there.

    Raises:
        Broken: an entry differs from that of the database; it and those after it stay.
    """
    removed = 0
    for entries in _slices(path):
        ids = [entry.id for entry in entries]
        kept = {entry.id: entry for entry in entries}
        with database.write() as tx:
            for row in audit.by_ids(tx, ids):
                if told(*row) != kept[row[0]]:
                    raise Broken(
                        f"Entry {row[0]} of {path} differs from that of the database; it stays there."
                    )
            removed += audit.remove(tx, ids)
    return removed


def _slices(path: Path) -> Iterator[list[AuditEntry]]:
    found: list[AuditEntry] = []
    with path.open("rb") as file:
        previous = file.readline()
        for line in file:
            found.append(_decoded(previous, AuditEntry, path))
            previous = line
            if len(found) == SLICE:
                yield found
                found = []
    if found:
        yield found


def _decoded(line: bytes, kind: type[Any], path: Path) -> Any:
    try:
        return msgspec.json.decode(line, type=kind)
    except msgspec.DecodeError:
        raise Broken(f"{path} is no export of the ledger; nothing was removed.") from None
