"""Parts on their way in: the signature is the right, and a part is whole or absent."""

from __future__ import annotations

import base64
import hashlib
import json
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
import requests

from jupyter_tracking_server.artifact_stores.file_tree import UPLOADS
from jupyter_tracking_server.services.part_urls import DAY, HOUR, PartUrls, lifetime
from jupyter_tracking_server.store.page_secret import META_ROW
from tests.servers import Postgres, Server, start_embedded, start_standalone

from .conftest import MEBIBYTE, Artifacts, open_files, pattern, wait_until
from .raw import RawConnection

MPU = "/api/2.0/mlflow-artifacts/mpu"
SECRET_SQL = f"SELECT value FROM meta WHERE name = '{META_ROW}'"


@dataclass
class Upload:
    """An upload in parts as its client has it."""

    artifacts: Artifacts
    name: str
    upload_id: str
    urls: list[str]

    def ask(self, call: str, server: Server | None = None, **body: object) -> requests.Response:
        where = (server or self.artifacts.server).url
        return self.artifacts.session.post(
            f"{where}{MPU}/{call}/{self.artifacts.root}",
            json={"path": self.name, "upload_id": self.upload_id, **body},
            timeout=60,
        )

    def complete(self, *etags: str, server: Server | None = None) -> requests.Response:
        parts = [{"part_number": number, "etag": etag} for number, etag in enumerate(etags, 1)]
        return self.ask("complete", server, parts=parts)


def begin(artifacts: Artifacts, name: str, parts: int = 1, **headers: str) -> Upload:
    reply = artifacts.session.post(
        f"{artifacts.server.url}{MPU}/create/{artifacts.root}",
        json={"path": name, "num_parts": parts},
        headers=headers,
        timeout=60,
    )
    assert reply.status_code == 200, reply.text
    found = reply.json()
    return Upload(artifacts, name, found["upload_id"], [item["url"] for item in found["credentials"]])


def send(url: str, body: Any = b"part", **headers: str) -> requests.Response:
    """A part as clients send it: without a credential."""
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    return requests.put(url, data=body, headers=more, timeout=60)


def stored_part(url: str, body: bytes) -> str:
    reply = send(url, body)
    assert (reply.status_code, reply.text) == (200, "{}")
    return reply.headers["ETag"]


def refused(reply: requests.Response) -> tuple[int, str]:
    assert set(reply.json()) == {"error_code", "message"}
    return reply.status_code, reply.json()["error_code"]


def raw_part(url: str, rest: str) -> bytes:
    """A request for a part; ``rest`` are its further headers."""
    target = urlsplit(url)
    return f"PUT {target.path}?{target.query} HTTP/1.1\r\nHost: localhost\r\n{rest}\r\n\r\n".encode()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, postgres_server: Postgres
) -> Iterator[Server]:
    backend = postgres_server.create_database() if request.param == "postgresql" else None
    folder = tmp_path_factory.mktemp(request.param)
    with start_standalone(folder, backend=backend) as running:
        (folder / "backend").write_text(backend or "")
        yield running
    if backend:
        postgres_server.drop_database(backend)


def backend_of(server: Server) -> str:
    return (server.log.parent / "backend").read_text() or f"sqlite:///{server.log.parent}/tracking.db"


def sql(server: Server, statement: str) -> list[tuple[Any, ...]]:
    """What the server's database says."""
    backend = backend_of(server)
    if backend.startswith("sqlite"):
        connection = sqlite3.connect(backend.removeprefix("sqlite:///"), timeout=30)
        try:
            return connection.execute(statement).fetchall()
        finally:
            connection.commit()
            connection.close()
    with psycopg.connect(backend, autocommit=True) as postgres:
        cursor = postgres.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def signed(server: Server, upload_id: str, number: int, expires: int) -> str:
    """An address as the server itself would make it."""
    secret = bytes.fromhex(sql(server, SECRET_SQL)[0][0])
    return PartUrls(secret).url(server.url, upload_id, number, expires)


def now() -> int:
    return int(time.time())


def test_an_address_is_enough(artifacts: Artifacts) -> None:
    upload = begin(artifacts, "a.bin", 2)
    content = pattern(6 * MEBIBYTE), b"rest"
    etags = [stored_part(url, body) for url, body in zip(upload.urls, content, strict=True)]
    assert all(etag.startswith('"') for etag in etags)
    assert upload.complete(*etags).json() == {}
    assert artifacts.path("a.bin").read_bytes() == b"".join(content)


@pytest.mark.parametrize("prefix", ["api/2.0", "api/3.0", "ajax-api/2.0", "ajax-api/3.0"])
def test_parts_go_where_all_else_goes(artifacts: Artifacts, prefix: str) -> None:
    upload = begin(artifacts, "p.bin")
    etag = stored_part(upload.urls[0].replace("/api/2.0/", f"/{prefix}/"), b"part")
    assert upload.complete(etag).json() == {}


