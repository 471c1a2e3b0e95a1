"""Bytes on their way in: whole or not at all, refused at once, in constant memory."""

from __future__ import annotations

import concurrent.futures
from pathlib import Path

import pytest
import requests

from jupyter_tracking_server.artifact_stores.file_tree import UPLOADS
from tests.servers import Server

from .conftest import MEBIBYTE, PROXY, Artifacts, wait_until
from .raw import RawConnection, answer


@pytest.mark.parametrize(
    "headers", [b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"Content-Length: 0\r\n\r\n"]
)
def test_nothing_at_all_is_an_artifact_too(artifacts: Artifacts, headers: bytes) -> None:
    status, _, body = answer(artifacts.server, "PUT", f"{PROXY}{artifacts.root}/empty", headers)
    assert (status, body) == (200, b"{}")
    assert artifacts.path("empty").read_bytes() == b""
    got = artifacts.session.get(artifacts.url("empty"), timeout=30)
    assert (got.status_code, got.content, got.headers["Content-Length"]) == (200, b"", "0")


def test_chunks_of_any_size_are_put_together(artifacts: Artifacts) -> None:
    parts = [b"a" * size for size in (1, 65_536, 65_537, 3 * MEBIBYTE, 7)]
    reply = artifacts.session.put(artifacts.url("chunked"), data=iter(parts), timeout=30)
    assert reply.status_code == 200
    assert artifacts.path("chunked").read_bytes() == b"".join(parts)


@pytest.mark.parametrize("token", ["", "Authorization: Bearer wrong\r\n"])
@pytest.mark.parametrize(
    "framing",
    [
        "Content-Length: 1000000000000",
        "Transfer-Encoding: chunked",
        "Content-Length: 9\r\nExpect: 100-continue",
    ],
)
def test_a_stranger_is_refused_before_the_body_is_sent(
    artifacts: Artifacts, token: str, framing: str
) -> None:
    with RawConnection(artifacts.server) as connection:
        connection.send(
            f"PUT {PROXY}{artifacts.root}/x HTTP/1.1\r\nHost: localhost\r\n{token}{framing}\r\n\r\n".encode()
        )
        status, headers, body = connection.receive()
    assert status == 401
    assert b"www-authenticate: bearer" in headers.lower()
    assert b"UNAUTHENTICATED" in body


@pytest.mark.parametrize("size", [30 * MEBIBYTE, 100 * MEBIBYTE])
def test_a_client_that_sends_all_gets_to_read_the_refusal(artifacts: Artifacts, size: int) -> None:
    url = f"{artifacts.server.url}{PROXY}{artifacts.experiment}/{'0' * 32}/artifacts/x"
    chunks = (bytes(MEBIBYTE) for _ in range(size // MEBIBYTE))
    reply = artifacts.session.put(url, data=chunks, timeout=30)
    assert (reply.status_code, reply.json()["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")


@pytest.mark.parametrize("framing", ["Content-Length: 100000000", "Transfer-Encoding: chunked"])
@pytest.mark.parametrize("sent", [10, 5 * MEBIBYTE])
def test_a_client_that_goes_leaves_nothing(artifacts: Artifacts, framing: str, sent: int) -> None:
    artifacts.put("old", b"old")
    before = artifacts.files()
    for name in ("old", "new"):
        with RawConnection(artifacts.server) as connection:
            connection.send(
                f"PUT {PROXY}{artifacts.root}/{name} HTTP/1.1\r\nHost: localhost\r\n"
                f"Authorization: Bearer {artifacts.server.token}\r\n{framing}\r\n\r\n".encode()
            )
            part = bytes(sent)
            connection.send(f"{sent:x}\r\n".encode() + part if "chunked" in framing else part)
            if sent > MEBIBYTE:
                wait_until(lambda: artifacts.files() != before)
    wait_until(lambda: artifacts.files() == before)
    assert artifacts.path("old").read_bytes() == b"old"


def test_an_attempt_to_smuggle_a_second_request_is_refused(artifacts: Artifacts) -> None:
    before = artifacts.files()
    with RawConnection(artifacts.server) as connection:
        connection.send(
            f"PUT {PROXY}{artifacts.root}/x HTTP/1.1\r\nHost: localhost\r\n"
            f"Authorization: Bearer {artifacts.server.token}\r\n"
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".encode()
        )
        status, _, _ = connection.receive()
    assert status == 400
    wait_until(lambda: artifacts.files() == before)


def test_of_uploads_at_once_one_wins_whole(artifacts: Artifacts) -> None:
    contents = [bytes([number]) * (2 * MEBIBYTE + number) for number in range(8)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for _ in pool.map(
            lambda content: requests.put(
                artifacts.url("same"), data=content, headers=artifacts.server.headers, timeout=60
            ).raise_for_status(),
            contents,
        ):
            pass
    assert artifacts.path("same").read_bytes() in contents
    assert list((artifacts.folder / UPLOADS).iterdir()) == []


def test_a_browser_uploads_small_files(artifacts: Artifacts) -> None:
    url = f"{artifacts.server.url}/ajax-api/2.0/mlflow/upload-artifact"
    query = {"run_uuid": artifacts.run, "path": "folder/käse.txt"}
    reply = artifacts.session.post(url, params=query, data=b"text", timeout=30)
    assert (reply.status_code, reply.text) == (200, "{}")
    assert artifacts.path("folder/käse.txt").read_bytes() == b"text"
    for body in (bytes(10 * MEBIBYTE + 1), iter([bytes(10 * MEBIBYTE), b"x"])):
        reply = artifacts.session.post(url, params={**query, "path": "big"}, data=body, timeout=30)
        assert (reply.status_code, reply.json()["message"]) == (
            400,
            "Artifact size is too large. Max size is 10MB.",
        )
    reply = artifacts.session.post(url, params={**query, "path": "empty"}, timeout=30)
    assert (reply.status_code, reply.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert artifacts.files() >= {f"{artifacts.root}/folder/käse.txt"}
    assert not artifacts.path("big").exists()
    assert not artifacts.path("empty").exists()


def test_a_large_artifact_leaves_the_memory_of_the_server_alone(artifacts: Artifacts) -> None:
    size = 256 * MEBIBYTE
    artifacts.put("warm", bytes(8 * MEBIBYTE))
    before = peak_memory(artifacts.server)
    reply = artifacts.session.put(
        artifacts.url("large"), data=(bytes(MEBIBYTE) for _ in range(size // MEBIBYTE)), timeout=120
    )
    assert reply.status_code == 200
    received = 0
    with artifacts.session.get(artifacts.url("large"), stream=True, timeout=120) as got:
        for chunk in got.iter_content(MEBIBYTE):
            received += len(chunk)
    assert received == size
    assert peak_memory(artifacts.server) - before < 32 * MEBIBYTE
    artifacts.path("large").unlink()


def peak_memory(server: Server) -> int:
    """Bytes of the server's memory at its highest."""
    lines = Path(f"/proc/{server.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
