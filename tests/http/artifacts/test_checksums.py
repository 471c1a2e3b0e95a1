"""Checksums and conditions of uploads: what is not as it was said, or not wanted any more, is not stored."""

from __future__ import annotations

import base64
import hashlib

import pytest

from .conftest import MEBIBYTE, Artifacts, pattern, wait_until
from .raw import RawConnection

CONTENT = b"0123456789"
SHA256 = hashlib.sha256(CONTENT)
MD5 = base64.b64encode(hashlib.md5(CONTENT).digest()).decode()
BASE64 = base64.b64encode(SHA256.digest()).decode()
OTHER = base64.b64encode(hashlib.sha256(b"other").digest()).decode()
OTHER_MD5 = base64.b64encode(hashlib.md5(b"other").digest()).decode()


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-MD5": MD5},
        {"x-checksum-sha256": SHA256.hexdigest()},
        {"x-checksum-sha256": BASE64},
        {"Digest": f"SHA-256={BASE64}"},
        {"Digest": f"sha-512=AAAA, sha-256={BASE64}, md5={MD5}"},
        {"Digest": "unixsum=30637"},
        {"Repr-Digest": f"sha-256=:{BASE64}:"},
        {"Content-Digest": f"sha-512=:AAAA:, sha-256=:{BASE64}:", "Content-MD5": MD5},
    ],
)
def test_what_is_as_it_was_said_is_stored(artifacts: Artifacts, headers: dict[str, str]) -> None:
    reply = artifacts.session.put(artifacts.url("a"), data=CONTENT, headers=headers, timeout=30)
    assert (reply.status_code, reply.text) == (200, "{}")
    assert reply.headers["Etag"] == f'"{SHA256.hexdigest()}"'
    assert reply.headers["Digest"] == f"sha-256={BASE64}"
    assert artifacts.path("a").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Content-MD5", OTHER_MD5),
        ("x-checksum-sha256", hashlib.sha256(b"other").hexdigest()),
        ("Digest", f"sha-256={OTHER}"),
        ("Digest", f"md5={OTHER_MD5}"),
        ("Repr-Digest", f"sha-256=:{OTHER}:"),
        ("Content-Digest", f"sha-256=:{OTHER}:"),
    ],
)
def test_of_what_was_changed_on_its_way_nothing_is_stored(
    artifacts: Artifacts, name: str, value: str
) -> None:
    artifacts.put("a", b"old")
    before = artifacts.files()
    for size in (10, 3 * MEBIBYTE):
        reply = artifacts.session.put(
            artifacts.url("a"), data=pattern(size), headers={name: value}, timeout=30
        )
        assert (reply.status_code, reply.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
        assert name in reply.json()["message"]
    assert artifacts.path("a").read_bytes() == b"old"
    wait_until(lambda: artifacts.files() == before)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Content-MD5", "x"),
        ("Content-MD5", BASE64),
        ("Content-MD5", f"{MD5},{MD5}"),
        ("x-checksum-sha256", SHA256.hexdigest()[:-1]),
        ("x-checksum-sha256", ""),
        ("Digest", "sha-256="),
        ("Digest", f"sha-256={SHA256.hexdigest()}"),
        ("Repr-Digest", f"sha-256=:{MD5}:"),
    ],
)
def test_a_checksum_that_is_none_is_refused_before_the_body(
    artifacts: Artifacts, name: str, value: str
) -> None:
    with RawConnection(artifacts.server) as connection:
        connection.send(
            f"PUT {artifacts.url('a').removeprefix(artifacts.server.url)} HTTP/1.1\r\nHost: localhost\r\n"
            f"Authorization: Bearer {artifacts.server.token}\r\n"
            f"Content-Length: 1000000\r\n{name}: {value}\r\n\r\n".encode()
        )
        status, _, body = connection.receive()
    assert (status, name.encode() in body) == (400, True)
    assert not artifacts.path("a").exists()


def test_an_upload_may_be_to_create_only(artifacts: Artifacts) -> None:
    url, create = artifacts.url("a"), {"If-None-Match": "*"}
    assert artifacts.session.put(url, data=b"first", headers=create, timeout=30).status_code == 200
    for body in (b"second", iter([b"second"])):
        reply = artifacts.session.put(url, data=body, headers=create, timeout=30)
        assert (reply.status_code, reply.json()["error_code"]) == (412, "PRECONDITION_FAILED")
    assert artifacts.path("a").read_bytes() == b"first"


def test_an_upload_may_be_to_replace_one_version(artifacts: Artifacts) -> None:
    url = artifacts.url("a")
    for tag in ("*", '"x"'):
        reply = artifacts.session.put(url, data=b"first", headers={"If-Match": tag}, timeout=30)
        assert reply.status_code == 412
    first = artifacts.session.put(url, data=b"first", timeout=30).headers["Etag"]
    second = artifacts.session.put(url, data=b"second", headers={"If-Match": first}, timeout=30)
    assert second.status_code == 200
    reply = artifacts.session.put(url, data=b"third", headers={"If-Match": first}, timeout=30)
    assert (reply.status_code, reply.json()["error_code"]) == (412, "PRECONDITION_FAILED")
    assert artifacts.path("a").read_bytes() == b"second"


def test_what_came_first_wins_even_while_the_body_comes(artifacts: Artifacts) -> None:
    with RawConnection(artifacts.server) as connection:
        connection.send(
            f"PUT {artifacts.url('a').removeprefix(artifacts.server.url)} HTTP/1.1\r\nHost: localhost\r\n"
            f"Authorization: Bearer {artifacts.server.token}\r\n"
            "Content-Length: 5\r\nIf-None-Match: *\r\n\r\nla".encode()
        )
        artifacts.put("a", b"first")
        connection.send(b"ter")
        status, _, _ = connection.receive()
    assert status == 412
    assert artifacts.path("a").read_bytes() == b"first"
