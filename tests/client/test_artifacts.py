"""Files up and down through our own server, and servers that misbehave."""

from __future__ import annotations

import base64
import json
import os
from hashlib import sha256
from pathlib import Path

import pytest

from jupyter_tracking.client.artifact_paths import proxy_path, safe_path
from jupyter_tracking.client.artifacts import Artifacts
from jupyter_tracking.client.client import TrackingClient
from jupyter_tracking.client.credentials import Credentials, bearer
from jupyter_tracking.client.downloads import Damaged
from jupyter_tracking.client.progress import Told
from jupyter_tracking.client.retries import Retries
from jupyter_tracking.client.transport import RequestsTransport, Unreachable
from jupyter_tracking.protocol import runs
from jupyter_tracking.protocol.errors import (
    InvalidParameterValue,
    NotImplementedHere,
    ResourceDoesNotExist,
    TrackingError,
)
from tests.client.scripted import Answer, scripted
from tests.servers import Server

Moved = list[tuple[str, int, int | None]]


@pytest.fixture
def moved() -> Moved:
    return []


@pytest.fixture
def artifacts(tracking_server: Server, moved: Moved) -> Artifacts:
    assert tracking_server.token is not None
    client = TrackingClient(RequestsTransport(tracking_server.url, bearer(tracking_server.token)))
    info = client.send(runs.create_run, runs.CreateRun()).run.info

    def note(path: str, done: int, total: int | None) -> None:
        moved.append((path, done, total))

    return Artifacts(client, info.run_id, info.artifact_uri, Told(note))


