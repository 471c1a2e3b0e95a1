"""The file by which clients find a server: private, whole, gone with the server."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from jupyter_tracking_server.runtime_file import RuntimeFile, write_private


@pytest.fixture
def runtime_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RuntimeFile:
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    return RuntimeFile(url="http://x", token="secret", pid=os.getpid(), kind="local", root_dir="/home/jane")


def test_it_says_where_the_server_is_to_its_owner_alone(runtime_file: RuntimeFile) -> None:
    runtime_file.write()
    assert runtime_file.path.name == f"jptracking-{os.getpid()}.json"
    assert stat.S_IMODE(runtime_file.path.stat().st_mode) == 0o600
    assert json.loads(runtime_file.path.read_text()) == {
        "url": "http://x",
        "token": "secret",
        "pid": os.getpid(),
        "kind": "local",
        "root_dir": "/home/jane",
        "certificate": "",
    }
    assert list(runtime_file.path.parent.iterdir()) == [runtime_file.path]


def test_it_is_removed_once_and_again(runtime_file: RuntimeFile) -> None:
    runtime_file.write()
    runtime_file.remove()
    runtime_file.remove()
    assert not runtime_file.path.exists()


def test_a_private_file_replaces_an_open_one(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("old")
    path.chmod(0o644)
    write_private(path, "new")
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
