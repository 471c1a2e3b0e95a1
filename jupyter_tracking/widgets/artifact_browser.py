"""A browser of a run's artifacts: a tree, a preview, a download. All of it comes through the kernel.

Messages from the browser are ``{"do": "list" | "preview" | "download" | "archive", "path": …}``. Each is
answered with the same ``do`` and ``path`` and with ``files``, or with a preview, or with one buffer for each
part of the file, or of the folder as a ZIP file; or with ``fault``, a sentence. Of a long folder come
``files`` and a ``token``, with which ``list`` goes on.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import mimetypes
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import anywidget
import traitlets

from ..client.artifacts import Artifacts
from ..client.transport import HttpReply
from ..fluent import last_active_run
from ..progress_bar import watched
from ..protocol.artifacts import FileInfo
from ..protocol.errors import InvalidParameterValue, TrackingError
from ..sizes import size_of
from ..tracker import tracker
from .file_table import to_html, to_text

TEXT_PREVIEW = 256 * 1024
IMAGE_PREVIEW = 8 * 2**20
DOWNLOAD_LIMIT = 256 * 2**20
CSV_ROWS = 50
LIST_PAGE = 500
STATIC_FILES = 200
IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp", "image/bmp", "image/svg+xml"})

_HERE = Path(__file__).parent


class ArtifactBrowser(anywidget.AnyWidget):
    """The artifacts of a run.

    Args:
        run_id: the run; by default the active one, or the one that was active last.
    """

    _esm = _HERE / "artifact_browser.js"
    _css = _HERE / "artifact_browser.css"

    run_name = traitlets.Unicode().tag(sync=True)
    files = traitlets.List(traitlets.Dict()).tag(sync=True)
    token = traitlets.Unicode().tag(sync=True)

    def __init__(self, run_id: str | None = None) -> None:
        if run_id is None:
            last = last_active_run()
            if last is None:
                raise InvalidParameterValue("No run is active; give a run's id.")
            run_id = last.run_id
        info = tracker.client.run(run_id).info
        self.run_id = run_id
        self._artifacts = Artifacts(tracker.client, run_id, info.artifact_uri)
        super().__init__(run_name=info.run_name, **self._page(""))
        self.on_msg(self._heard)

    def list(self, path: str = "") -> list[FileInfo]:
        """The files and folders in one folder."""
        return self._artifacts.list(path)

    def download(self, path: str = "", folder: str | Path = ".") -> Path:
        """Fetch an artifact, or a folder of them, to where the kernel runs."""
        report = watched(lambda watcher: tracker.artifacts(self.run_id, watcher).download(path, Path(folder)))
        return Path(report.path)

    def __repr__(self) -> str:
        return to_text(self.run_name, self._some_files())

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        found: Any = super()._repr_mimebundle_(**kwargs)
        data, metadata = found if isinstance(found, tuple) else (found or {}, {})
        files = self._some_files()
        text, page = to_text(self.run_name, files), to_html(self.run_name, files)
        return {**data, "text/plain": text, "text/html": page}, metadata

    def _some_files(self) -> Sequence[FileInfo]:
        """For the saved notebook: all files, up to a limit; what can't be listed now is left out."""
        files: Sequence[FileInfo] = []
        try:
            walk = self._artifacts.walk()
            files = [entry for entry, _ in zip(walk, range(STATIC_FILES), strict=False)]
        except TrackingError:
            pass
        return files

    def _page(self, path: str, token: str = "") -> dict[str, Any]:
        found = self._artifacts.page(path, token or None, LIST_PAGE)
        return {"files": _entries(found.files), "token": found.next_page_token or ""}

    def _heard(self, _widget: object, content: Any, _buffers: object) -> None:
        if not isinstance(content, dict) or not isinstance(content.get("path"), str):
            return
        do, path = content.get("do"), content["path"]
        answer: dict[str, Any] = {"do": do, "path": path}
        buffers: Sequence[bytes] = []
        try:
            if do == "list":
                answer.update(self._page(path, str(content.get("token", ""))))
            elif do == "preview":
                found, buffers = preview(self._artifacts, path)
                answer.update(found)
            elif do == "download":
                buffers = self._parts(path, self._artifacts.open(path))
            elif do == "archive":
                buffers = self._parts(path, self._artifacts.open_archive(path))
        except (TrackingError, OSError) as error:
            answer["fault"] = str(error)
        self.send(answer, buffers=list(buffers))

    def _parts(self, path: str, content: HttpReply) -> Sequence[bytes]:
        """What comes for the browser to save, which holds it whole in memory: not for large ones."""
        parts, size = [], 0
        with content as reply:
            announced = int(reply.headers.get("Content-Length") or 0)
            for chunk in reply.chunks if announced <= DOWNLOAD_LIMIT else ():
                parts.append(chunk)
                size += len(chunk)
                if size > DOWNLOAD_LIMIT:
                    break
        if max(size, announced) > DOWNLOAD_LIMIT:
            raise InvalidParameterValue(
                f"More than {size_of(DOWNLOAD_LIMIT)} do not go through the browser; use "
                f'jupyter_tracking.download_artifacts("{self.run_id}", "{path}")'
            )
        return parts


