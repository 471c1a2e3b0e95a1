"""What our pages have in common: they need no script, nobody may frame them, and all they show is escaped.

A browser without a session is sent to sign in; another program gets the protocol's errors instead of pages.
"""

from __future__ import annotations

import datetime
import re
import secrets
from asyncio import Future
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec
from tornado import web
from tornado.template import Loader

from jupyter_tracking.protocol.errors import Unauthenticated

from ..access import Caller
from ..sizes import show_size
from .error_reply import explain
from .handler import TrackingHandler

__all__ = ["NEXT", "PageHandler", "next_page", "wants_page"]

NEXT = "next"
"""The argument of a login that says where to go afterwards: a path below our root."""
SHOWN_TITLE = 200
_NEXT = re.compile(r"/(?![/\\])[!-\[\]-~]{0,1000}")
_POLICY = (
    "default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; img-src data:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

# Pages of a Hub's other users may have our origin: they could look into a window of ours, if it had one.
_SANDBOX = "sandbox allow-downloads allow-scripts; "

_templates = Loader(str(Path(__file__).parent / "templates"), whitespace="single")


class PageHandler(TrackingHandler):
    """Base of the handlers that show a page.

    Attributes:
        referrer: whom browsers tell which page they come from.
    """

    referrer = "no-referrer"

    @property
    def root_path(self) -> str:
        """The path before every path of ours as the browser sees it, without a slash at the end."""
        return urlsplit(self.front.base_url(self.request)).path

    async def visitor(self) -> Caller | None:
        """The caller; None, and the reply is made, if that is a browser that has yet to sign in.

        Raises:
            Unauthenticated: a program without a credential.
        """
        try:
            return await self.authenticate("read")
        except Unauthenticated:
            if not self.front.login or not wants_page(self):
                raise
            self.redirect(self.login_path(self.local_url))
            return None

    @property
    def local_url(self) -> str:
        """What was asked for, below our root: path and query as the client sent them."""
        query: str = self.request.query
        return f"{self.local_path or '/'}{f'?{query}' if query else ''}"

    def login_path(self, after: str) -> str:
        """Where to sign in, and then to go to the path ``after`` below our root."""
        return f"{self.root_path}{self.front.login}?{NEXT}={quote(after, safe='')}"

    def show(self, template: str, title: str, **values: Any) -> Future[None]:
        """Finish with a page."""
        nonce = secrets.token_urlsafe(16)
        known = self._known_caller
        names = {
            "moment": moment,
            "show_size": show_size,
            "nonce": nonce,
            "root": self.root_path,
            "title": title[:SHOWN_TITLE],
            "user": None if known is None else known.user,
            "logout": "/logout" if known is not None and known.how == "cookie" else "",
        }
        self.set_header("Content-Type", "text/html; charset=utf-8")
        policy = _POLICY.format(nonce=nonce)
        shared = self.front.server.settings.auth == "hub"
        self.set_header("Content-Security-Policy", f"{_SANDBOX}{policy}" if shared else policy)
        self.set_header("Referrer-Policy", self.referrer)
        self.set_header("Cross-Origin-Opener-Policy", "same-origin")
        self.set_header("Cross-Origin-Resource-Policy", "same-origin")
        return self.finish(_templates.load(f"{template}.html").generate(**{**names, **values}))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Say on a page what went wrong, to who asked for one."""
        if not wants_page(self):
            super().write_error(status_code, **kwargs)
            return
        error = kwargs["exc_info"][1] if "exc_info" in kwargs else web.HTTPError(status_code)
        self.note_error(error)
        reply = explain(error, self.defect_id)
        self.set_status(reply.status)
        for name, value in reply.headers.items():
            self.set_header(name, value)
        said = msgspec.json.decode(reply.body)["message"]
        self.show("message", _TITLES.get(reply.status, "That did not work"), text=said)


_TITLES = {
    403: "Not allowed",
    404: "Not found",
    429: "Too many attempts",
    503: "Not available at the moment",
}


def wants_page(handler: web.RequestHandler) -> bool:
    """Whether a browser asks, rather than a program."""
    return "text/html" in handler.request.headers.get("Accept", "")


def next_page(text: str) -> str:
    """Where a login leads, if it is a path below our root; else the root itself.

    Whoever gets a browser to our login can say where it goes next, so it goes nowhere else.
    """
    return text if _NEXT.fullmatch(text) else "/"


def moment(milliseconds: int | None) -> str:
    """A time as people read it; a dash for none."""
    if not milliseconds:
        return "–"
    try:
        found = datetime.datetime.fromtimestamp(milliseconds / 1000, datetime.timezone.utc)
    except (ValueError, OverflowError, OSError):
        # Clients may have logged any number.
        return str(milliseconds)
    return f"{found:%Y-%m-%d %H:%M} UTC"