def test_an_address_is_good_for_an_hour_to_a_day(artifacts: Artifacts) -> None:
    assert lifetime(1) >= HOUR
    assert lifetime(10_000) == DAY
    upload = begin(artifacts, "t.bin", 60)
    expires = int(urlsplit(upload.urls[0]).query.partition("expires=")[2].partition("&")[0])
    assert now() + HOUR < expires < now() + 3 * HOUR


@pytest.mark.parametrize(
    "change",
    [
        lambda url: url[:-1] + ("0" if url[-1] != "0" else "1"),
        lambda url: url.partition("&signature=")[0],
        lambda url: url.partition("?")[0],
        lambda url: url.partition("&signature=")[0] + "&signature=",
        lambda url: url.replace("&signature=", "&signature=%C3%A9"),
        lambda url: url.replace("&signature=", "&signature=0" * 64 + "&signature="),
        lambda url: url.replace("?expires=", "?expires=1&expires="),
        lambda url: url.replace("?expires=", "?expires=9"),
        lambda url: url.replace("?expires=", "?expires=+"),
        lambda url: url.replace("/1?", "/2?"),
        lambda url: url.replace("/1?", "/01?"),
        lambda url: url.replace("/1?", "/0?"),
        lambda url: url.replace("/1?", "/10001?"),
        lambda url: url.replace("/mpu/part/", "/mpu/part/x"),
    ],
)
def test_an_address_that_was_tampered_with_is_refused(artifacts: Artifacts, change: Any) -> None:
    upload = begin(artifacts, "s.bin")
    before = artifacts.files()
    assert refused(send(change(upload.urls[0]))) == (403, "PERMISSION_DENIED")
    assert artifacts.files() == before
    # The server's token is no substitute.
    reply = send(change(upload.urls[0]), Authorization=artifacts.server.headers["Authorization"])
    assert reply.status_code == 403


@pytest.mark.parametrize("path", ["x", "-1", "1/2", "100000", "1%00", "%D9%A1"])
def test_what_is_no_number_is_no_address(artifacts: Artifacts, path: str) -> None:
    upload = begin(artifacts, "n.bin")
    assert send(upload.urls[0].replace("/1?", f"/{path}?")).status_code == 404


def test_an_address_expires(artifacts: Artifacts) -> None:
    upload = begin(artifacts, "e.bin")
    server = artifacts.server
    assert refused(send(signed(server, upload.upload_id, 1, now() - 2))) == (403, "PERMISSION_DENIED")
    assert send(signed(server, upload.upload_id, 1, now() + 60)).status_code == 200


def test_the_address_of_another_upload_is_of_no_use(artifacts: Artifacts) -> None:
    first, second = begin(artifacts, "1.bin"), begin(artifacts, "2.bin")
    mixed = first.urls[0].replace(first.upload_id, second.upload_id)
    assert refused(send(mixed)) == (403, "PERMISSION_DENIED")
    etag = stored_part(first.urls[0], b"part")
    assert refused(second.complete(etag)) == (400, "INVALID_PARAMETER_VALUE")
    stored_part(second.urls[0], b"other")
    assert second.complete(stored_part(second.urls[0], b"part")).json() == {}
    assert artifacts.path("2.bin").read_bytes() == b"part"


def test_after_the_end_there_is_no_upload(artifacts: Artifacts) -> None:
    upload = begin(artifacts, "done.bin")
    etag = stored_part(upload.urls[0], b"part")
    assert upload.complete(etag).json() == {}
    assert refused(send(upload.urls[0], b"late")) == (404, "RESOURCE_DOES_NOT_EXIST")
    assert artifacts.path("done.bin").read_bytes() == b"part"
    aborted = begin(artifacts, "aborted.bin")
    stored_part(aborted.urls[0], b"part")
    assert aborted.ask("abort").json() == {}
    assert refused(send(aborted.urls[0], b"late")) == (404, "RESOURCE_DOES_NOT_EXIST")
    assert not artifacts.path("aborted.bin").exists()
    none = signed(artifacts.server, "A" * 32, 1, now() + 60)
    assert refused(send(none)) == (404, "RESOURCE_DOES_NOT_EXIST")


def test_a_part_says_its_length(artifacts: Artifacts) -> None:
    before = artifacts.files()
    upload = begin(artifacts, "c.bin")
    assert refused(send(upload.urls[0], iter([b"part"]))) == (400, "INVALID_PARAMETER_VALUE")
    huge = raw_part(upload.urls[0], f"Content-Length: {5 * 2**30 + 1}")
    with RawConnection(artifacts.server) as connection:
        connection.send(huge)
        status, _, body = connection.receive()
    assert (status, b"too large" in body) == (400, True)
    wait_until(lambda: open_files(artifacts.server) == [])
    assert refused(upload.complete('"x"')) == (400, "INVALID_PARAMETER_VALUE")
    assert upload.ask("abort").json() == {}
    assert artifacts.files() == before


