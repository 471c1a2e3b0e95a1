"""Bytes on their way out: headers, parts, conditions, and connections that break."""

from __future__ import annotations

import base64
import hashlib
import os
import socket
from email import message_from_bytes
from email.message import Message

import pytest
import requests

from .conftest import MEBIBYTE, PROXY, Artifacts, open_files, pattern, wait_until
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
        ("bytes=0-1,a-b", 200, b"0123456789", None),
        ("bytes=" + ",".join(["0-1"] * 17), 200, b"0123456789", None),
        ("bytes=" + ",".join(["0-9"] * 16), 206, b"0123456789", "bytes 0-9/10"),
        ("bytes=0-4, 3-6,,5-", 206, b"0123456789", "bytes 0-9/10"),
        ("bytes=90-99,7-7", 206, b"7", "bytes 7-7/10"),
        ("bytes=90-99,100-", 416, None, "bytes */10"),
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


def parts_of(reply: requests.Response) -> list[tuple[str, bytes]]:
    """Range and content of each part of a reply that has several."""
    assert reply.status_code == 206
    assert reply.headers["Content-Length"] == str(len(reply.content))
    head = f"Content-Type: {reply.headers['Content-Type']}\r\n\r\n".encode()
    message = message_from_bytes(head + reply.content)
    assert message.get_content_type() == "multipart/byteranges"
    found = []
    for part in message.get_payload():
        assert isinstance(part, Message)
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        found.append((str(part["Content-Range"]), content))
    return found


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("bytes=0-1,4-5", [("bytes 0-1/10", b"01"), ("bytes 4-5/10", b"45")]),
        ("bytes=-2,0-0", [("bytes 8-9/10", b"89"), ("bytes 0-0/10", b"0")]),
        ("bytes=8-,0-2,1-3,99-", [("bytes 0-3/10", b"0123"), ("bytes 8-9/10", b"89")]),
    ],
)
def test_parts_come_in_one_reply(artifacts: Artifacts, asked: str, expected: list[tuple[str, bytes]]) -> None:
    artifacts.put("digits", b"0123456789")
    reply = artifacts.session.get(artifacts.url("digits"), headers={"Range": asked}, timeout=30)
    assert parts_of(reply) == expected


def test_parts_of_a_large_file_are_whole(artifacts: Artifacts) -> None:
    content = pattern(5 * MEBIBYTE)
    artifacts.put("large", content)
    asked = {"Range": f"bytes=1-{2 * MEBIBYTE},{3 * MEBIBYTE}-"}
    found = parts_of(artifacts.session.get(artifacts.url("large"), headers=asked, timeout=30))
    assert [part for _, part in found] == [content[1 : 2 * MEBIBYTE + 1], content[3 * MEBIBYTE :]]


def test_an_artifact_is_named_by_its_checksum(artifacts: Artifacts) -> None:
    content = b"0123456789"
    digest = hashlib.sha256(content)
    encoded = base64.b64encode(digest.digest()).decode()
    artifacts.put("a", content)
    for verb, more in (("GET", {}), ("HEAD", {}), ("GET", {"Range": "bytes=0-1"})):
        headers = artifacts.session.request(verb, artifacts.url("a"), headers=more, timeout=30).headers
        assert headers["Etag"] == f'"{digest.hexdigest()}"'
        assert headers["Digest"] == f"sha-256={encoded}"
        assert headers["Repr-Digest"] == f"sha-256=:{encoded}:"


def test_another_version_than_the_one_asked_for_is_refused(artifacts: Artifacts) -> None:
    artifacts.put("a", b"0123456789")
    url = artifacts.url("a")
    etag = artifacts.session.get(url, timeout=30).headers["Etag"]
    for tags in (etag, f'"x", {etag}', "*"):
        asked = {"If-Match": tags, "Range": "bytes=5-"}
        assert artifacts.session.get(url, headers=asked, timeout=30).content == b"56789"
    for tags in ('"x"', f"W/{etag}"):
        reply = artifacts.session.get(url, headers={"If-Match": tags}, timeout=30)
        assert (reply.status_code, reply.json()["error_code"]) == (412, "PRECONDITION_FAILED")
        assert artifacts.session.head(url, headers={"If-Match": tags}, timeout=30).status_code == 412


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
    for parts in ("bytes=5-", "bytes=0-0,5-5", "bytes=99-"):
        asked = {"Range": parts, "If-Range": etag}
        assert artifacts.session.get(url, headers=asked, timeout=30).status_code in {206, 416}
        reply = artifacts.session.get(url, headers={**asked, "If-Range": '"x"'}, timeout=30)
        assert (reply.status_code, reply.content) == (200, b"0123456789")
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


@pytest.mark.parametrize("size", [10, 3 * MEBIBYTE])
def test_bytes_that_changed_in_the_store_never_pass_as_whole(artifacts: Artifacts, size: int) -> None:
    """Damage that leaves size and times as they were: the last bytes are not given."""
    artifacts.put("damaged.bin", pattern(size))
    url, path = artifacts.url("damaged.bin"), artifacts.path("damaged.bin")
    assert artifacts.session.get(url, timeout=30).content == pattern(size)
    before = path.stat()
    with path.open("r+b") as file:
        file.seek(size // 2)
        file.write(b"\xff")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises((requests.exceptions.ChunkedEncodingError, requests.exceptions.ConnectionError)):
        assert artifacts.session.get(url, timeout=30).content
    # A part of it cannot be judged.
    assert artifacts.session.get(url, headers={"Range": "bytes=0-3"}, timeout=30).content == pattern(4)
