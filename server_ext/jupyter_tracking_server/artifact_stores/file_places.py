"""Where parts of uploads are on the disk, for ``file_parts.py``; everything here blocks.

Parts share a file in which there is the same room for each, as much as the largest that had come by then:
so they are where they belong if all but the last have one size. A place that is taken, by a part that is
recorded or by one that is just being written, is left alone: the part then gets a file of its own. Which
parts are whole is in records, one file for each, made when the part's bytes are safe.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from .base import ArtifactInfo
from .errors import NoSuchUpload
from .file_transfer import append, fsync
from .file_tree import FileTree, info_of, writing
from .keys import Key

__all__ = ["LOCK", "SHARED", "Lock", "PartFile", "Place", "Record", "in_upload", "recorded"]

LOCK = "lock"
"""Held shared by who writes into a file that parts share, and alone by who makes one of these visible."""
SHARED = "shared"
"""The folder of the files that parts share, each named by the bytes there are for a part."""
ALONE = "alone-"

_RECORD = re.compile(r"part-([0-9]+)")


class Record(NamedTuple):
    """Where the bytes of a whole part are in the upload's folder."""

    file: str
    offset: int
    size: int
    etag: str


class Lock:
    """A file that can be locked; closing it unlocks."""

    def __init__(self, path: Path) -> None:
        self._file = io.FileIO(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666), "r+")

    def take(self, kind: int) -> bool:
        """Lock it without waiting; False if it could not be."""
        try:
            fcntl.flock(self._file, kind | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def __enter__(self) -> Lock:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


class Place(NamedTuple):
    """Where a part is written, and the locks that keep others away meanwhile."""

    number: int
    record: Record
    locks: tuple[Lock, ...]

    @classmethod
    def find(cls, folder: Path, number: int, size: int) -> Place:
        """The part's place among the others if it is free, else a new file."""
        room = max([size, *(int(path.name) for path in (folder / SHARED).iterdir())])
        file, offset = f"{SHARED}/{room}", (number - 1) * room
        with contextlib.ExitStack() as held:
            locks = (
                held.enter_context(Lock(folder / LOCK)),
                held.enter_context(Lock(folder / f"place-{room}-{number}")),
            )
            if locks[0].take(fcntl.LOCK_SH) and locks[1].take(fcntl.LOCK_EX):
                found = _record(folder / _name(number))
                if found is None or found.file != file:
                    held.pop_all()
                    return cls(number, Record(file, offset, size, _etag()), locks)
        return cls(number, Record(f"{ALONE}{secrets.token_hex(8)}", 0, size, _etag()), ())

    @property
    def shared(self) -> bool:
        """Whether the file is for other parts, too."""
        return bool(self.locks)

    def unlock(self) -> None:
        """Let others have it."""
        for lock in self.locks:
            with lock:
                pass


class PartFile:
    """A ``Sink`` for a part."""

    def __init__(self, tree: FileTree, folder: Path, key: Key, place: Place) -> None:
        self._tree = tree
        self._folder = folder
        self._key = key
        self._place = place
        self._path = folder / place.record.file
        self._published = False
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except BaseException:
            place.unlock()
            raise
        self._file = io.FileIO(descriptor, "w")
        self._file.seek(place.record.offset)

    def append(self, chunk: bytes) -> None:
        """Write the next bytes; never more than the part's size."""
        with in_upload(self._key):
            append(self._file, chunk, durable=self._tree.durable)

    def publish(self) -> ArtifactInfo:
        """Record the part, after its bytes are safe; the bytes of one that it replaces are dropped."""
        with in_upload(self._key):
            fsync(self._file, durable=self._tree.durable)
            path = self._folder / _name(self._place.number)
            before = _record(path)
            self._write_record(path)
            self._published = True
            if before is not None and before.file.startswith(ALONE):
                (self._folder / before.file).unlink(missing_ok=True)
            info = info_of(os.fstat(self._file.fileno()))
        self.discard()
        record = self._place.record
        return ArtifactInfo(record.size, record.etag, info.modified)

    def discard(self) -> None:
        """Close the file, and remove it if it is of no use."""
        self._file.close()
        if not self._published and not self._place.shared:
            self._path.unlink(missing_ok=True)
        self._place.unlock()

    def _write_record(self, path: Path) -> None:
        new = path.with_name(f"new-{secrets.token_hex(8)}")
        try:
            with io.FileIO(new, "x") as file:
                append(file, json.dumps(self._place.record).encode(), durable=False)
                fsync(file, durable=self._tree.durable)
            new.replace(path)
        finally:
            new.unlink(missing_ok=True)
        self._tree.sync_folder(self._path.parent)
        self._tree.sync_folder(self._folder)


@contextlib.contextmanager
def in_upload(key: Key) -> Iterator[None]:
    """Say what the system says of an upload's folder in the words of ``base.py``."""
    try:
        with writing(key):
            yield
    except FileNotFoundError as error:
        raise NoSuchUpload from error


def recorded(folder: Path) -> dict[int, Record]:
    """The whole parts of an upload by their numbers, in no order."""
    names = {path.name for path in folder.iterdir()}
    files = names | {f"{SHARED}/{path.name}" for path in (folder / SHARED).iterdir()}
    forms = (_RECORD.fullmatch(name) for name in names)
    found = {int(form[1]): _record(folder / form[0]) for form in forms if form}
    return {number: record for number, record in found.items() if record and record.file in files}


def _record(path: Path) -> Record | None:
    try:
        return Record(*json.loads(path.read_bytes()))
    except (FileNotFoundError, ValueError):
        # Without ``durable`` a loss of power can leave it empty.
        return None


def _etag() -> str:
    return f'"{secrets.token_hex(8)}"'


def _name(number: int) -> str:
    return f"part-{number}"
