"""Folders as one stream, read by those who read archives: Python, unzip, tar."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest
import requests

from .conftest import MEBIBYTE, PROXY, Artifacts, open_files, pattern, wait_until
from .raw import RawConnection
from .test_artifact_upload import peak_memory

FILES = {
    "model/MLmodel": b"flavors: {}",
    "model/data/weights.bin": pattern(3 * MEBIBYTE + 7),
    "model/data/empty": b"",
    "model/größe 😀.txt": b"unicode",
    "model/" + "d" * 150 + "/" + "n" * 200: b"long",
    "other.txt": b"other",
}
MODEL = {name.removeprefix("model/"): content for name, content in FILES.items() if name != "other.txt"}


@pytest.fixture
def filled(artifacts: Artifacts) -> Artifacts:
    for name, content in FILES.items():
        artifacts.put(name, content)
    return artifacts


def fetch(artifacts: Artifacts, name: str, form: str) -> requests.Response:
    url = artifacts.url(name) if name else f"{artifacts.server.url}{PROXY}{artifacts.root}"
    return artifacts.session.get(url, params={"format": form}, timeout=60)


def members(content: bytes, form: str) -> dict[str, bytes]:
    """What an archive holds, its checksums checked."""
    if form == "zip":
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            assert packed.testzip() is None
            return {name: packed.read(name) for name in packed.namelist()}
    found = {}
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for member in archive:
            file = archive.extractfile(member)
            assert file is not None
            found[member.name] = file.read()
    return found


@pytest.mark.parametrize("form", ["zip", "tar"])
@pytest.mark.parametrize(("name", "expected"), [("model", MODEL), ("model/", MODEL), ("", FILES)])
def test_a_folder_comes_whole(filled: Artifacts, form: str, name: str, expected: dict[str, bytes]) -> None:
    reply = fetch(filled, name, form)
    assert reply.status_code == 200, reply.text
    assert members(reply.content, form) == expected
    assert "Content-Length" not in reply.headers


@pytest.mark.parametrize("form", ["zip", "tar"])
def test_programs_unpack_it(filled: Artifacts, tmp_path: Path, form: str) -> None:
    packed = tmp_path / f"packed.{form}"
    packed.write_bytes(fetch(filled, "model", form).content)
    target = tmp_path / "unpacked"
    target.mkdir()
    command = ["unzip", "-q", "-d"] if form == "zip" else ["tar", "-C"]
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    command += [str(target), str(packed)] if form == "zip" else [str(target), "-xf", str(packed)]
    subprocess.run(command, check=True, env={"LC_ALL": "C.UTF-8", "PATH": os.environ["PATH"]})
    found = {str(path.relative_to(target)): path for path in target.rglob("*") if path.is_file()}
    assert {name: path.read_bytes() for name, path in found.items()} == MODEL
    stored = filled.path("model/MLmodel").stat()
    assert int(found["MLmodel"].stat().st_mtime) == int(stored.st_mtime)
    assert found["MLmodel"].stat().st_mode & 0o777 == 0o644


def test_it_is_named_for_what_is_in_it(artifacts: Artifacts) -> None:
    info = artifacts.call("runs/create", experiment_id=artifacts.experiment, run_name='käse/"1"')["run"][
        "info"
    ]
    root = info["artifact_uri"].removeprefix("mlflow-artifacts:/")
    url = f"{artifacts.server.url}{PROXY}{root}"
    artifacts.session.put(f"{url}/folder/a.txt", data=b"a", timeout=30)
    for path, name in (("", "k_se__1_.zip"), ("/folder", "folder.zip"), ("/folder/a.txt", "a.txt.zip")):
        headers = artifacts.session.get(f"{url}{path}", params={"format": "zip"}, timeout=30).headers
        assert headers["Content-Disposition"].startswith(f'attachment; filename="{name}"')
        assert headers["Content-Type"] == "application/zip"
        assert headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
        assert headers["Cache-Control"] == "private, no-store"
        assert headers["Accept-Ranges"] == "none"


def test_a_file_alone_is_an_archive_of_one(filled: Artifacts) -> None:
    for form in ("zip", "tar"):
        assert members(fetch(filled, "other.txt", form).content, form) == {"other.txt": b"other"}


def test_a_run_or_model_by_its_id(filled: Artifacts) -> None:
    url = f"{filled.server.url}/get-artifact"
    for path, expected in (("", FILES), ("model", MODEL)):
        query = {"run_id": filled.run, "path": path, "format": "zip"}
        assert members(filled.session.get(url, params=query, timeout=30).content, "zip") == expected
    model = filled.call("logged-models", experiment_id=filled.experiment, name="m")["model"]["info"]
    root = model["artifact_uri"].removeprefix("mlflow-artifacts:/")
    filled.session.put(f"{filled.server.url}{PROXY}{root}/f/MLmodel", data=b"x", timeout=30)
    reply = filled.session.get(
        f"{filled.server.url}/api/2.0/mlflow/logged-models/{model['model_id']}/artifacts/files",
        params={"artifact_file_path": "", "format": "zip"},
        timeout=30,
    )
    assert members(reply.content, "zip") == {"f/MLmodel": b"x"}
    assert reply.headers["Content-Disposition"] == 'attachment; filename="m.zip"'


def test_head_says_that_there_is_one(filled: Artifacts) -> None:
    reply = filled.session.head(filled.url("model"), params={"format": "tar"}, timeout=30)
    assert (reply.status_code, reply.content) == (200, b"")
    assert reply.headers["Content-Disposition"] == 'attachment; filename="model.tar"'
    assert "Content-Length" not in reply.headers
    assert filled.session.head(filled.url("none"), params={"format": "tar"}, timeout=30).status_code == 404


@pytest.mark.parametrize("name", ["", "none", "none/none"])
def test_of_nothing_there_is_no_archive(artifacts: Artifacts, name: str) -> None:
    artifacts.path("none").mkdir(parents=True)
    reply = fetch(artifacts, name, "zip")
    assert (reply.status_code, reply.json()["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")


def test_what_is_above_the_roots_is_not_packed(filled: Artifacts) -> None:
    for path in ("", filled.experiment, f"{filled.experiment}/{filled.run}"):
        reply = filled.session.get(f"{filled.server.url}{PROXY}{path}", params={"format": "zip"}, timeout=30)
        assert reply.status_code == 404


@pytest.mark.parametrize(
    "query", ["format=rar", "format=", "format=zip&format=tar", "format=ZIP", "format=%ff"]
)
def test_other_formats_are_refused_with_those_there_are(filled: Artifacts, query: str) -> None:
    for url in (filled.url("model"), f"{filled.server.url}/get-artifact"):
        reply = filled.session.get(f"{url}?{query}", timeout=30)
        assert (reply.status_code, reply.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
        assert "zip, tar" in reply.json()["message"]


def test_names_that_no_request_can_have_are_left_out(filled: Artifacts) -> None:
    (filled.path("model") / "..\\evil").write_bytes(b"x")
    (filled.path("model") / "bell\a").write_bytes(b"x")
    assert members(fetch(filled, "model", "zip").content, "zip") == MODEL


@pytest.mark.parametrize("form", ["zip", "tar"])
def test_thousands_of_files_cost_no_memory(artifacts: Artifacts, form: str) -> None:
    folder = artifacts.path("many")
    folder.mkdir(parents=True)
    for number in range(3500):
        (folder / f"{number:05}").write_bytes(b"%d" % number * 2000)
    fetch(artifacts, "many/00000", form)
    before = peak_memory(artifacts.server)
    found = members(fetch(artifacts, "many", form).content, form)
    assert found == {f"{number:05}": b"%d" % number * 2000 for number in range(3500)}
    assert peak_memory(artifacts.server) - before < 16 * MEBIBYTE
    shutil.rmtree(folder)


@pytest.mark.parametrize("form", ["zip", "tar"])
def test_a_store_that_fails_on_the_way_leaves_it_visibly_broken(artifacts: Artifacts, form: str) -> None:
    artifacts.put("folder/a", b"a")
    artifacts.put("folder/b", bytes(64 * MEBIBYTE))
    with artifacts.session.get(
        artifacts.url("folder"), params={"format": form}, stream=True, timeout=30
    ) as reply:
        assert reply.status_code == 200
        with artifacts.path("folder/b").open("r+b") as file:
            file.truncate(MEBIBYTE)
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            for _ in reply.iter_content(MEBIBYTE):
                pass
    wait_until(lambda: open_files(artifacts.server) == [])


def test_a_client_that_goes_frees_what_was_held(artifacts: Artifacts) -> None:
    artifacts.put("folder/a", bytes(64 * MEBIBYTE))
    with RawConnection(artifacts.server) as connection:
        connection.send(
            f"GET {PROXY}{artifacts.root}/folder?format=zip HTTP/1.1\r\nHost: localhost\r\n"
            f"Authorization: Bearer {artifacts.server.token}\r\n\r\n".encode()
        )
        wait_until(lambda: len(open_files(artifacts.server)) == 1)
    wait_until(lambda: open_files(artifacts.server) == [])
