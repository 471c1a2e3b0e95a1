"""Files on their way down: a download that broke off goes on where it stopped, and what came is checked.

A file appears under its name only when it is whole. Until then its bytes are in a hidden file beside it,
whose name holds the artifact's ETag. It stays there if the download is given up, and the next one, in this
process or another, asks for the rest on the condition that the artifact is still the same.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import os
import re
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING

from ..protocol.errors import TemporarilyUnavailable
from . import checksums
from .artifact_paths import address
from .client import TrackingClient
from .progress import Tally
from .transport import CHUNK, HttpReply, HttpRequest, Unreachable

if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    from hashlib import _Hash

FRUITLESS = 3
"""Attempts in a row that brought no more than ``WORTH`` bytes, after which we give up."""
WORTH = 2**20
"""Bytes that are worth keeping."""

_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")


class Damaged(TemporarilyUnavailable):
    """The bytes that came are not those of the artifact, by its checksum."""


def fetch(client: TrackingClient, path: str, target: Path, tally: Tally) -> None:
    """Fetch an artifact of the proxy into a file, whose folder is made.

    Raises:
        ResourceDoesNotExist: there is no such artifact.
        Damaged, Unreachable: several times in a row.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    fruitless = 0
    with PartFile(target) as part:
        while True:
            before = part.size
            try:
                _receive(client, path, part, tally)
                break
            except (Damaged, Unreachable):
                fruitless = 0 if part.size >= before + WORTH else fruitless + 1
                if fruitless >= FRUITLESS:
                    raise
        part.become(target)
    tally.finish()


def _receive(client: TrackingClient, path: str, part: PartFile, tally: Tally) -> None:
    """Fetch what is missing, and check the whole."""
    with _ask(client, path, part) as reply:
        digest = checksums.in_headers(reply.headers)
        if reply.status == 206:
            found = _RANGE.match(reply.headers.get("Content-Range", ""))
            if found is None or int(found[1]) != part.size:
                part.reset("")
                raise Damaged(f"{path} came in another part than was asked for.")
            tally.total = int(found[2])
        else:
            length = reply.headers.get("Content-Length")
            tally.total = int(length) if length else None
            part.reset(reply.headers.get("ETag", ""))
        tally.restart(done=part.size)
        hashing = part.hash() if digest else None
        for chunk in reply.chunks:
            part.write(chunk)
            if hashing is not None:
                hashing.update(chunk)
            tally.add(len(chunk))
    if hashing is not None and hashing.hexdigest() != digest:
        part.reset("")
        raise Damaged(
            f"{path} came damaged: its sha256 is {hashing.hexdigest()}, the server has it as {digest}. "
            "Fetch it again; if that does not help, the stored file or a proxy on the way is at fault."
        )


def _ask(client: TrackingClient, path: str, part: PartFile) -> HttpReply:
    """The artifact, or what is missing of it if it is still the same."""
    headers = {}
    if part.size and part.etag:
        part.drop_last()  # if nothing is missing, there is still a range to ask for
        headers = {"Range": f"bytes={part.size}-", "If-Range": part.etag}
    return client.open(HttpRequest("GET", address(path), headers=headers))


class PartFile:
    """What has come of an artifact, in a hidden file beside the target; a failure may leave it there.

    Attributes:
        size: its bytes.
        etag: of the artifact that they are of; empty if it is not known or cannot tell versions apart.
    """

    def __init__(self, target: Path) -> None:
        self.size = 0
        self.etag = ""
        self._folder = target.parent
        # A name may be as long as names can be, so only its hash goes into another.
        self._stem = f".{hashlib.sha256(target.name.encode()).hexdigest()[:16]}."
        self._file: IO[bytes]
        self._path: Path
        if not self._take_up():
            handle, name = tempfile.mkstemp(dir=self._folder, prefix=self._stem, suffix=".part")
            self._file, self._path = os.fdopen(handle, "r+b"), Path(name)
            _lock(self._file)

    def write(self, chunk: bytes) -> None:
        """Append."""
        self._file.write(chunk)
        self.size += len(chunk)

    def drop_last(self) -> None:
        """Forget the last byte."""
        self.size -= 1
        self._file.seek(self.size)
        self._file.truncate()

    def reset(self, etag: str) -> None:
        """Begin anew, with the artifact of that ETag."""
        self._file.seek(0)
        self._file.truncate()
        self.size = 0
        self.etag = "" if etag.startswith("W/") else etag
        self._name_for_others()

    def hash(self) -> _Hash:
        """The sha256 of what is there, to be updated with what comes."""
        found = hashlib.sha256()
        self._file.seek(0)
        while block := self._file.read(CHUNK):
            found.update(block)
        return found

    def become(self, target: Path) -> None:
        """It is whole."""
        self._file.close()
        self._path.replace(target)

    def __enter__(self) -> PartFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        keep = (
            self.size >= WORTH and self._path.name == self._lasting_name() and not isinstance(error, OSError)
        )
        if kind is not None and not keep:
            with contextlib.suppress(OSError):
                self._path.unlink()

    def _lasting_name(self) -> str:
        name = base64.urlsafe_b64encode(self.etag.encode()).decode()
        return f"{self._stem}{name}.part" if 0 < len(name) <= 150 else ""

    def _name_for_others(self) -> None:
        """Take the name by which a later download finds this; not if another process has it."""
        name = self._lasting_name()
        if sys.platform == "win32" or not name or name == self._path.name:
            return
        with contextlib.suppress(OSError):
            os.link(self._path, self._folder / name)  # unlike a rename, it fails if the name is taken
            self._path.unlink()
            self._path = self._folder / name

    def _take_up(self) -> bool:
        """Go on with what an earlier download left."""
        for path in sorted(self._folder.glob(f"{self._stem}*.part")):
            encoded = path.name.removeprefix(self._stem).removesuffix(".part")
            try:
                etag = base64.urlsafe_b64decode(encoded).decode("ascii")
            except (binascii.Error, ValueError):
                continue
            if not (etag.startswith('"') and etag.endswith('"')):
                continue
            file = _open_own(path)
            if file is not None:
                self._file, self._path, self.etag = file, path, etag
                self.size = file.seek(0, os.SEEK_END)
                return True
        return False


def _open_own(path: Path) -> IO[bytes] | None:
    """A file that this user left, locked; None if another process has it or another user made it."""
    if sys.platform == "win32":
        return None  # there are no such locks
    try:
        file = os.fdopen(os.open(path, os.O_RDWR | os.O_NOFOLLOW), "r+b")
    except OSError:
        return None
    if os.fstat(file.fileno()).st_uid == os.getuid() and _lock(file) and path.exists():
        return file
    file.close()
    return None


def _lock(file: IO[bytes]) -> bool:
    """Keep other processes from taking the file up; False if one of them has it."""
    if sys.platform == "win32":
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
