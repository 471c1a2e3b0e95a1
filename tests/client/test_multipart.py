"""Large files in parts: only what is missing travels, whatever went wrong before."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_tracking.client.artifacts import Artifacts, Report
from jupyter_tracking.client.client import TrackingClient
from jupyter_tracking.client.credentials import bearer
from jupyter_tracking.client.multipart import Cut
from jupyter_tracking.client.progress import Watcher
from jupyter_tracking.client.retries import Retries
from jupyter_tracking.client.sources import FileChanged
from jupyter_tracking.client.transport import RequestsTransport
from jupyter_tracking.protocol.errors import PermissionDenied, TemporarilyUnavailable
from tests.client.part_server import PartServer, not_found, part_server
from tests.client.scripted import Answer, Asked

CHUNK = 1 << 16
PARTS = 10
CONTENT = os.urandom(CHUNK * PARTS - 100)
STORED = "0/r/artifacts/big.bin"
EXPIRED = Answer(403, b'{"error_code": "PERMISSION_DENIED", "message": "The address has expired."}')


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE", str(CHUNK * 4))
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE", str(CHUNK))


@pytest.fixture
def server() -> Iterator[PartServer]:
    with part_server() as started:
        yield started


@pytest.fixture
def big(tmp_path: Path) -> Path:
    (tmp_path / "big.bin").write_bytes(CONTENT)
    return tmp_path / "big.bin"


def artifacts(server: PartServer, watcher: Watcher | None = None, retries: int = 0) -> Artifacts:
    transport = RequestsTransport(server.url, bearer("our secret"))
    client = TrackingClient(transport, Retries(total=retries, backoff=0, jitter=0))
    return Artifacts(client, "r", "mlflow-artifacts:/0/r/artifacts", watcher)


def sent_parts(server: PartServer) -> int:
    return server.count("PUT", "/part/")


def test_all_parts_make_the_file(server: PartServer, big: Path) -> None:
    assert artifacts(server).upload(big) == Report("big.bin", 1, len(CONTENT), 0, "big.bin")
    assert server.artifacts == {STORED: CONTENT}
    assert sent_parts(server) == PARTS
    assert server.uploads == {}


def test_a_part_carries_what_its_address_asks_for_and_none_of_our_credentials(
    server: PartServer, big: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine localhost login jane password secret\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    server.parts_host = server.url.replace("127.0.0.1", "localhost")
    artifacts(server).upload(big)
    parts = [asked for asked in server.asked if "/part/" in asked.path]
    assert {asked.headers["x-needed"] for asked in parts} == {str(number + 1) for number in range(PARTS)}
    assert not any("Authorization" in asked.headers for asked in parts)
    others = [asked for asked in server.asked if asked not in parts]
    assert {asked.headers["Authorization"] for asked in others} == {"Bearer our secret"}


def test_what_is_there_already_is_not_sent(server: PartServer, big: Path) -> None:
    artifacts(server).upload(big)
    server.asked.clear()
    assert artifacts(server).upload(big).were_there == 1
    assert [asked.method for asked in server.asked] == ["HEAD"]


def test_an_upload_that_broke_off_goes_on_with_the_missing_parts(server: PartServer, big: Path) -> None:
    server.before = lambda asked: Answer(503, b"") if "/7?" in asked.path else None
    with pytest.raises(TemporarilyUnavailable, match="answered 503") as failure:
        artifacts(server).upload(big)
    assert "secret" not in str(failure.value), "a signed address is a key"
    there = len(next(iter(server.uploads.values())).parts)
    assert 6 <= there < PARTS
    server.before = lambda _: None
    server.asked.clear()
    artifacts(server).upload(big)
    assert sent_parts(server) == PARTS - there
    assert server.artifacts == {STORED: CONTENT}


def test_addresses_that_expire_are_renewed(server: PartServer, big: Path) -> None:
    lock, left = threading.Lock(), {"good": 3}

    def before(asked: Asked) -> Answer | None:
        with lock:
            if "/create/" in asked.path:
                left["good"] = 3
            elif "/part/" in asked.path:
                left["good"] -= 1
                if left["good"] < 0:
                    return EXPIRED
        return None

    server.before = before
    artifacts(server).upload(big)
    assert server.artifacts == {STORED: CONTENT}
    assert server.count("POST", "/create/") == 4
    refused = sent_parts(server) - PARTS
    assert 3 <= refused <= 3 * 4, "none that was taken is sent again"


def test_an_upload_that_is_gone_begins_anew(server: PartServer, big: Path) -> None:
    gone = threading.Event()

    def before(asked: Asked) -> Answer | None:
        if "/part/" in asked.path and "/5?" in asked.path and not gone.is_set():
            gone.set()
            server.uploads.clear()
            return not_found("upload")
        return None

    server.before = before
    artifacts(server).upload(big)
    assert server.artifacts == {STORED: CONTENT}


def test_an_answer_that_was_lost_after_the_last_step_costs_nothing(server: PartServer, big: Path) -> None:
    server.lost = lambda asked: "/complete/" in asked.path
    assert artifacts(server).upload(big).were_there == 0
    assert server.artifacts == {STORED: CONTENT}
    assert sent_parts(server) == PARTS


def test_a_part_is_sent_again_after_an_answer_that_may_pass(server: PartServer, big: Path) -> None:
    hit: set[str] = set()

    def before(asked: Asked) -> Answer | None:
        if "/part/" in asked.path and asked.path not in hit:
            hit.add(asked.path)
            return Answer(503, b"")
        return None

    server.before = before
    artifacts(server, retries=1).upload(big)
    assert sent_parts(server) == 2 * PARTS
    assert server.count("POST", "/create/") == 1


def test_it_gives_up_when_no_part_gets_through(server: PartServer, big: Path) -> None:
    server.before = lambda asked: EXPIRED if "/part/" in asked.path else None
    with pytest.raises(PermissionDenied):
        artifacts(server).upload(big)
    assert server.count("POST", "/create/") == 3
    assert len(server.uploads) == 1, "it stays, to be gone on with"


def test_a_file_that_changes_meanwhile_is_refused_and_leaves_nothing(server: PartServer, big: Path) -> None:
    def before(asked: Asked) -> Answer | None:
        if "/part/" in asked.path and "/2?" in asked.path:
            big.write_bytes(CONTENT + b"more")
        return None

    server.before = before
    with pytest.raises(FileChanged, match=r"big.bin changed while it was being uploaded; log it again"):
        artifacts(server).upload(big)
    assert (server.artifacts, server.uploads) == ({}, {})


def test_a_file_that_becomes_shorter_does_not_hang(server: PartServer, big: Path) -> None:
    def before(asked: Asked) -> Answer | None:
        if "/create/" in asked.path:
            os.truncate(big, CHUNK)
        return None

    server.before = before
    with pytest.raises(FileChanged):
        artifacts(server).upload(big)
    assert (server.artifacts, server.uploads) == ({}, {})


def test_the_same_holds_for_a_file_that_goes_in_one_piece(
    server: PartServer, big: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE", str(2**40))
    big.write_bytes(CONTENT * 3)

    def before(asked: Asked) -> Answer | None:
        if asked.method == "PUT":
            big.write_bytes(CONTENT)
        return None

    server.before = before
    with pytest.raises(FileChanged):
        artifacts(server).upload(big)


def test_bytes_in_memory_go_in_parts_too(server: PartServer) -> None:
    artifacts(server).upload_bytes(CONTENT, "big.bin")
    assert (sent_parts(server), server.artifacts) == (PARTS, {STORED: CONTENT})


@pytest.mark.parametrize(
    ("what", "answer"),
    [
        ("/create/", Answer(501, b'{"error_code": "NOT_IMPLEMENTED", "message": "not supported"}')),
        ("/create/", Answer(404, b"no such page")),
        ("/server-info", Answer(404, b"no such page")),
        ("/server-info", Answer(body=b'{"multipart_uploads_enabled": false}')),
        ("/server-info", Answer(body=b"<html>")),
    ],
)
def test_a_server_without_parts_gets_it_in_one_piece(
    server: PartServer, big: Path, what: str, answer: Answer
) -> None:
    server.before = lambda asked: answer if what in asked.path else None
    artifacts(server).upload(big)
    assert server.artifacts == {STORED: CONTENT}
    assert (sent_parts(server), server.count("PUT", "/artifacts/")) == (0, 1)


def test_the_environment_may_turn_parts_off(
    server: PartServer, big: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD", "false")
    artifacts(server).upload(big)
    assert (sent_parts(server), server.artifacts) == (0, {STORED: CONTENT})


def test_a_folder_travels_four_at_a_time(server: PartServer, tmp_path: Path) -> None:
    """Not four files with four parts each."""
    lock, now, most = threading.Lock(), {"sent": 0}, [0]
    full = threading.Event()

    def before(asked: Asked) -> Answer | None:
        if asked.method != "PUT":
            return None
        with lock:
            now["sent"] += 1
            most[0] = max(most[0], now["sent"])
            if now["sent"] == 4:
                full.set()
        full.wait(30)
        with lock:
            now["sent"] -= 1
        return None

    server.before = before
    folder = tmp_path / "model"
    folder.mkdir()
    for index in range(3):
        (folder / f"big{index}").write_bytes(CONTENT)
        (folder / f"small{index}").write_bytes(b"small")
    report = artifacts(server).upload(folder)
    assert (report.files, report.size) == (6, 3 * len(CONTENT) + 15)
    assert server.artifacts["0/r/artifacts/model/big2"] == CONTENT
    assert most == [4]


def test_progress_of_parts_comes_to_the_whole(server: PartServer, big: Path) -> None:
    moved: list[tuple[str, int, int | None]] = []
    checked: list[tuple[str, int, int]] = []

    class Noting(Watcher):
        def moved(self, path: str, done: int, total: int | None) -> None:
            moved.append((path, done, total))

        def checked(self, path: str, done: int, total: int) -> None:
            checked.append((path, done, total))

    artifacts(server, Noting()).upload(big)
    done = [done for _, done, _ in moved]
    assert done == sorted(done)
    assert moved[-1] == ("big.bin", len(CONTENT), len(CONTENT))
    assert checked[-1] == moved[-1]


def test_no_more_than_ten_thousand_parts() -> None:
    cut = Cut(minimum=1, chunk=10)
    assert [cut.part_size(size) for size in (1, 100_000, 100_001, 10**9)] == [10, 10, 11, 100_000]
    assert Cut.from_environment({}) == Cut(32 * 2**20, 16 * 2**20)
