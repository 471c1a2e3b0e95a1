"""Files of runs: up and down through the server's artifact proxy, as streams.

A *location* is a run's artifact URI. A *path* is relative to it, with ``/`` between its parts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ..protocol.artifacts import ArtifactList, FileInfo, ListArtifacts, list_artifacts
from ..protocol.errors import InvalidParameterValue
from . import downloads
from .artifact_paths import address, join, proxy_path, safe_path
from .client import TrackingClient
from .progress import Watcher
from .sources import BytesSource, FileSource, Source
from .transfers import Transfers
from .transport import HttpReply, HttpRequest
from .uploads import Sent, Uploads

PAGE = 1000


@dataclass(frozen=True)
class Report:
    """What came of an upload or a download.

    Attributes:
        name: of the file or folder.
        files: how many there are, ``size`` bytes in all.
        were_there: files that had not to be sent, since the server had them.
        path: where it is now: in the run, or on this machine.
    """

    name: str
    files: int
    size: int
    were_there: int
    path: str


class Artifacts:
    """The artifacts of one run.

    Args:
        client: to the server.
        run_id: the run.
        location: its artifact URI.
        watcher: told how far each file is.
    """

    def __init__(
        self, client: TrackingClient, run_id: str, location: str, watcher: Watcher | None = None
    ) -> None:
        self._client = client
        self._run_id = run_id
        self._root = proxy_path(location, client.url)
        self._watcher = watcher or Watcher()

    def list(self, path: str = "") -> list[FileInfo]:
        """The files and folders in one folder; their paths are relative to the run's root."""
        return [entry for page in self._pages(path) for entry in page]

    def page(self, path: str, token: str | None = None, size: int = PAGE) -> ArtifactList:
        """Some of the files and folders in one folder; ``token`` leads on from the page that gave it."""
        return self._client.send(list_artifacts, ListArtifacts(self._run_id, safe_path(path), token, size))

    def walk(self, path: str = "") -> Iterator[FileInfo]:
        """All files in a folder and the folders below it."""
        for page in self._pages(path):
            for entry in page:
                if entry.is_dir:
                    yield from self.walk(entry.path)
                else:
                    yield entry

    def upload_bytes(self, content: bytes, path: str) -> None:
        """Store bytes as a file."""
        self._upload({path: BytesSource(content)}, path)

    def upload(self, source: Path, folder: str = "", name: str = "") -> Report:
        """Store a file, or a folder with all that is in it, in ``folder``, under ``name`` or its own name.

        Raises:
            InvalidParameterValue: there is no such file.
            FileChanged: it was written to meanwhile.
        """
        if source.is_dir():
            return self.upload_folder(source, join(folder, name or source.resolve().name))
        if source.is_file():
            path = join(folder, name or source.name)
            return self._upload({path: FileSource(source)}, path)
        raise InvalidParameterValue(f"There is no file or folder {str(source)!r}.")

    def upload_folder(self, source: Path, folder: str = "") -> Report:
        """Store what is in a folder, in ``folder``."""
        files = sorted(path for path in source.rglob("*") if path.is_file())
        sources = {join(folder, path.relative_to(source).as_posix()): FileSource(path) for path in files}
        return self._upload(sources, folder or source.resolve().name)

    def open(self, path: str, first_bytes: int | None = None) -> HttpReply:
        """The content of a file as a stream; only the first bytes if so asked (the server may send more)."""
        headers = {} if first_bytes is None else {"Range": f"bytes=0-{first_bytes - 1}"}
        return self._client.open(HttpRequest("GET", address(self._proxied(path)), headers=headers))

    def open_archive(self, path: str) -> HttpReply:
        """A folder, or all artifacts for ``""``, as a stream that is a ZIP file."""
        query = [("format", "zip")]
        return self._client.open(HttpRequest("GET", address(self._proxied(path)), query))

    def download(self, path: str, target: Path) -> Report:
        """Fetch a file or a whole folder into the folder ``target``.

        A file appears under its name only when it is whole.

        Raises:
            ResourceDoesNotExist: there is no such artifact.
        """
        path = safe_path(path)
        found = [entry for entry in self.walk(path) if entry.path != path]
        name = path or self._run_id
        files = {safe_path(entry.path): entry.file_size or 0 for entry in found}
        if path and not files:  # not a folder, then
            files = {path: 0}
        self._watcher.begin(name, sum(files.values()) or None)
        with Transfers(self._watcher) as transfers:
            sizes = transfers.run([partial(self._fetch, file, target, transfers) for file in files])
        return Report(name, len(files), sum(sizes), 0, str(target / path))

    def _pages(self, path: str) -> Iterator[Sequence[FileInfo]]:
        token: str | None = None
        while True:
            page = self.page(path, token)
            yield page.files
            token = page.next_page_token
            if not token:
                return

    def _upload(self, sources: Mapping[str, Source], name: str) -> Report:
        """Send files by the paths where they go: small ones by threads, large ones from here, one by one."""
        targets = {path: self._proxied(path) for path in sources}
        self._watcher.begin(name, sum(source.size for source in sources.values()))
        with Transfers(self._watcher) as transfers:
            uploads = Uploads(self._client, transfers)
            sent: list[Sent] = []
            under_way: list[Future[Sent]] = []
            for path, source in sources.items():
                if len(sources) > 1 and not uploads.is_large(source):
                    under_way.append(transfers.start(partial(uploads.send, source, targets[path], path)))
            for path, source in sources.items():
                if len(sources) == 1 or uploads.is_large(source):
                    transfers.look(under_way)
                    sent.append(uploads.send(source, targets[path], path))
            sent += transfers.wait(under_way)
        were_there = sum(each.was_there for each in sent)
        return Report(name, len(sent), sum(each.size for each in sent), were_there, name)

    def _fetch(self, path: str, target: Path, transfers: Transfers) -> int:
        """Fetch a file; its bytes."""
        tally = transfers.tally(path, None)
        downloads.fetch(self._client, self._proxied(path), target / path, tally)
        return tally.total or 0

    def _proxied(self, path: str) -> str:
        return join(self._root, safe_path(path))
