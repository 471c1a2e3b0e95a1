"""Where this server is as its clients see it, which is not where it is when a proxy stands before it.

What a proxy says comes in headers that any client can send, too; so each is taken only if it looks like what
it should be. A client that lies gets addresses that lead it astray, and nobody else.
"""

from __future__ import annotations

import re

from tornado.httputil import HTTPServerRequest

from .gate import HOST

__all__ = ["BASE_HEADER", "base_url"]

BASE_HEADER = "X-Jupyter-Tracking-Base"
"""In which a relay of ours says how its client reaches it: the whole address, past all that lies between."""

_SEGMENT = r"/(?!\.{1,2}(?:/|\Z))(?:[A-Za-z0-9._~@+-]|%[0-9A-Fa-f]{2})+"
_PREFIX = re.compile(rf"((?:{_SEGMENT})*)/?\Z")
_RELAYED = re.compile(r"https?://(?P<host>[^/]+)(?P<path>/.*[^/])\Z")
_LONGEST = 1024


def base_url(request: HTTPServerRequest, root: str, public_url: str = "") -> str:
    """Scheme, host and path of this server, without a slash at the end.

    Args:
        request: by which the client came.
        root: the path before every path of ours, as in the request line.
        public_url: what the administrator says that it is; it wins, but for clients of a relay of ours.
    """
    relayed = _RELAYED.match(_said(request, BASE_HEADER))
    if relayed and HOST.match(relayed["host"]) and _PREFIX.match(relayed["path"]):
        # A relay that leads people to us, and not to itself, takes their browser's host for ours.
        return public_url.rstrip("/") if public_url and relayed["path"] == root else relayed[0]
    if public_url:
        return public_url.rstrip("/")
    scheme = _said(request, "X-Forwarded-Proto").lower()
    host = _said(request, "X-Forwarded-Host")
    if scheme not in {"http", "https"}:
        scheme = request.protocol
    if not HOST.match(host):
        host = request.host
    return f"{scheme}://{host}{_stripped_prefix(request, root)}{root}"


def _stripped_prefix(request: HTTPServerRequest, root: str) -> str:
    """The path that a proxy took away before our root. Some tell it though they left it in its place."""
    found = _PREFIX.match(_said(request, "X-Forwarded-Prefix"))
    prefix = found[1] if found else ""
    return "" if f"{root}/".startswith(f"{prefix}/") else prefix


def _said(request: HTTPServerRequest, name: str) -> str:
    """What the proxy nearest to the client says; each further one adds its own after a comma."""
    first = request.headers.get(name, "").partition(",")[0].strip()
    return first if len(first) <= _LONGEST else ""
