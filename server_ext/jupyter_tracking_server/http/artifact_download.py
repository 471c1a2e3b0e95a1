"""Artifacts on their way out: streamed with back-pressure, in parts if asked, and harmless in a browser.

What users stored may be anything, so it is served as an attachment, with a type from a list of harmless
ones, and under a policy that lets it do nothing; an ``<img>`` on a page of ours still shows it.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from abc import ABC, abstractmethod
from collections.abc import AsyncIterable, AsyncIterator, Sequence
from typing import NamedTuple
from urllib.parse import quote

from tornado.iostream import StreamClosedError
from tornado.log import app_log

from jupyter_tracking.protocol.errors import PreconditionFailed

from ..artifact_stores.base import ArtifactInfo, Download, Span
from ..artifact_stores.errors import RangeNotSatisfiable, StoreError
from ..context import Context
from ..services import artifact_files, artifacts
from ..services.artifact_files import KnownFile
from ..services.artifact_paths import Place
from .archive_formats import FORMATS
from .artifact_archive import archive, asked_format
from .checksums import digest_headers, verified
from .conditions import Validators
from .error_reply import explain
from .handler import TrackingHandler
from .ranges import PartsReply, as_range, content_range, parse_ranges, spans

__all__ = ["DownloadHandler", "Found", "content_type", "disposition"]

SILENCE = 120.0
"""Seconds in which a client must take a chunk."""

_TEXT = re.compile(
    r"txt|log|err|cfg|conf|cnf|cf|ini|properties|prop|hocon|toml|ya?ml|xml|json|jsonl|js|py3?|r|sql|sh|csv|tsv"
    r"|md|rst|ipynb|mlmodel|mlproject"
)
_INERT = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "webp": "image/webp",
    "bmp": "image/bmp",
    "ico": "image/x-icon",
    "avif": "image/avif",
    "svg": "image/svg+xml",
    "mp3": "audio/mpeg",
    "wav": "audio/wav",
    "ogg": "audio/ogg",
    "mp4": "video/mp4",
    "webm": "video/webm",
}


class Found(NamedTuple):
    """What a request is for, and what is known of it: of a file, or the name that a folder goes by."""

    place: Place
    file: KnownFile | None = None
    title: str = ""

    def validators(self, info: ArtifactInfo) -> Validators:
        """Of the file, of which the store says ``info``."""
        return Validators(info, artifact_files.believed(self.file, info))


class DownloadHandler(TrackingHandler, ABC):
    """Answers GET and HEAD with an artifact, or with a folder as an archive."""

    @abstractmethod
    async def find(self) -> Found:
        """Learn who calls, and which artifact or folder is meant (``look`` says the rest).

        Raises:
            TrackingError: it is not there, or not the caller's.
        """

    def look(self, context: Context, place: Place) -> Found:
        """What is known of a place, in the transaction that resolved it."""
        if asked_format(self.request):
            return Found(place, title=artifacts.title(context, place))
        return Found(place, artifact_files.known(context, place))

    async def get(self) -> None:
        """Send it, or the parts that ``Range`` asks for."""
        self.begin_transfer("out")
        form = asked_format(self.request)
        found = await self._find()
        if form:
            await self._pack(found, form)
            return
        try:
            download, parts = await self._open(found)
        except RangeNotSatisfiable as error:
            if not self._unchanged(found, await self.files_context().artifacts.info(found.place.key)):
                self.set_status(416)
                self.set_header("Content-Range", f"bytes */{error.size}")
                self.set_header("Content-Type", "application/json")
                await self.finish(explain(error).body)
            return
        async with download:
            if not self._unchanged(found, download.info):
                await self._reply(found, download, parts)

    async def head(self) -> None:
        """Say what ``get`` would send, whole."""
        form = asked_format(self.request)
        found = await self._find()
        if form:
            await self._pack(found, form)
            return
        info = await self.files_context().artifacts.info(found.place.key)
        if not self._unchanged(found, info):
            name = found.place.key[-1]
            self._describe(name, content_type(name), info.size)

    async def _find(self) -> Found:
        found = await self.find()
        noted = await self.front.notes.settle(found.place.key)
        return await self.find() if noted else found

    async def _open(self, found: Found) -> tuple[Download, Sequence[Span]]:
        """Begin to read; with the parts to send, none if it is the whole.

        Raises:
            RangeNotSatisfiable
        """
        store, key, headers = self.files_context().artifacts, found.place.key, self.request.headers
        asked = parse_ranges(headers.get("Range", ""))
        if len(asked) == 1 and "If-Range" not in headers:
            download = await store.read(key, asked[0])
            return download, [download.span]
        if asked:
            info = await store.info(key)
            if found.validators(info).continues(headers):
                parts = spans(asked, info.size)
                download = await store.read(key, as_range(parts[0]))
                if download.info.etag == info.etag:
                    return download, parts
                # It has been replaced between the two.
                await download.close()
        return await store.read(key), []

    def _unchanged(self, found: Found, info: ArtifactInfo) -> bool:
        """Tell which version it is; True, and the reply is made, if the client has it.

        Raises:
            PreconditionFailed: the client wants another version.
        """
        validators = found.validators(info)
        if validators.refused(self.request.headers):
            raise PreconditionFailed("The artifact is not the version that If-Match names.")
        self.set_header("Etag", validators.etag)
        self.set_header("Last-Modified", validators.modified)
        if validators.sha256 is not None:
            for name, value in digest_headers(validators.sha256).items():
                self.set_header(name, value)
        self._confine()
        if validators.unchanged(self.request.headers):
            self.set_status(304)
            return True
        return False

    async def _reply(self, found: Found, download: Download, parts: Sequence[Span]) -> None:
        key, info, span = found.place.key, download.info, download.span
        name, sha256 = key[-1], found.validators(info).sha256
        if len(parts) > 1:
            several = PartsReply(self.files_context().artifacts, key, download, parts, content_type(name))
            self.set_status(206)
            self._describe(name, several.content_type, several.length)
            await self._send(several)
            return
        if parts:
            self.set_status(206)
            self.set_header("Content-Range", content_range(span, info.size))
        self._describe(name, content_type(name), span.stop - span.start)
        whole = sha256 is not None and span == (0, info.size)
        await self._send(verified(download, info.size, sha256) if whole and sha256 else download)

    async def _pack(self, found: Found, form: str) -> None:
        """Send a folder as an archive; to HEAD, say that there is one."""
        making = FORMATS[form]()
        pieces = archive(self.files_context().artifacts, found.place.key, making)
        async with contextlib.aclosing(pieces):
            first = await anext(pieces)
            self._confine()
            self._describe(f"{found.title}.{form}", making.content_type, None)
            if self.request.method == "HEAD":
                # Before tornado finds that there are 0 bytes, and says so.
                await self.flush()
            else:
                await self._send(_joined(first, pieces))

    def _confine(self) -> None:
        """Let a browser do nothing with it but save it."""
        self.set_header("Content-Security-Policy", "sandbox; default-src 'none'")
        self.set_header("Cross-Origin-Resource-Policy", "same-origin")
        self.set_header("Cache-Control", "private, no-store")

    def _describe(self, name: str, kind: str, length: int | None) -> None:
        """Headers of a body; ``length`` is None for one made on the way, of which no part can be asked."""
        self.set_header("Content-Type", kind)
        self.set_header("Content-Disposition", disposition(name))
        self.set_header("Accept-Ranges", "none" if length is None else "bytes")
        if length is not None:
            self.set_header("Content-Length", str(length))

    async def _send(self, chunks: AsyncIterable[bytes]) -> None:
        try:
            async for chunk in chunks:
                self.write(chunk)
                await asyncio.wait_for(self.flush(), SILENCE)
        except (StreamClosedError, asyncio.TimeoutError):
            self.http.close()
        except Exception as error:
            # The reply has begun: only a cut connection tells the client that it is not whole.
            self.front.server.observer.failed(error)
            if isinstance(error, StoreError):
                app_log.warning("A download of %s broke off: %s", self.request.path, error)
            else:
                app_log.exception("A download of %s broke off", self.request.path)
            self.http.close()


async def _joined(first: bytes, rest: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in rest:
        yield piece


def content_type(name: str) -> str:
    """A type that no browser runs; text for what people read, whatever it is for."""
    suffix = name.rpartition(".")[2].lower()
    if _TEXT.fullmatch(suffix):
        return "text/plain; charset=utf-8"
    return _INERT.get(suffix, "application/octet-stream")


def disposition(name: str) -> str:
    """``Content-Disposition`` for a file name, with the exact name in UTF-8 where ASCII cannot say it."""
    plain = re.sub(r"[^ -~]|[\"\\%]", "_", name)
    exact = "" if plain == name else f"; filename*=UTF-8''{quote(name, safe='')}"
    return f'attachment; filename="{plain}"{exact}'
