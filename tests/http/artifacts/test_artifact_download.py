"""Bytes on their way out: headers, parts, conditions, and connections that break."""

from __future__ import annotations

import socket

import pytest

from .conftest import MEBIBYTE, PROXY, Artifacts, open_files, wait_until
from .raw import RawConnection


def test_browsers_are_told_to_do_nothing_with_it(artifacts: Artifacts) -> None:
    artifacts.put('käse "1".html', b"<script>alert(1)</script>")
    headers = artifacts.session.get(artifacts.url('käse "1".html'), timeout=30).headers
    assert headers["Content-Type"] == "application/octet-stream"
    assert headers["Content-Disposition"] == (
        "attachment; filename=\"k_se _1_.html\"; filename*=UTF-8''k%C3%A4se%20%221%22.html"
    )
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["Cache-Control"] == "private, no-store"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.png", "image/png"),
        ("a.JSON", "text/plain; charset=utf-8"),
        ("MLmodel", "text/plain; charset=utf-8"),
        ("a.svg", "image/svg+xml"),
        ("a.xhtml", "application/octet-stream"),
        ("a", "application/octet-stream"),
    ],
)
def test_types_come_from_a_list_of_harmless_ones(artifacts: Artifacts, name: str, kind: str) -> None:
    artifacts.put(name, b"x")
    assert artifacts.session.get(artifacts.url(name), timeout=30).headers["Content-Type"] == kind


@pytest.mark.parametrize(
    ("asked", "status", "content", "answered"),
    [
        ("bytes=0-0", 206, b"0", "bytes 0-0/10"),
        ("bytes=2-4", 206, b"234", "bytes 2-4/10"),
        ("Bytes=7-", 206, b"789", "bytes 7-9/10"),
        ("bytes=7-999", 206, b"789", "bytes 7-9/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=-999", 206, b"0123456789", "bytes 0-9/10"),
        ("bytes=0-", 206, b"0123456789", "bytes 0-9/10"),
        ("bytes=10-", 416, None, "bytes */10"),
        ("bytes=99-100", 416, None, "bytes */10"),
        ("bytes=-0", 416, None, "bytes */10"),
        ("bytes=4-2", 200, b"0123456789", None),
        ("bytes=-", 200, b"0123456789", None),
        ("bytes=a-b", 200, b"0123456789", None),
        ("bytes=0-1,3-4", 200, b"0123456789", None),
        ("lines=0-1", 200, b"0123456789", None),
        ("bytes=" + "9" * 5000 + "-", 200, b"0123456789", None),
    ],
)
def test_a_part_is_sent_if_it_is_asked_for(
    artifacts: Artifacts, asked: str, status: int, content: bytes | None, answered: str | None
) -> None:
    artifacts.put("digits", b"0123456789")
    reply = artifacts.session.get(artifacts.url("digits"), headers={"Range": asked}, timeout=30)
    assert (reply.status_code, reply.headers.get("Content-Range")) == (status, answered)
    if content is None:
        assert reply.json()["error_code"] == "INVALID_PARAMETER_VALUE"
    else:
        assert reply.content == content
        assert reply.headers["Content-Length"] == str(len(content))


def test_of_nothing_there_is_no_part(artifacts: Artifacts) -> None:
    artifacts.put("empty", b"")
    reply = artifacts.session.get(artifacts.url("empty"), headers={"Range": "bytes=0-"}, timeout=30)
    assert (reply.status_code, reply.headers["Content-Range"]) == (416, "bytes */0")


def test_what_the_client_has_is_not_sent_again(artifacts: Artifacts) -> None:
    artifacts.put("a", b"0123456789")
    url = artifacts.url("a")
    first = artifacts.session.get(url, timeout=30)
    etag, modified = first.headers["Etag"], first.headers["Last-Modified"]
    for headers in (
        {"If-None-Match": etag},
        {"If-None-Match": f'"x", W/{etag}'},
        {"If-None-Match": "*"},
        {"If-Modified-Since": modified},
    ):
        for verb in ("GET", "HEAD"):
            reply = artifacts.session.request(verb, url, headers=headers, timeout=30)
            assert (reply.status_code, reply.content) == (304, b"")
    artifacts.put("a", b"9876543210")
    reply = artifacts.session.get(url, headers={"If-None-Match": etag}, timeout=30)
    assert (reply.status_code, reply.content) == (200, b"9876543210")


def test_a_part_of_what_has_changed_is_the_whole(artifacts: Artifacts) -> None:
    artifacts.put("a", b"0123456789")
    url = artifacts.url("a")
    etag = artifacts.session.get(url, timeout=30).headers["Etag"]
    asked = {"Range": "bytes=5-", "If-Range": etag}
    assert artifacts.session.get(url, headers=asked, timeout=30).content == b"56789"
    artifacts.put("a", b"9876543210")
    reply = artifacts.session.get(url, headers=asked, timeout=30)
    assert (reply.status_code, reply.content) == (200, b"9876543210")


def test_a_client_that_does_not_read_on_frees_what_it_held(artifacts: Artifacts) -> None:
    artifacts.put("big", bytes(32 * MEBIBYTE))
    with RawConnection(artifacts.server) as connection:
        connection.send(
            f"GET {PROXY}{artifacts.root}/big HTTP/1.1\r\nHost: localhost\r\n"
            f"Authorization: Bearer {artifacts.server.token}\r\n\r\n".encode()
        )
        wait_until(lambda: len(open_files(artifacts.server)) == 1)
    wait_until(lambda: open_files(artifacts.server) == [])


def test_a_file_that_shrinks_is_not_sent_as_if_it_were_whole(artifacts: Artifacts) -> None:
    artifacts.put("big", bytes(64 * MEBIBYTE))
    with RawConnection(artifacts.server) as connection:
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        connection.send(
            f"GET {PROXY}{artifacts.root}/big HTTP/1.1\r\nHost: localhost\r\n"
            f"Authorization: Bearer {artifacts.server.token}\r\n\r\n".encode()
        )
        wait_until(lambda: len(open_files(artifacts.server)) == 1)
        with artifacts.path("big").open("r+b") as file:
            file.truncate(MEBIBYTE)
        received = connection.rest()
    assert len(received) < 64 * MEBIBYTE
    wait_until(lambda: open_files(artifacts.server) == [])
