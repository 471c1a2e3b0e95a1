"""Clients that end in the middle, or send other bytes than they say: nothing is seen of them afterwards."""

from __future__ import annotations

import base64
import hashlib
import subprocess
import sys
from urllib.parse import urlsplit

import pytest

from tests.artifact_stores.transfers import MEBIBYTE, noise
from tests.http.artifacts.raw import RawConnection
from tests.reliability.faulty_site import OLD, FaultySite, wait_until

CONTENTS = {"small": noise(2, MEBIBYTE), "large": noise(3, 12 * MEBIBYTE)}
ENDS = ["killed", "closed", "half closed"]
CLIENT = """
import http.client, os, sys

verb, host, target, token, size = sys.argv[1:]
connection = http.client.HTTPConnection(host)
connection.putrequest(verb, target)
connection.putheader("Authorization", f"Bearer {token}")
if verb == "PUT":
    connection.putheader("Content-Length", size)
connection.endheaders()
if verb == "PUT":
    connection.send(os.urandom(int(size) * 2 // 3))
else:
    connection.getresponse().read(int(size) * 2 // 3)
print("most of it", flush=True)
sys.stdin.read()
"""
"""A client that gets so far, says so, and does nothing more."""

pytestmark = pytest.mark.slow


def end_in_the_middle(site: FaultySite, how: str, verb: str, url: str, size: int) -> None:
    """Send or get two thirds of ``size`` bytes, and end; back when the server knows it."""
    # The address of a part is right enough, and a credential does no harm.
    token = site.server.token or ""
    where = urlsplit(url)
    target = f"{where.path}?{where.query}" if where.query else where.path
    if how == "killed":
        command = [sys.executable, "-c", CLIENT, verb, where.netloc, target, token, str(size)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as client:
            assert client.stdout is not None
            try:
                assert client.stdout.readline() == "most of it\n"
            finally:
                client.kill()
    else:
        head = f"{verb} {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n"
        with RawConnection(site.server) as connection:
            connection.send(f"{head}Authorization: Bearer {token}\r\n\r\n".encode())
            connection.send(bytes(size * 2 // 3))
            if how == "half closed":
                connection.end()
                assert not connection.rest().startswith(b"HTTP/1.1 200")
    wait_until(lambda: site.in_progress() == 0)


@pytest.mark.parametrize("how", ENDS)
@pytest.mark.parametrize("size", list(CONTENTS))
def test_of_an_upload_that_ends_short_nothing_is_left(
    site: FaultySite, name: str, size: str, how: str
) -> None:
    before = site.names()
    for target in (name, f"{name}.new"):
        end_in_the_middle(site, how, "PUT", site.url(target), len(CONTENTS[size]))
    wait_until(lambda: not site.unfinished(name) + site.unfinished(f"{name}.new"))
    assert site.stored(name) == site.file("GET", name).content == OLD
    assert site.file("GET", f"{name}.new").status_code == 404
    assert site.names() == before


@pytest.mark.parametrize("how", ENDS)
@pytest.mark.parametrize("size", list(CONTENTS))
def test_a_part_that_ends_short_is_none(site: FaultySite, name: str, size: str, how: str) -> None:
    content = CONTENTS[size]
    upload = site.begin(name)
    end_in_the_middle(site, how, "PUT", upload.urls[0], len(content))
    assert site.complete(upload, f'"{hashlib.md5(content).hexdigest()}"').status_code == 400
    reply = site.send_part(upload, content)
    assert site.stored(name) == OLD
    assert site.complete(upload, reply.headers["ETag"]).status_code == 200
    assert site.stored(name) == content


def test_a_client_that_is_killed_while_it_reads_leaves_nothing_running(site: FaultySite, name: str) -> None:
    end_in_the_middle(site, "killed", "GET", site.url(name), len(OLD))
    assert site.file("GET", name).content == OLD


def checksum_headers(content: bytes) -> list[tuple[str, str]]:
    """Each header that can tell a body's checksum, in each of its forms."""
    sha256, md5 = hashlib.sha256(content), hashlib.md5(content).digest()
    encoded, brief = base64.b64encode(sha256.digest()).decode(), base64.b64encode(md5).decode()
    return [
        ("Content-MD5", brief),
        ("x-checksum-sha256", sha256.hexdigest()),
        ("x-checksum-sha256", encoded),
        ("Digest", f"sha-256={encoded}"),
        ("Digest", f"md5={brief}"),
        ("Repr-Digest", f"sha-256=:{encoded}:"),
        ("Content-Digest", f"sha-256=:{encoded}:"),
    ]


@pytest.mark.parametrize("size", list(CONTENTS))
def test_bytes_that_have_another_checksum_are_refused(site: FaultySite, name: str, size: str) -> None:
    content = CONTENTS[size]
    other = content[:-1] + bytes([content[-1] ^ 1])
    upload, before = site.begin(name), site.names()
    for header, value in checksum_headers(content):
        for target in (name, f"{name}.new"):
            reply = site.file("PUT", target, data=other, headers={header: value})
            assert (reply.status_code, reply.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
            assert header in reply.json()["message"]
        reply = site.send_part(upload, other, headers={header: value})
        assert (reply.status_code, reply.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    wait_until(lambda: not site.unfinished(f"{name}.new") and len(site.unfinished(name)) == 1)
    assert site.stored(name) == OLD
    assert site.names() == before
    for header, value in checksum_headers(content):
        etag = site.send_part(upload, content, headers={header: value}).headers["ETag"]
    assert site.complete(upload, etag).status_code == 200
    assert site.stored(name) == content
