"""What happens on the disk for ``file.py``; everything here blocks.

An upload goes to a file of its own in ``.uploads`` at the root and is renamed when it is whole; one in parts
has a folder there (``file_parts.py``). What is deleted is first renamed into there. So everything outside
``.uploads`` is whole, whenever the process dies, and what a dead process left is swept later. The root must
be one file system, for renames.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import secrets
import shutil
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from .base import ArtifactInfo, Entry, Page
from .errors import NameTooLong, NoSuchArtifact, NotAFile, NotAFolder, StoreFull
from .file_names import Names
from .keys import UPLOADS, Key
from .listing import MAX_PAGE

__all__ = ["UPLOADS", "FileTree", "info_of", "reading", "writing"]

RENAME_TRIES = 50

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO, errno.ENAMETOOLONG})


class FileTree:
    """The files below ``root``; a symbolic link that leads out of it is as if it were not there.

    (Nothing that comes through the server makes a link; those who can write to the folder can.)
    """

    def __init__(self, root: Path, *, durable: bool) -> None:
        self._root = root.resolve()
        self.uploads = self._root / UPLOADS
        self.uploads.mkdir(parents=True, exist_ok=True)
        self._names = Names()
        self.durable = durable

    def open(self, key: Key) -> tuple[io.FileIO, ArtifactInfo]:
        """A file to read, unbuffered.

        Raises:
            NoSuchArtifact, NotAFile
        """
        with reading(key):
            # Not blocking: opening a pipe would wait for its other end.
            flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(self._served(key), flags)
            found = os.fstat(descriptor)
            if stat.S_ISREG(found.st_mode):
                return io.FileIO(descriptor), info_of(found)
            os.close(descriptor)
            raise NotAFile(key) if stat.S_ISDIR(found.st_mode) else NoSuchArtifact(key)

    def info(self, key: Key) -> ArtifactInfo:
        """Like ``open``, for those who only ask."""
        file, info = self.open(key)
        file.close()
        return info

    def entries(self, folder: Key, cursor: str, limit: int) -> Page:
        """Some of what is directly in a folder; only of these more than the name is looked at.

        Names that are no text, and what cannot be served, are left out.
        """
        wanted = min(limit, MAX_PAGE)
        try:
            with reading(folder):
                place = self._served(folder) if folder else self._root
                names, more = self._names.after(place, cursor, wanted, () if folder else {UPLOADS})
        except NoSuchArtifact:
            return Page([], "")
        lines = [self._line(place / name) for name in names]
        return Page([line for line in lines if line], names[-1] if more else "")

    def delete(self, key: Key) -> bool:
        """Remove a file or folder at once, and then the folders above that this leaves empty."""
        if not key:
            raise ValueError("the root of a store is never deleted")
        try:
            with reading(key):
                path = self._locate(key)
                self.drop(path)
        except NoSuchArtifact:
            return False
        with contextlib.suppress(OSError):
            for folder in path.parents:
                if folder == self._root:
                    break
                folder.rmdir()
        return True

    def require_room(self, key: Key) -> None:
        """Look, if that can be said now, whether an artifact can be where the key says.

        Raises:
            NotAFile, NotAFolder
        """
        with writing(key):
            place = self._locate(key)
            if place.is_dir():
                raise NotAFile(key)
            if any(folder.is_file() for folder in place.parents):
                raise NotAFolder(key)

    def new_upload(self, key: Key) -> tuple[Path, io.FileIO]:
        """A file to gather an upload in, and its path.

        Raises:
            NotAFile, NotAFolder: said now, if it can be, rather than when all the bytes have come.
            StoreFull
        """
        self.require_room(key)
        with writing(key):
            path = self.uploads / secrets.token_hex(16)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            return path, io.FileIO(os.open(path, flags, 0o666), "w")

    def publish(self, upload: Path, key: Key) -> None:
        """Rename a whole upload to its key's path.

        Raises:
            NotAFile, NotAFolder, NameTooLong, StoreFull
            FileNotFoundError: the upload was swept.
        """
        with writing(key):
            for attempt in range(RENAME_TRIES):
                path = self._locate(key)
                try:
                    self._make_folder(path.parent)
                    upload.replace(path)
                except FileNotFoundError:
                    # A delete has pruned the folder that had just been made.
                    if attempt + 1 == RENAME_TRIES or not upload.exists():
                        raise
                else:
                    self.sync_folder(path.parent)
                    return

    def sweep(self, age: float) -> int:
        """Remove what nothing has happened to for ``age`` seconds; how many uploads and deletes it was of."""
        before = time.time() - age
        swept = 0
        for path in self.uploads.iterdir():
            with contextlib.suppress(OSError):
                if _touched(path) <= before:
                    self.drop(path)
                    swept += 1
        return swept

    def drop(self, path: Path) -> None:
        """Have a file or folder gone at once, and then remove what it was.

        Raises:
            FileNotFoundError: it is not there.
        """
        trash = self.uploads / secrets.token_hex(16)
        path.rename(trash)
        if trash.is_dir() and not trash.is_symlink():
            shutil.rmtree(trash, ignore_errors=True)
        else:
            trash.unlink(missing_ok=True)

    def _locate(self, key: Key) -> Path:
        """The path for a key, its folder freed of symbolic links."""
        if not key:
            raise NotAFile(key)
        folder = _real(self._root.joinpath(*key[:-1]))
        if key[0] == UPLOADS or not folder.is_relative_to(self._root):
            raise NoSuchArtifact(key)
        return folder / key[-1]

    def _served(self, key: Key) -> Path:
        """The path for a key, itself freed of symbolic links."""
        path = _real(self._locate(key))
        if not path.is_relative_to(self._root):
            raise NoSuchArtifact(key)
        return path

    def _line(self, path: Path) -> Entry | None:
        """The line for a file or folder; None for what cannot be served or has just gone."""
        try:
            found = path.lstat()
            if stat.S_ISLNK(found.st_mode):
                if not _real(path).is_relative_to(self._root):
                    return None
                found = path.stat()
        except OSError:
            return None
        if stat.S_ISDIR(found.st_mode):
            return Entry(path.name, None)
        return Entry(path.name, found.st_size) if stat.S_ISREG(found.st_mode) else None

    def _make_folder(self, folder: Path) -> None:
        """Make a folder and those above it."""
        try:
            folder.mkdir()
        except FileExistsError:
            # Not "is no folder": a delete may just have pruned it.
            if folder.is_file():
                raise
        except FileNotFoundError:
            self._make_folder(folder.parent)
            self._make_folder(folder)
        else:
            self.sync_folder(folder.parent)

    def sync_folder(self, folder: Path) -> None:
        """Have the names in a folder on the disk, too; one that a delete has just pruned needs no care."""
        if not self.durable:
            return
        with contextlib.suppress(FileNotFoundError):
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


@contextlib.contextmanager
def reading(key: Key) -> Iterator[None]:
    """Say what the system says of a read in the words of ``base.py``."""
    try:
        yield
    except OSError as error:
        if error.errno in _ABSENT:
            raise NoSuchArtifact(key) from error
        raise


@contextlib.contextmanager
def writing(key: Key) -> Iterator[None]:
    """Say what the system says of a write in the words of ``base.py``."""
    try:
        yield
    except IsADirectoryError as error:
        raise NotAFile(key) from error
    except (NotADirectoryError, FileExistsError) as error:
        raise NotAFolder(key) from error
    except OSError as error:
        if error.errno in _FULL:
            raise StoreFull from error
        if error.errno == errno.ENAMETOOLONG:
            raise NameTooLong(key) from error
        raise


def _real(path: Path) -> Path:
    """Without symbolic links; unlike ``Path.resolve`` it leaves a circle of them for ``open`` to refuse."""
    return Path(os.path.realpath(path))


def info_of(found: os.stat_result) -> ArtifactInfo:
    """What is known of a file."""
    # Every upload is a file of its own, so the inode tells two writes within one tick of the clock apart.
    etag = f'"{found.st_ino:x}-{found.st_size:x}-{found.st_mtime_ns:x}"'
    return ArtifactInfo(found.st_size, etag, found.st_mtime)


def _touched(path: Path) -> float:
    """When something last happened to a file, or to anything below a folder."""
    below = path.rglob("*") if path.is_dir() and not path.is_symlink() else ()
    return max(float(each.lstat().st_mtime) for each in (path, *below))