def preview(artifacts: Artifacts, path: str) -> tuple[dict[str, Any], Sequence[bytes]]:
    """What to show of a file: ``kind`` is text, json, table, image or none, with what that needs."""
    mime = mimetypes.guess_type(path)[0] or ""
    limit = IMAGE_PREVIEW if mime in IMAGES else TEXT_PREVIEW
    content, cut = _head(artifacts, path, limit)
    if mime in IMAGES:
        if cut:
            return {"kind": "none", "note": f"The image has more than {size_of(IMAGE_PREVIEW)}."}, []
        return {"kind": "image", "mime": mime}, [content]
    text = _text(content)
    if text is None:
        return {"kind": "none", "note": "No preview for this kind of file."}, []
    note = f"The first {size_of(limit)}." if cut else ""
    ending = PurePosixPath(path).suffix.lower()
    if ending in (".csv", ".tsv"):
        return _table(text, "\t" if ending == ".tsv" else ",", cut), []
    if ending == ".json" and not cut:
        with contextlib.suppress(ValueError):
            pretty = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
            return {"kind": "json", "text": pretty, "note": note}, []
    return {"kind": "text", "text": text, "note": note}, []


def _head(artifacts: Artifacts, path: str, limit: int) -> tuple[bytes, bool]:
    """The first bytes of a file, and whether there are more."""
    content = bytearray()
    try:
        reply = artifacts.open(path, limit + 1)
    except TrackingError:  # an empty file has no first bytes
        reply = artifacts.open(path)
    with reply:
        for chunk in reply.chunks:
            content += chunk
            if len(content) > limit:
                break
    return bytes(content[:limit]), len(content) > limit


def _text(content: bytes) -> str | None:
    """Bytes as text; None if they are none. A character that was cut at the end is dropped."""
    if b"\0" in content:
        return None
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        return content[: error.start].decode() if len(content) - error.start < 4 else None


def _table(text: str, delimiter: str, cut: bool) -> dict[str, Any]:
    rows = []
    lines = csv.reader(io.StringIO(text), delimiter=delimiter)
    try:
        for row in lines:
            rows.append(row)
            if len(rows) > CSV_ROWS:
                break
    except csv.Error:
        return {"kind": "text", "text": text, "note": ""}
    note = f"The first {CSV_ROWS} rows." if cut or len(rows) > CSV_ROWS else ""
    return {"kind": "table", "rows": rows[: CSV_ROWS + 1], "note": note}


def _entries(files: Sequence[FileInfo]) -> Any:
    """Files as the browser wants them, folders first."""
    ordered = sorted(files, key=lambda entry: (not entry.is_dir, entry.path))
    return [
        {
            "path": entry.path,
            "is_dir": entry.is_dir,
            "size": "" if entry.is_dir else size_of(entry.file_size or 0),
        }
        for entry in ordered
    ]