def tree(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


FILES = {
    "empty.bin": b"",
    "a b/ä ü.txt": "größe".encode(),
    "a b/deep/er/100%.csv": b"x\n1\n",
    "big.bin": bytes(range(256)) * 10_000,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in FILES.items():
        path = tmp_path / "source" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path / "source"


def test_a_folder_goes_up_and_comes_down(artifacts: Artifacts, folder: Path, tmp_path: Path) -> None:
    artifacts.upload_folder(folder, "model")
    assert {entry.path: entry.file_size for entry in artifacts.walk() if entry.file_size} == {
        f"model/{name}": len(content) for name, content in FILES.items() if content
    }
    assert artifacts.download("model", tmp_path / "down").path == str(tmp_path / "down" / "model")
    assert tree(tmp_path / "down" / "model") == FILES
    artifacts.download("", tmp_path / "all")
    assert tree(tmp_path / "all" / "model") == FILES


def test_names_when_uploading(artifacts: Artifacts, folder: Path) -> None:
    artifacts.upload(folder, "in")
    artifacts.upload(folder / "big.bin")
    artifacts.upload(folder / "big.bin", "in", "other.bin")
    found = {entry.path for entry in artifacts.walk()}
    assert {"in/source/empty.bin", "big.bin", "in/other.bin"} <= found


def test_one_file_comes_down_alone(artifacts: Artifacts, tmp_path: Path) -> None:
    artifacts.upload_bytes(b"new", "d/f.txt")
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "f.txt").write_bytes(b"older and longer")
    assert Path(artifacts.download("d/f.txt", tmp_path).path).read_bytes() == b"new"
    assert tree(tmp_path) == {"d/f.txt": b"new"}


def test_progress(artifacts: Artifacts, folder: Path, tmp_path: Path, moved: Moved) -> None:
    size = len(FILES["big.bin"])
    artifacts.upload(folder / "big.bin")
    done = [done for _, done, _ in moved]
    assert done == sorted(done)
    assert moved[-1] == ("big.bin", size, size)
    moved.clear()
    artifacts.download("big.bin", tmp_path)
    assert moved[-1] == ("big.bin", size, size)


def test_what_is_not_there(artifacts: Artifacts, tmp_path: Path) -> None:
    with pytest.raises(ResourceDoesNotExist):
        artifacts.download("nothing.txt", tmp_path)
    with pytest.raises(InvalidParameterValue, match="no file or folder"):
        artifacts.upload(tmp_path / "nothing")
    assert tree(tmp_path) == {}


@pytest.mark.parametrize("path", ["/etc/passwd", "../up", "a/../../b", "a#b", "a\nb", "a\0b"])
def test_unsafe_names_are_refused_before_they_are_sent(artifacts: Artifacts, path: str, moved: Moved) -> None:
    with pytest.raises(InvalidParameterValue, match="cannot name an artifact"):
        artifacts.upload_bytes(b"x", path)
    assert moved == []


def test_normal_form() -> None:
    assert [safe_path(path) for path in ("", ".", "a//b/", "./a")] == ["", "", "a/b", "a"]


LISTING = Answer(body=b'{"root_uri": "x"}')
LARGE = 3 << 20


def of_scripted(url: str) -> Artifacts:
    client = TrackingClient(RequestsTransport(url, Credentials()), Retries(total=0))
    return Artifacts(client, "r", "mlflow-artifacts:/0/r/artifacts")


def test_a_server_cannot_make_us_write_elsewhere(tmp_path: Path) -> None:
    listing = {"root_uri": "x", "files": [{"path": "../../evil", "is_dir": False, "file_size": 1}]}
    with scripted(Answer(body=json.dumps(listing).encode())) as server:
        with pytest.raises(InvalidParameterValue, match="evil"):
            of_scripted(server.url).download("", tmp_path / "here")
        assert tree(tmp_path) == {}


def test_half_a_file_is_no_file(tmp_path: Path) -> None:
    cut = Answer(body=b"half", promised=8)
    with scripted(Answer(body=b'{"root_uri": "x"}'), cut) as server:
        with pytest.raises(Unreachable):
            of_scripted(server.url).download("f", tmp_path)
        assert len(server.asked) == 4
    assert tree(tmp_path) == {}


def test_a_broken_download_begins_anew(tmp_path: Path) -> None:
    cut = Answer(body=b"half", promised=8)
    with scripted(Answer(body=b'{"root_uri": "x"}'), cut, Answer(body=b"whole")) as server:
        of_scripted(server.url).download("f", tmp_path)
    assert tree(tmp_path) == {"f": b"whole"}


def test_a_broken_download_goes_on_where_it_stopped(tmp_path: Path) -> None:
    etag, first = {"ETag": '"v1"'}, bytes(LARGE)
    rest = Answer(206, b"\0rest", {**etag, "Content-Range": f"bytes {LARGE - 1}-{LARGE + 3}/{LARGE + 4}"})
    with scripted(LISTING, Answer(body=first, promised=LARGE + 4, headers=etag), rest) as server:
        of_scripted(server.url).download("f", tmp_path)
        asked = server.asked[-1].headers
    assert (asked["Range"], asked["If-Range"]) == (f"bytes={LARGE - 1}-", '"v1"')
    assert tree(tmp_path) == {"f": first + b"rest"}


def test_a_broken_download_of_what_was_replaced_begins_anew(tmp_path: Path) -> None:
    cut = Answer(body=bytes(LARGE), promised=LARGE + 9, headers={"ETag": '"v1"'})
    with scripted(LISTING, cut, Answer(body=b"another", headers={"ETag": '"v2"'})) as server:
        of_scripted(server.url).download("f", tmp_path)
    assert tree(tmp_path) == {"f": b"another"}


def test_a_download_that_was_given_up_is_taken_up_by_the_next(tmp_path: Path) -> None:
    first, rest = os.urandom(LARGE), b"the rest"
    whole = sha256(first + rest).hexdigest()
    headers = {"ETag": f'"{whole}"'}
    cut = Answer(body=first, promised=LARGE + len(rest), headers=headers)
    with scripted(LISTING, cut, Answer(403)) as server, pytest.raises(TrackingError):
        of_scripted(server.url).download("f", tmp_path)
    left = [(path.startswith("."), content) for path, content in tree(tmp_path).items()]
    assert left == [(True, first[:-1])]
    there = f"bytes {LARGE - 2}-{LARGE + len(rest) - 1}/{LARGE + len(rest)}"
    with scripted(LISTING, Answer(206, first[-2:] + rest, {**headers, "Content-Range": there})) as server:
        of_scripted(server.url).download("f", tmp_path)
        assert server.asked[-1].headers["Range"] == f"bytes={LARGE - 2}-"
    assert tree(tmp_path) == {"f": first + rest}


def test_a_leftover_of_another_version_is_no_part_of_the_file(tmp_path: Path) -> None:
    cut = Answer(body=bytes(LARGE), promised=LARGE + 1, headers={"ETag": '"v1"'})
    with scripted(LISTING, cut, Answer(403)) as server, pytest.raises(TrackingError):
        of_scripted(server.url).download("f", tmp_path)
    with scripted(LISTING, Answer(body=b"v2", headers={"ETag": '"v2"'})) as server:
        of_scripted(server.url).download("f", tmp_path)
    assert tree(tmp_path) == {"f": b"v2"}


def test_a_leftover_that_leads_elsewhere_is_not_written_to(tmp_path: Path) -> None:
    cut = Answer(body=bytes(LARGE), promised=LARGE + 1, headers={"ETag": '"v1"'})
    with scripted(LISTING, cut, Answer(403)) as server, pytest.raises(TrackingError):
        of_scripted(server.url).download("f", tmp_path / "down")
    (left,) = (tmp_path / "down").iterdir()
    left.rename(tmp_path / "precious")
    left.symlink_to(tmp_path / "precious")
    with scripted(LISTING, Answer(body=b"whole", headers={"ETag": '"v1"'})) as server:
        of_scripted(server.url).download("f", tmp_path / "down")
        assert "Range" not in server.asked[-1].headers
    assert (tmp_path / "precious").read_bytes() == bytes(LARGE - 1)
    assert (tmp_path / "down" / "f").read_bytes() == b"whole"


def test_a_part_that_was_not_asked_for_is_not_taken(tmp_path: Path) -> None:
    cut = Answer(body=bytes(LARGE), promised=LARGE + 4, headers={"ETag": '"v1"'})
    wrong = Answer(206, b"rest", {"Content-Range": "bytes 0-3/9"})
    with scripted(LISTING, cut, wrong, Answer(body=b"whole")) as server:
        of_scripted(server.url).download("f", tmp_path)
    assert tree(tmp_path) == {"f": b"whole"}


def test_a_download_that_comes_damaged_is_fetched_again_and_at_last_refused(tmp_path: Path) -> None:
    digest = base64.b64encode(sha256(b"right").digest()).decode()
    headers = {"Digest": f"sha-256={digest}", "ETag": '"v1"'}
    wrong, right = Answer(body=b"wrong", headers=headers), Answer(body=b"right", headers=headers)
    with scripted(LISTING, wrong, right) as server:
        of_scripted(server.url).download("f", tmp_path / "once")
    with scripted(LISTING, wrong) as server, pytest.raises(Damaged, match="f came damaged: its sha256 is"):
        of_scripted(server.url).download("f", tmp_path / "always")
    assert tree(tmp_path) == {"once/f": b"right"}


def test_a_file_that_is_there_is_not_sent_again(artifacts: Artifacts, tmp_path: Path) -> None:
    (tmp_path / "f.bin").write_bytes(os.urandom(LARGE))
    assert artifacts.upload(tmp_path / "f.bin").were_there == 0
    assert artifacts.upload(tmp_path / "f.bin").were_there == 1
    (tmp_path / "f.bin").write_bytes(os.urandom(LARGE))
    assert artifacts.upload(tmp_path / "f.bin").were_there == 0
    artifacts.download("f.bin", tmp_path / "down")
    assert (tmp_path / "down" / "f.bin").read_bytes() == (tmp_path / "f.bin").read_bytes()


def test_a_folder_is_listed_in_pages(tmp_path: Path) -> None:
    def page(name: str, more: dict[str, str]) -> Answer:
        files = [{"path": name, "is_dir": False, "file_size": 2}]
        return Answer(body=json.dumps({"root_uri": "x", "files": files, **more}).encode())

    with scripted(page("a", {"next_page_token": "2"}), page("b", {})) as server:
        assert [entry.path for entry in of_scripted(server.url).walk()] == ["a", "b"]
        assert all("max_results=1000" in asked.path for asked in server.asked)
        assert "page_token=2" in server.asked[1].path


def test_an_upload_that_is_retried_is_sent_whole(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"content")
    with scripted(Answer(503, b""), Answer()) as server:
        client = TrackingClient(RequestsTransport(server.url, Credentials()), Retries(total=1))
        Artifacts(client, "r", "mlflow-artifacts:/0/r/artifacts").upload(tmp_path / "f")
        assert [asked.body for asked in server.asked] == [b"content"] * 2


URL = "http://hub:8000/user/jane/tracking"


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("mlflow-artifacts:/1/r/artifacts", "1/r/artifacts"),
        ("mlflow-artifacts://hub:8000/1/r/artifacts", "1/r/artifacts"),
        (f"{URL}/api/2.0/mlflow-artifacts/artifacts/1/a%20b", "1/a b"),
    ],
)
def test_where_the_proxy_keeps_a_location(location: str, expected: str) -> None:
    assert proxy_path(location, URL) == expected


@pytest.mark.parametrize(
    "location",
    ["s3://bucket/1", "file:///srv/1", "/srv/1", "mlflow-artifacts:/", "mlflow-artifacts://other/1"],
)
def test_locations_that_the_server_does_not_pass_on(location: str) -> None:
    with pytest.raises(NotImplementedHere, match="--serve-artifacts"):
        proxy_path(location, URL)
