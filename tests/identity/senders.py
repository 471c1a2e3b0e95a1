"""Requests as the parts that tell who sent them see them."""

from __future__ import annotations

from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine

__all__ = ["sender"]


def sender(peer: str = "127.0.0.1", /, **headers: str) -> HTTPServerRequest:
    """A request with these headers; an underscore in a name stands for a hyphen."""
    given = HTTPHeaders({"Host": "127.0.0.1"})
    for name, value in headers.items():
        given[name.replace("_", "-")] = value
    request = HTTPServerRequest(start_line=RequestStartLine("GET", "/", "HTTP/1.1"), headers=given)
    request.remote_ip = peer
    return request
