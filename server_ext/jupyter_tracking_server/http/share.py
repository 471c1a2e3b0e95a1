"""``/share/{secret}``: what a share link opens, for anybody who has it.

A file is sent as every artifact is; a folder is listed or packed; a run is a plain page. The secret is all
that is asked for, so it must be in no log: it is taken out of the request before anything can log that, and
the link's id stands there instead.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from jupyter_tracking.protocol.errors import InvalidParameterValue, ResourceDoesNotExist
from jupyter_tracking.protocol.runs import GetRun
from jupyter_tracking.protocol.share_links import ShareLink

from ..access import Caller
from ..artifact_stores.errors import NoSuchArtifact, NotAFile
from ..context import FilesContext
from ..services import artifact_paths, runs, share_links
from ..services.share_links import NoSuchLink
from .artifact_archive import asked_format
from .artifact_download import DownloadHandler, Found
from .handler import Front
from .share_page import MISSING, POLICY, Folder, folder_page, run_page

__all__ = ["ShareHandler"]

PREFIX = "/share/"
_UNKNOWN = "-"
_NOBODY = Caller("", "link", frozenset())


class ShareHandler(DownloadHandler):
    """Answers GET and HEAD to whoever has the secret of a link."""

    endpoint = "share"

    def initialize(self, front: Front) -> None:
        """Learn the secret, and hide it."""
        super().initialize(front)
        self._secret, slash, rest = self.local_path[len(PREFIX) :].partition("/")
        self._inner = slash + rest
        self._link: ShareLink | None = None
        self._log_as(_UNKNOWN)

    def set_default_headers(self) -> None:
        """Tell the address of no page to another site."""
        super().set_default_headers()
        self.set_header("Referrer-Policy", "no-referrer")
        self.set_header("X-Robots-Tag", "noindex, nofollow")

    def files_context(self) -> FilesContext:
        """One that reads what the link opens."""
        return share_links.confined(self.front.server.files_context(_NOBODY), self._secret)

    async def find(self) -> Found:
        """The artifact or folder that the address names."""
        link = await self._follow()
        path = self._path(link)
        return await self.files_context().read(
            lambda context: self.look(context, artifact_paths.in_run(context, link.run_id, path, "read"))
        )

    async def get(self) -> None:
        """Send the file, or show the folder or the run."""
        await self._answer(super().get)

    async def head(self) -> None:
        """The same without a body."""
        await self._answer(super().head)

    async def _answer(self, send: Callable[[], Awaitable[None]]) -> None:
        form = asked_format(self.request)
        try:
            link = await self._follow()
            if not form and not link.path and self._inner in {"", "/"}:
                await self._show_run(link)
                return
            path = self._path(link)
            if form:
                await send()
            elif not path or not await _is_sent(send):
                await self._show_folder(link, path)
        except (ResourceDoesNotExist, InvalidParameterValue):
            raise NoSuchLink from None

    async def _follow(self) -> ShareLink:
        """The link, looked up once; each look at its run asks again whether it still opens that.

        Raises:
            NoSuchLink
        """
        if self._link is None:
            context = self.front.server.files_context(_NOBODY)
            found = await context.read(lambda reading: share_links.opened(reading, self._secret))
            self._link = found.link
            self._known_caller = self.caller = found.context.caller
            self._log_as(found.link.id)
            self.subject = {"id": found.link.id, "run_id": found.link.run_id}
            if self.request.method == "GET":
                self.audited = "read"
        return self._link

    def _path(self, link: ShareLink) -> str:
        """From the run's root.

        Raises:
            NoSuchLink: the address is none of ours.
            InvalidParameterValue: it is not UTF-8.
        """
        first, _, rest = self._inner.strip("/").partition("/")
        if first not in {"", "artifacts"}:
            raise NoSuchLink
        path = "/".join(part for part in (link.path, artifact_paths.decode(rest)) if part)
        self.subject["path"] = path
        return path

    async def _show_run(self, link: ShareLink) -> None:
        context = self.files_context()
        reply = await context.read(lambda reading: runs.get_run(reading, GetRun(link.run_id)))
        try:
            folder = await self._folder(link, "")
        except InvalidParameterValue:
            # Its artifacts are at a place that this server does not open.
            folder = None
        await self._show(run_page(reply.run, folder, link.expires))

    async def _show_folder(self, link: ShareLink, path: str) -> None:
        folder = await self._folder(link, path)
        if path and not folder.listing.files:
            raise NoSuchLink
        await self._show(folder_page(path.rpartition("/")[2] or "Artifacts", folder, link.expires))

    async def _folder(self, link: ShareLink, path: str) -> Folder:
        page = self.get_query_argument("page", None)
        listing = await share_links.list_folder(self.files_context(), link.run_id, path, page)
        # Relative, so that it holds below whatever path a proxy puts before ours.
        top = "../" * self._inner.count("/") + self._secret
        return Folder(link.path, path, top, listing)

    async def _show(self, page: str) -> None:
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.set_header("Content-Security-Policy", POLICY)
        self.set_header("Cache-Control", "private, no-store")
        await self.finish(page)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """One page for all that is not there, or is not there any more."""
        if "exc_info" in kwargs and isinstance(kwargs["exc_info"][1], NoSuchLink):
            if self._link is None:
                # Who tries secrets shall not fill the audit log.
                self.audited = None
            self.set_status(404)
            self.set_header("Content-Type", "text/html; charset=utf-8")
            self.set_header("Content-Security-Policy", POLICY)
            self.finish(MISSING)
            return
        super().write_error(status_code, **kwargs)

    def _log_as(self, name: str) -> None:
        """Let whoever logs the request see a name in place of the secret."""
        self.request.path = self.request.uri = f"{self.front.root}{PREFIX}{name}{self._inner}"


async def _is_sent(send: Callable[[], Awaitable[None]]) -> bool:
    """Send an artifact; False, and nothing is sent, if there is none."""
    try:
        await send()
    except (NotAFile, NoSuchArtifact):
        return False
    return True