@pytest.mark.parametrize(("announced", "sent"), [(100, 50), (20 * MEBIBYTE, 8 * MEBIBYTE)])
def test_a_part_of_which_some_is_missing_is_no_part(artifacts: Artifacts, announced: int, sent: int) -> None:
    before = artifacts.files()
    upload = begin(artifacts, "l.bin")
    with RawConnection(artifacts.server) as connection:
        connection.send(raw_part(upload.urls[0], f"Content-Length: {announced}"))
        connection.send(pattern(sent))
        if sent > MEBIBYTE:
            wait_until(lambda: open_files(artifacts.server) != [])
    wait_until(lambda: open_files(artifacts.server) == [])
    assert refused(upload.complete('"x"')) == (400, "INVALID_PARAMETER_VALUE")
    assert not artifacts.path("l.bin").exists()
    assert upload.complete(stored_part(upload.urls[0], b"whole")).json() == {}
    assert artifacts.path("l.bin").read_bytes() == b"whole"
    artifacts.path("l.bin").unlink()
    assert artifacts.files() == before


def test_what_comes_after_a_part_is_not_of_it(artifacts: Artifacts) -> None:
    upload = begin(artifacts, "m.bin")
    with RawConnection(artifacts.server) as connection:
        connection.send(raw_part(upload.urls[0], "Content-Length: 4") + b"partand more\r\n\r\n")
        status, head, _ = connection.receive()
        assert status == 200
        # Taken for a second request, which is none.
        assert not connection.rest().startswith(b"HTTP/1.1 200")
    etag = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"etag:"))
    assert upload.complete(etag.partition(b": ")[2].decode()).json() == {}
    assert artifacts.path("m.bin").read_bytes() == b"part"


def checksums(body: bytes) -> dict[str, str]:
    sha256 = hashlib.sha256(body)
    md5 = hashlib.md5(body, usedforsecurity=False).digest()
    encoded = base64.b64encode(sha256.digest()).decode()
    return {
        "Content-MD5": base64.b64encode(md5).decode(),
        "x-checksum-sha256": sha256.hexdigest(),
        "Digest": f"sha-256={encoded}",
        "Content-Digest": f"sha-256=:{encoded}:",
    }


@pytest.mark.parametrize("header", list(checksums(b"")))
def test_a_part_is_held_against_its_checksum(artifacts: Artifacts, header: str) -> None:
    upload = begin(artifacts, "h.bin")
    body = pattern(2 * MEBIBYTE)
    wrong = send(upload.urls[0], body, **{header: checksums(b"other")[header]})
    assert refused(wrong) == (400, "INVALID_PARAMETER_VALUE")
    assert header in wrong.json()["message"]
    assert refused(upload.complete('"x"')) == (400, "INVALID_PARAMETER_VALUE")
    right = send(upload.urls[0], body, **{header: checksums(body)[header]})
    assert upload.complete(right.headers["ETag"]).json() == {}
    assert artifacts.path("h.bin").read_bytes() == body


def test_another_servers_parts_count(artifacts: Artifacts, tmp_path: Path) -> None:
    """Two servers on one database and one store: what matters of an upload lives in neither process."""
    first = artifacts.server
    options = [
        "--artifacts-destination",
        str(artifacts.folder),
        "--token-file",
        str(first.log.parent / "token"),
    ]
    (first.log.parent / "token").write_text(f"{first.token}\n")
    with start_standalone(tmp_path, backend=backend_of(first), options=options) as second:
        upload = begin(artifacts, "two.bin", 2)
        content = pattern(5 * MEBIBYTE), b"rest"
        one = stored_part(upload.urls[0], content[0])
        two = stored_part(upload.urls[1].replace(first.url, second.url), content[1])
        assert upload.complete(one, two, server=second).json() == {}
        assert upload.complete(one, two, server=first).json() == {}
        assert refused(send(upload.urls[0])) == (404, "RESOURCE_DOES_NOT_EXIST")
    assert artifacts.path("two.bin").read_bytes() == b"".join(content)


