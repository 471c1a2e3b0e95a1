"""Heads of requests and replies on their way through the relay: what is dropped, and what is added.

A request loses what is Jupyter's (cookies, tokens, where the page comes from) and what would tell the service
that somebody else asks; it gets the service's credential. A reply loses what would act on the browser's
relation to Jupyter (cookies, permissions for other origins), and cannot run in it.
"""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

from tornado.httputil import HTTPHeaders, HTTPServerRequest

from jupyter_tracking.protocol.errors import InvalidParameterValue

from .base_url import BASE_HEADER
from .relay_upstream import Upstream

__all__ = ["check_path", "forwarded", "location", "reply_headers", "request_headers"]

_HOP = frozenset(
    {
        *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection"),
        *("te", "trailer", "transfer-encoding", "upgrade", "http2-settings"),
    }
)
_NOT_SENT = _HOP | {
    *("host", "expect", "cookie", "authorization", "x-xsrftoken", "x-csrftoken"),
    *("origin", "referer", "forwarded", "via", "x-real-ip", "x-request-id"),
    BASE_HEADER.lower(),
}
_NOT_SENT_LIKE = ("sec-", "x-forwarded-", "x-remote-", "remote-", "x-auth-", "x-ssl-", "x-client-", "ssl-")
"""What proxies say of who asks, and from where. The service may trust this machine in that."""
_NOT_PASSED = _HOP | {
    *("set-cookie", "set-cookie2", "www-authenticate", "server", "clear-site-data"),
    *("strict-transport-security", "alt-svc", "service-worker-allowed", "refresh", "location"),
}
_NOT_PASSED_LIKE = ("access-control-",)
SANDBOX = "sandbox; default-src 'none'; frame-ancestors 'none'"

_DOTS = frozenset({".", ".."})
_BREAKS = re.compile(r"[/\\]")


def check_path(path: str) -> None:
    """Refuse a path that might lead out of the service's prefix, however often somebody decodes it.

    Raises:
        InvalidParameterValue
    """
    before = ""
    for _ in range(4):
        for segment in _BREAKS.split(path):
            if segment.partition(";")[0] in _DOTS:
                raise InvalidParameterValue("Invalid path: it must not have a segment of dots.")
        if any(ord(character) < 32 or ord(character) == 127 for character in path):
            raise InvalidParameterValue("Invalid path: it must not have control characters.")
        before, path = path, unquote(path, errors="replace")
        if path == before:
            return


def request_headers(request: HTTPServerRequest, upstream: Upstream, *, sign: bool) -> HTTPHeaders:
    """What the service gets.

    Args:
        request: as the client sent it.
        upstream: the service.
        sign: add the credential.
    """
    sent = HTTPHeaders({"Host": upstream.host})
    named = _named(request.headers)
    for name, value in request.headers.get_all():
        lower = name.lower()
        if lower not in _NOT_SENT and lower not in named and not lower.startswith(_NOT_SENT_LIKE):
            sent.add(name, value)
    if sign and upstream.service.credentials.authorization:
        sent["Authorization"] = upstream.service.credentials.authorization
    return sent


def forwarded(base: str) -> dict[str, str]:
    """By which the service learns the address of this relay as the client sees it."""
    parts = urlsplit(base)
    return {
        "X-Forwarded-Proto": parts.scheme,
        "X-Forwarded-Host": parts.netloc,
        "X-Forwarded-Prefix": parts.path,
        BASE_HEADER: base,
    }


def reply_headers(headers: HTTPHeaders, upstream: Upstream, base: str) -> HTTPHeaders:
    """What the client gets."""
    passed = HTTPHeaders()
    named = _named(headers)
    for name, value in headers.get_all():
        lower = name.lower()
        if lower not in _NOT_PASSED and lower not in named and not lower.startswith(_NOT_PASSED_LIKE):
            passed.add(name, value)
    passed.add("Content-Security-Policy", SANDBOX)
    passed["X-Content-Type-Options"] = "nosniff"
    if "Cache-Control" not in passed:
        passed["Cache-Control"] = "no-store"
    if "Location" in headers:
        passed["Location"] = location(headers["Location"], upstream, base)
    return passed


def location(target: str, upstream: Upstream, base: str) -> str:
    """Where a redirect leads by way of the relay; one that leads elsewhere stays as it is."""
    path = target.removeprefix(upstream.origin) if target.startswith(f"{upstream.origin}/") else target
    if not path.startswith("/") or path.startswith("//"):
        return target
    if path == upstream.prefix or path.startswith(f"{upstream.prefix}/"):
        return base + path[len(upstream.prefix) :]
    return upstream.origin + path


def _named(headers: HTTPHeaders) -> set[str]:
    """The headers that ``Connection`` says to be for the next hop alone."""
    return {name.strip().lower() for name in headers.get("Connection", "").split(",")} - {"content-length"}
