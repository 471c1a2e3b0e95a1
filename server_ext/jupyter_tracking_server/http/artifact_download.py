"""Artifacts on their way out: streamed with back-pressure, in parts if asked, and harmless in a browser.

What users stored may be anything, so it is served as an attachment, with a type from a list of harmless
ones, and under a policy that lets it do nothing; an ``<img>`` on a page of ours still shows it.
"""

from __future__ import annotations

import asyncio
import re
from abc import ABC, abstractmethod
from email.utils import formatdate
from urllib.parse import quote

from tornado.iostream import StreamClosedError
from tornado.log import app_log

from ..artifact_stores.base import ArtifactInfo, ByteRange, Download, Span
from ..artifact_stores.errors import BrokenRead, RangeNotSatisfiable
from ..artifact_stores.keys import Key
from .error_reply import explain
from .handler import TrackingHandler

__all__ = ["DownloadHandler", "content_type", "disposition", "parse_range"]

SILENCE = 120.0
"""Seconds in which a client must take a chunk."""

_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})\Z", re.IGNORECASE)
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


class DownloadHandler(TrackingHandler, ABC):
    """Answers GET and HEAD with an artifact."""

    @abstractmethod
    async def key(self) -> Key:
        """Learn who calls, and which artifact is meant.

        Raises:
            TrackingError: it is not there, or not the caller's.
        """

    async def get(self) -> None:
        """Send it, or the part that ``Range`` asks for."""
        key = await self.key()
        store = self.files_context().artifacts
        try:
            part = await self._part(key)
            download = await store.read(key, part)
        except RangeNotSatisfiable as error:
            self.set_status(416)
            self.set_header("Content-Range", f"bytes */{error.size}")
            self.set_header("Content-Type", "application/json")
            await self.finish(explain(error).body)
            return
        async with download:
            self._describe(key[-1], download.info, download.span)
            if self._unchanged(download.info):
                self.set_status(304)
                return
            if part is not None:
                self.set_status(206)
                start, stop = download.span
                self.set_header("Content-Range", f"bytes {start}-{stop - 1}/{download.info.size}")
            await self._send(download)

    async def head(self) -> None:
        """Say what ``get`` would send, whole."""
        key = await self.key()
        info = await self.files_context().artifacts.info(key)
        self._describe(key[-1], info, Span(0, info.size))
        if self._unchanged(info):
            self.set_status(304)

    async def _part(self, key: Key) -> ByteRange | None:
        part = parse_range(self.request.headers.get("Range", ""))
        condition = self.request.headers.get("If-Range")
        if part is not None and condition is not None:
            info = await self.files_context().artifacts.info(key)
            if condition not in {info.etag, _date(info)}:
                return None
        return part

    def _unchanged(self, info: ArtifactInfo) -> bool:
        if "If-None-Match" in self.request.headers:
            return self.check_etag_header()
        return self.request.headers.get("If-Modified-Since") == _date(info)

    def _describe(self, name: str, info: ArtifactInfo, span: Span) -> None:
        self.set_header("Content-Type", content_type(name))
        self.set_header("Content-Length", str(span.stop - span.start))
        self.set_header("Content-Disposition", disposition(name))
        self.set_header("Content-Security-Policy", "sandbox; default-src 'none'")
        self.set_header("Cross-Origin-Resource-Policy", "same-origin")
        self.set_header("Cache-Control", "private, no-store")
        self.set_header("Accept-Ranges", "bytes")
        self.set_header("Etag", info.etag)
        self.set_header("Last-Modified", _date(info))

    async def _send(self, download: Download) -> None:
        try:
            async for chunk in download:
                self.write(chunk)
                await asyncio.wait_for(self.flush(), SILENCE)
        except (StreamClosedError, asyncio.TimeoutError):
            self.http.close()
        except (BrokenRead, OSError):
            # The reply has begun: only a cut connection tells the client that it is not whole.
            app_log.exception("A download of %s broke off", self.request.path)
            self.http.close()


def parse_range(header: str) -> ByteRange | None:
    """The part that a ``Range`` header asks for; None for the whole: no header, or one not understood.

    Several ranges in one header are not understood, as the standard allows.
    """
    found = _RANGE.match(header.strip())
    if found is None or found[0].endswith("=-"):
        return None
    first = int(found[1]) if found[1] else None
    last = int(found[2]) if found[2] else None
    if first is not None and last is not None and last < first:
        return None
    return ByteRange(first, last)


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


def _date(info: ArtifactInfo) -> str:
    return formatdate(info.modified, usegmt=True)