def test_an_upload_in_use_is_noted_as_such_now_and_then(artifacts: Artifacts) -> None:
    upload = begin(artifacts, "u.bin", 2)
    of_it = f"WHERE upload_id = '{upload.upload_id}'"
    recent = (now() - 30) * 1000
    sql(artifacts.server, f"UPDATE artifact_uploads SET touched = {recent} {of_it}")
    stored_part(upload.urls[0], b"part")
    assert sql(artifacts.server, f"SELECT touched FROM artifact_uploads {of_it}") == [(recent,)]
    old = (now() - 3600) * 1000
    sql(artifacts.server, f"UPDATE artifact_uploads SET touched = {old} {of_it}")
    stored_part(upload.urls[1], b"part")
    ((touched,),) = sql(artifacts.server, f"SELECT touched FROM artifact_uploads {of_it}")
    assert touched > recent


def test_abandoned_uploads_are_swept_when_a_server_starts(artifacts: Artifacts, tmp_path: Path) -> None:
    old, fresh = begin(artifacts, "old.bin"), begin(artifacts, "fresh.bin")
    done = begin(artifacts, "done.bin")
    assert done.complete(stored_part(done.urls[0], b"done")).json() == {}
    stored_part(old.urls[0], pattern(MEBIBYTE))
    ((store_upload,),) = sql(
        artifacts.server, f"SELECT store_upload FROM artifact_uploads WHERE upload_id = '{old.upload_id}'"
    )
    assert (artifacts.folder / UPLOADS / store_upload).exists()
    day_before = (now() - DAY - 60) * 1000
    for upload in (old, done):
        sql(
            artifacts.server,
            f"UPDATE artifact_uploads SET touched = {day_before} WHERE upload_id = '{upload.upload_id}'",
        )

    def known() -> set[str]:
        return {upload_id for (upload_id,) in sql(artifacts.server, "SELECT upload_id FROM artifact_uploads")}

    options = ["--artifacts-destination", str(artifacts.folder)]
    with start_standalone(tmp_path, backend=backend_of(artifacts.server), options=options):
        wait_until(lambda: known().isdisjoint({old.upload_id, done.upload_id}))
    assert fresh.upload_id in known()
    assert refused(send(old.urls[0])) == (404, "RESOURCE_DOES_NOT_EXIST")
    assert not (artifacts.folder / UPLOADS / store_upload).exists()
    assert artifacts.path("done.bin").read_bytes() == b"done"
    assert fresh.complete(stored_part(fresh.urls[0], b"fresh")).json() == {}


def test_a_foreign_host_is_no_way_in(artifacts: Artifacts) -> None:
    upload = begin(artifacts, "f.bin")
    assert refused(send(upload.urls[0], Host="evil.example")) == (403, "PERMISSION_DENIED")


def test_other_verbs_are_not_served(artifacts: Artifacts) -> None:
    upload = begin(artifacts, "v.bin")
    for verb in ("GET", "HEAD", "POST", "DELETE", "PATCH"):
        reply = requests.request(verb, upload.urls[0], timeout=30)
        assert reply.status_code == 404, verb


def test_a_server_without_the_proxy_takes_no_parts(artifacts: Artifacts, tmp_path: Path) -> None:
    upload = begin(artifacts, "w.bin")
    options = ["--no-serve-artifacts"]
    with start_standalone(tmp_path, backend=backend_of(artifacts.server), options=options) as other:
        reply = send(upload.urls[0].replace(artifacts.server.url, other.url))
        assert refused(reply) == (501, "NOT_IMPLEMENTED")


@pytest.mark.parametrize("closed", [False, True])
def test_inside_jupyter_an_address_is_enough(tmp_path: Path, closed: bool) -> None:
    options = ["--ServerApp.max_body_size=100000"]
    if closed:
        options.append("--ServerApp.allow_unauthenticated_access=False")
    with start_embedded(tmp_path, options=options) as running:
        inside = Artifacts(running, tmp_path / "data" / "tracking" / "artifacts")
        upload = begin(inside, "j.bin")
        assert upload.urls[0].startswith(f"{running.url}/api/")
        body = pattern(6 * MEBIBYTE)
        assert refused(send(upload.urls[0] + "0", body)) == (403, "PERMISSION_DENIED")
        # A browser's cookie of Jupyter's, which asks for an XSRF token elsewhere, changes nothing.
        reply = send(upload.urls[0], body, Cookie="_xsrf=abc; username-localhost=x")
        assert reply.status_code == 200
        assert upload.complete(reply.headers["ETag"]).json() == {}
        assert inside.path("j.bin").read_bytes() == body
        inside.session.close()


def test_the_log_has_no_signature(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    with start_standalone(tmp_path / "server", options=["--access-log", str(log)]) as running:
        found = Artifacts(running, tmp_path / "server" / "artifacts")
        upload = begin(found, "q.bin")
        stored_part(upload.urls[0], b"part")
        found.session.close()
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["status"] for line in lines if line["endpoint"] == "artifact_part"] == [200]
    signature = upload.urls[0].rpartition("=")[2]
    assert signature not in log.read_text()
    assert signature not in running.log.read_text()
