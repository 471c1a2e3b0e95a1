"""Addresses of the object store itself: off unless the administrator wants them, and good for one thing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from tests.object_servers import S3Server
from tests.servers import Server, start_standalone

from .conftest import MEBIBYTE, Artifacts, pattern
from .test_parts import begin, refused, send

API = "/api/2.0/mlflow-artifacts"


@pytest.fixture(scope="module")
def options(s3_server: S3Server) -> list[str]:
    return ["--artifacts-destination", f"s3://{s3_server.create_bucket()}/some/folder"]


@pytest.fixture(scope="module")
def plain(
    tmp_path_factory: pytest.TempPathFactory, s3_server: S3Server, options: list[str]
) -> Iterator[Artifacts]:
    """A server that hands out none."""
    folder = tmp_path_factory.mktemp("plain")
    with start_standalone(folder, options=options, variables=s3_server.environment) as running:
        yield Artifacts(running, folder)


@pytest.fixture(scope="module")
def signing(
    tmp_path_factory: pytest.TempPathFactory, s3_server: S3Server, options: list[str]
) -> Iterator[Artifacts]:
    """A server that does."""
    folder = tmp_path_factory.mktemp("signing")
    flags = [*options, "--presigned-urls"]
    with start_standalone(folder, options=flags, variables=s3_server.environment) as running:
        yield Artifacts(running, folder)


def info(server: Server) -> tuple[bool, bool]:
    found = requests.get(f"{server.url}/api/3.0/mlflow/server-info", timeout=30).json()
    return found["multipart_uploads_enabled"], found["multipart_downloads_enabled"]


def test_they_are_off_by_default(plain: Artifacts, s3_server: S3Server) -> None:
    assert info(plain.server) == (True, False)
    plain.put("a.txt", b"a")
    reply = plain.session.get(f"{plain.server.url}{API}/presigned/{plain.root}/a.txt", timeout=30)
    assert refused(reply) == (501, "NOT_IMPLEMENTED")
    upload = begin(plain, "b.bin")
    assert upload.urls[0].startswith(plain.server.url)
    assert urlsplit(s3_server.endpoint).netloc not in upload.urls[0]


def test_parts_go_to_the_store_itself(signing: Artifacts, s3_server: S3Server) -> None:
    assert info(signing.server) == (True, True)
    upload = begin(signing, "b.bin", 2)
    assert all(url.startswith(s3_server.endpoint) for url in upload.urls)
    content = pattern(6 * MEBIBYTE), b"rest"
    replies = [send(url, body) for url, body in zip(upload.urls, content, strict=True)]
    assert [reply.status_code for reply in replies] == [200, 200]
    assert upload.complete(*(reply.headers["ETag"] for reply in replies)).json() == {}
    got = signing.session.get(signing.url("b.bin"), timeout=30)
    assert got.content == b"".join(content)


def test_a_file_is_read_from_the_store_itself(signing: Artifacts, s3_server: S3Server) -> None:
    signing.put("sub/käse.txt", b"cheese")
    reply = signing.session.get(
        f"{signing.server.url}{API}/presigned/{signing.root}/sub/käse.txt", timeout=30
    )
    found = reply.json()
    assert found["file_size"] == 6
    assert found["url"].startswith(s3_server.endpoint)
    got = requests.get(found["url"], headers=found.get("headers", {}), timeout=30)
    assert (got.status_code, got.content) == (200, b"cheese")
    # Good for reading this one thing.
    assert requests.put(found["url"], data=b"evil", timeout=30).status_code == 403
    other = found["url"].replace("k%C3%A4se.txt", "other.txt")
    assert other != found["url"]
    assert requests.get(other, timeout=30).status_code == 403


def test_the_secret_key_is_in_no_address(signing: Artifacts, s3_server: S3Server) -> None:
    upload = begin(signing, "c.bin", 3)
    assert s3_server.secret_key not in " ".join(upload.urls)
    assert s3_server.secret_key not in signing.server.log.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("path", "verdict"),
    [
        ("{root}/none", (404, "RESOURCE_DOES_NOT_EXIST")),
        ("424242/{run}/artifacts/a", (404, "RESOURCE_DOES_NOT_EXIST")),
        ("{root}/..%2fa", (400, "INVALID_PARAMETER_VALUE")),
        ("", (404, "RESOURCE_DOES_NOT_EXIST")),
    ],
)
def test_what_is_not_the_callers_has_none(signing: Artifacts, path: str, verdict: tuple[int, str]) -> None:
    target = path.format(root=signing.root, run=signing.run)
    reply = signing.session.get(f"{signing.server.url}{API}/presigned/{target}", timeout=30)
    assert refused(reply) == verdict


def test_a_stranger_gets_none(signing: Artifacts) -> None:
    reply = requests.get(f"{signing.server.url}{API}/presigned/{signing.root}/a", timeout=30)
    assert refused(reply) == (401, "UNAUTHENTICATED")


@pytest.mark.parametrize("server", ["plain", "signing"])
def test_parts_that_the_store_finds_too_small_are_the_clients_fault(
    server: str, request: pytest.FixtureRequest
) -> None:
    artifacts: Artifacts = request.getfixturevalue(server)
    upload = begin(artifacts, "small.bin", 2)
    etags = [send(url, b"small").headers["ETag"] for url in upload.urls]
    reply = upload.complete(*etags)
    assert refused(reply) == (400, "INVALID_PARAMETER_VALUE")
    assert "MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE" in reply.json()["message"]
    assert artifacts.session.get(artifacts.url("small.bin"), timeout=30).status_code == 404


def test_a_folder_signs_nothing(tmp_path: Path) -> None:
    with start_standalone(tmp_path, options=["--presigned-urls"]) as running:
        assert info(running) == (True, False)
