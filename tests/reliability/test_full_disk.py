"""A disk without room: uploads are told so, nothing partial stays, and everything else goes on."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.artifact_stores.transfers import MEBIBYTE, noise
from tests.reliability.faulty_site import refused, wait_until
from tests.reliability.ledger import create_run
from tests.servers import Server, start_standalone

ROOM = 24
"""Mebibytes of the disk."""
FIRST, SECOND, LITTLE = noise(1, 14 * MEBIBYTE), noise(2, 15 * MEBIBYTE), noise(3, 1000)


@contextlib.contextmanager
def small_disk(place: Path) -> Iterator[Path]:
    """A file system of its own at ``place``."""
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={ROOM}m", "none", str(place)]
    mount = shutil.which(command[0])
    done = subprocess.run(command, capture_output=True, text=True, check=False) if mount else None
    if done is None or done.returncode:
        pytest.skip(f"only who may mount can make a small disk: {done.stderr if done else 'no mount'}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk") as disk:
        yield disk


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()}


class Run:
    """A run of a server, and how its artifacts are reached."""

    def __init__(self, server: Server, http: requests.Session) -> None:
        self._http = http
        self.id = create_run(http, server)
        self._api = f"{server.url}/api/2.0"
        self._root = f"0/{self.id}/artifacts"

    def file(self, verb: str, name: str, content: bytes | Iterator[bytes] | None = None) -> requests.Response:
        where = f"{self._api}/mlflow-artifacts/artifacts/{self._root}/{name}"
        return self._http.request(verb, where, data=content, timeout=60)

    def parts(self, verb: str, name: str, **body: object) -> requests.Response:
        where = f"{self._api}/mlflow-artifacts/mpu/{verb}/{self._root}"
        return self._http.post(where, json={"path": name, **body}, timeout=60)

    def begin(self, name: str) -> tuple[str, str]:
        """An upload in one part: its id, and where the part goes."""
        reply = self.parts("create", name, num_parts=1).json()
        return reply["upload_id"], reply["credentials"][0]["url"]

    def names(self) -> list[str]:
        where = f"{self._api}/mlflow/artifacts/list?run_id={self.id}"
        return [line["path"] for line in self._http.get(where, timeout=60).json().get("files", [])]

    def log(self, key: str, value: str) -> requests.Response:
        body = {"run_id": self.id, "key": key, "value": value}
        return self._http.post(f"{self._api}/mlflow/runs/set-tag", json=body, timeout=60)

    def tags(self) -> dict[str, str]:
        reply = self._http.get(f"{self._api}/mlflow/runs/get?run_id={self.id}", timeout=60)
        assert reply.status_code == 200, reply.text
        return {tag["key"]: tag["value"] for tag in reply.json()["run"]["data"].get("tags", [])}


@contextlib.contextmanager
def running(folder: Path, backend: str | None = None, *options: str) -> Iterator[Run]:
    """A server with one run; it logs no defect."""
    with start_standalone(folder, backend=backend, options=options) as server, requests.Session() as http:
        http.headers.update(server.headers)
        yield Run(server, http)
        log = server.log.read_text()
        assert "Internal error" not in log
        assert "Traceback" not in log


def test_artifacts_on_a_disk_that_gets_full(tmp_path: Path, disk: Path) -> None:
    """One request, chunks of unknown length, a part: all 503; what was there stays and is served."""
    with running(tmp_path / "server", None, "--artifacts-destination", str(disk)) as run:
        assert run.file("PUT", "first", FIRST).status_code == 200
        before = files(disk)
        refused(run.file("PUT", "second", SECOND))
        refused(run.file("PUT", "first", SECOND))
        refused(run.file("PUT", "second", iter([SECOND])))
        upload, part = run.begin("second")
        reply = requests.put(part, data=SECOND, timeout=60)
        refused(reply)
        assert "full" in reply.json()["message"]
        # As every client does; till then the next try may need the part's place.
        assert run.parts("abort", "second", upload_id=upload).status_code == 200
        wait_until(lambda: files(disk) == before)

        assert run.file("GET", "first").content == FIRST
        assert run.names() == ["first"]
        assert run.log("still", "here").status_code == 200
        assert run.file("PUT", "little", LITTLE).status_code == 200

        assert run.file("DELETE", "first").status_code == 200
        assert run.file("PUT", "second", SECOND).status_code == 200
        assert run.file("GET", "second").content == SECOND
        assert run.file("DELETE", "second").status_code == 200
        upload, part = run.begin("second")
        etag = requests.put(part, data=SECOND, timeout=60).headers["ETag"]
        whole = [{"part_number": 1, "etag": etag}]
        assert run.parts("complete", "second", upload_id=upload, parts=whole).status_code == 200
        assert run.file("GET", "second").content == SECOND


def test_a_database_on_a_disk_that_gets_full(tmp_path: Path, disk: Path) -> None:
    """Writes are told to come again, reads go on, and with room all is as before."""
    with running(tmp_path / "server", f"sqlite:///{disk / 'tracking.db'}") as run:
        assert run.log("before", "b").status_code == 200
        filler = disk / "filler"
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while file.write(bytes(4096)):
                pass
        replies = [run.log(f"full {number}", "x" * 5000) for number in range(20)]
        failed = [number for number, reply in enumerate(replies) if reply.status_code != 200]
        assert failed
        for number in failed:
            refused(replies[number])
        assert run.tags()["before"] == "b"
        filler.unlink()
        assert run.log("after", "a").status_code == 200
        tags = run.tags()
        assert tags["after"] == "a"
        assert {name for name in tags if name.startswith("full")} == {
            f"full {number}" for number in range(20) if number not in failed
        }
