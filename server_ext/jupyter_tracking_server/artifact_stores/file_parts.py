"""Uploads in parts on the disk for ``file.py``; everything here blocks.

An upload is a folder in ``.uploads``. ``file_places.py`` writes parts into one file, each where it belongs
if all before it have the same size. Completing then renames that file: next to nothing, however much it is.
Parts that are not in that file, such as a last one that came first, are copied into it before; if parts do
not fit together in place, all are copied into a new file.

Locks, which a dying process gives back, keep writers from a file that is made visible: parts are written in
place under the upload's lock, shared, and their place's own. Where there are no locks all is copied.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import io
import os
import re
import secrets
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from pathlib import Path

from .base import ArtifactInfo, Part
from .errors import InvalidPart, NoSuchUpload
from .file_places import LOCK, SHARED, Lock, PartFile, Place, Record, in_upload, recorded
from .file_transfer import fsync
from .file_tree import FileTree, info_of, writing
from .keys import Key, text

__all__ = ["FileParts"]

COPY_CHUNK = 2**20

_UPLOAD = re.compile(r"[0-9a-f]{32}-([0-9a-f]{16})")
_NO_RANGES = frozenset({errno.EXDEV, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, errno.EPERM})


class FileParts:
    """The uploads in parts of a tree."""

    def __init__(self, tree: FileTree) -> None:
        self._tree = tree

    def begin(self, key: Key) -> str:
        """Begin an upload; its id is bound to the key.

        Raises:
            NotAFile, NotAFolder, StoreFull
        """
        self._tree.require_room(key)
        upload = f"{secrets.token_hex(16)}-{_digest(key)}"
        with writing(key):
            (self._tree.uploads / upload / SHARED).mkdir(parents=True)
            self._tree.sync_folder(self._tree.uploads / upload)
            self._tree.sync_folder(self._tree.uploads)
        return upload

    def create(self, key: Key, upload: str, number: int, size: int) -> PartFile:
        """Find a place for a part.

        Raises:
            NoSuchUpload, StoreFull
        """
        folder = self._folder(key, upload)
        with in_upload(key):
            return PartFile(self._tree, folder, key, Place.find(folder, number, size))

    def parts(self, key: Key, upload: str) -> list[Part]:
        """The parts that are whole.

        Raises:
            NoSuchUpload
        """
        folder = self._folder(key, upload)
        with in_upload(key):
            found = recorded(folder)
        return [Part(number, found[number].size, found[number].etag) for number in sorted(found)]

    def complete(self, key: Key, upload: str, parts: Sequence[Part]) -> ArtifactInfo:
        """Make an artifact of the parts. A process that dies in here has lost nothing.

        Raises:
            NoSuchUpload, InvalidPart, NotAFile, NotAFolder, NameTooLong, StoreFull
        """
        folder = self._folder(key, upload)
        if not parts:
            raise InvalidPart(1)
        with in_upload(key), Lock(folder / LOCK) as lock:
            alone = lock.take(fcntl.LOCK_EX)
            records = recorded(folder)
            _require(records, parts)
            base = _base(records, parts) if alone else None
            if base is None:
                info = self._copy(folder, key, records, parts)
            else:
                info = self._fill(folder, base, records, parts)
                self._tree.publish(folder / base, key)
            with contextlib.suppress(OSError):
                self._tree.drop(folder)
            return info

    def abort(self, key: Key, upload: str) -> None:
        """Drop an upload."""
        with contextlib.suppress(NoSuchUpload, FileNotFoundError):
            self._tree.drop(self._folder(key, upload))

    def _fill(
        self, folder: Path, base: str, records: Mapping[int, Record], parts: Sequence[Part]
    ) -> ArtifactInfo:
        """Bring the parts that are elsewhere into the file of the others."""
        with io.FileIO(folder / base, "r+") as target:
            for part, start in _starts(parts):
                record = records[part.number]
                if record.file != base:
                    _copy_part(folder, part.number, record, target, start)
            size = sum(part.size for part in parts)
            if os.fstat(target.fileno()).st_size < size:
                # Without ``durable`` a loss of power can cut a file.
                raise InvalidPart(parts[-1].number)
            os.ftruncate(target.fileno(), size)
            return self._settle(target)

    def _copy(
        self, folder: Path, key: Key, records: Mapping[int, Record], parts: Sequence[Part]
    ) -> ArtifactInfo:
        """Copy the parts into a new file, and make that visible."""
        path = folder / f"whole-{secrets.token_hex(8)}"
        try:
            with io.FileIO(path, "x") as target:
                for part, start in _starts(parts):
                    _copy_part(folder, part.number, records[part.number], target, start)
                info = self._settle(target)
            # A place that no record names any more may have been written to under the copying.
            _require(recorded(folder), parts)
            self._tree.publish(path, key)
        finally:
            path.unlink(missing_ok=True)
        return info

    def _settle(self, target: io.FileIO) -> ArtifactInfo:
        os.utime(target.fileno())
        fsync(target, durable=self._tree.durable)
        return info_of(os.fstat(target.fileno()))

    def _folder(self, key: Key, upload: str) -> Path:
        form = _UPLOAD.fullmatch(upload)
        folder = self._tree.uploads / upload if form and form[1] == _digest(key) else None
        if folder is None or not folder.is_dir():
            raise NoSuchUpload
        return folder


def _require(records: Mapping[int, Record], parts: Sequence[Part]) -> None:
    for part in parts:
        found = records.get(part.number)
        if found is None or (found.size, found.etag) != (part.size, part.etag):
            raise InvalidPart(part.number)


def _base(records: Mapping[int, Record], parts: Sequence[Part]) -> str | None:
    """The largest file that the artifact can be made of by adding the other parts; None if there is none.

    Every part that is recorded in it must be where the artifact wants it: so none is lost if this ends half.
    """
    starts = {part.number: start for part, start in _starts(parts)}
    unfit = {record.file for number, record in records.items() if starts.get(number) != record.offset}
    sizes: Counter[str] = Counter()
    for record in records.values():
        sizes[record.file] += record.size
    return max(sizes.keys() - unfit, key=lambda file: sizes[file], default=None)


def _starts(parts: Sequence[Part]) -> Iterator[tuple[Part, int]]:
    return zip(parts, accumulate((part.size for part in parts), initial=0), strict=False)


def _copy_part(folder: Path, number: int, record: Record, target: io.FileIO, start: int) -> None:
    try:
        source = io.FileIO(folder / record.file, "r")
    except FileNotFoundError as error:
        raise InvalidPart(number) from error
    with source:
        if _copy_range(source.fileno(), record.offset, target.fileno(), start, record.size) < record.size:
            raise InvalidPart(number)


def _copy_range(source: int, at: int, target: int, to: int, size: int) -> int:
    """Copy bytes between files, within the disk where it can do that; how many there were."""
    done = 0
    in_disk = hasattr(os, "copy_file_range")
    while done < size:
        copied = 0
        if in_disk:
            try:
                copied = os.copy_file_range(source, target, size - done, at + done, to + done)
            except OSError as error:
                if error.errno not in _NO_RANGES:
                    raise
                in_disk = False
                continue
        else:
            chunk = os.pread(source, min(COPY_CHUNK, size - done), at + done)
            copied = os.pwrite(target, chunk, to + done)
        if not copied:
            break
        done += copied
    return done


def _digest(key: Key) -> str:
    return hashlib.sha256(text(key).encode()).hexdigest()[:16]
