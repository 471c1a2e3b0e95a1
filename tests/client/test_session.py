"""Which server is found, with real servers and the files that they leave in Jupyter's runtime folder."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_tracking.client.session import Server, connect, find, read_runtime_file, running, start_local
from jupyter_tracking.client.transport import Unreachable
from jupyter_tracking.protocol.errors import InvalidParameterValue
from tests.servers import jupyter_environment, start_standalone


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user without a server: Jupyter's folders are new and no variable names one."""
    for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
        monkeypatch.delenv(name)
    for name, value in jupyter_environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    return tmp_path


@pytest.fixture
def local_server(home: Path) -> Iterator[tuple[Server, int]]:
    """A server of our own, started as a kernel does, and its process id."""
    server = start_local()
    pid = next(json.loads(path.read_text())["pid"] for path in (home / "runtime").glob("jptracking-*.json"))
    yield server, pid
    end(pid)


def end(pid: int) -> None:
    """Ask a process that is not our child to end, and wait until it has."""
    try:
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            # It is a child of this process after all, since it was started here: collect it.
            if os.waitpid(pid, os.WNOHANG)[0] == pid:
                return
            time.sleep(0.02)
    except (ProcessLookupError, ChildProcessError):
        return
    raise AssertionError(f"{pid} does not end")


def write(folder: Path, pid: int, root_dir: str = "", mode: int = 0o600, kind: str = "embedded") -> Path:
    path = folder / f"jptracking-{pid}.json"
    content = {"url": "http://127.0.0.1:1/t/", "token": "t", "pid": pid, "kind": kind, "root_dir": root_dir}
    path.write_text(json.dumps(content))
    path.chmod(mode)
    return path


def test_a_runtime_file_of_a_living_process(tmp_path: Path) -> None:
    path = write(tmp_path, os.getpid(), "/work")
    assert read_runtime_file(path) == Server("http://127.0.0.1:1/t", "embedded", "t", "/work")


@pytest.mark.parametrize("mode", [0o644, 0o660, 0o604, 0o606])
def test_one_that_others_can_open_is_passed_over(tmp_path: Path, mode: int) -> None:
    assert read_runtime_file(write(tmp_path, os.getpid(), mode=mode)) is None


def test_a_link_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "else").mkdir()
    target = write(tmp_path / "else", os.getpid())
    link = tmp_path / "jptracking-1.json"
    link.symlink_to(target)
    assert read_runtime_file(link) is None


def test_one_of_another_user_is_passed_over(tmp_path: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can give a file away")
    path = write(tmp_path, os.getpid())
    os.chown(path, 12345, 12345)
    assert read_runtime_file(path) is None


def test_one_of_a_dead_process_is_passed_over(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert read_runtime_file(write(tmp_path, process.pid)) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"url": "x"}', '{"url": 1, "pid": "x", "kind": "local"}'])
def test_nonsense_is_passed_over(tmp_path: Path, text: str) -> None:
    path = tmp_path / "jptracking-1.json"
    path.write_text(text)
    path.chmod(0o600)
    assert read_runtime_file(path) is None


def test_the_nearest_root_folder_comes_first(tmp_path: Path) -> None:
    project = tmp_path / "home" / "project"
    roots = {1: "", 2: str(project.parent), 3: str(project), 4: str(tmp_path / "other")}
    for index, root in roots.items():
        path = write(tmp_path, os.getpid(), root, kind="local" if index == 1 else "embedded")
        path.rename(tmp_path / f"jptracking-{index}.json")
    found = [server.root_dir for server in running(tmp_path, project / "deep")]
    assert found[:2] == [roots[3], roots[2]]
    assert found[3] == roots[1], "a server that was started on demand comes last"


def test_what_is_named_wins(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://hub:8000/t/")
    write(home / "runtime", os.getpid())
    assert find() == Server("http://hub:8000/t", "environment")
    assert find("https://else") == Server("https://else", "given")


@pytest.mark.parametrize("uri", ["sqlite:///mlflow.db", "file:///x", "./mlruns", "databricks", "http://"])
def test_addresses_that_only_mlflow_can_open(uri: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with pytest.raises(InvalidParameterValue, match="only mlflow itself can open"):
        find()


def test_a_running_server_is_found_by_its_file(home: Path) -> None:
    (home / "runtime").chmod(0o700)
    with start_standalone(home) as running_server:
        server, client = connect()
        assert (server.url, server.kind) == (running_server.url, "standalone")
        assert client.experiment("0").name == "Default"


def test_a_server_is_started_on_demand_and_then_shared(local_server: tuple[Server, int], home: Path) -> None:
    server, _ = local_server
    assert server.kind == "local"
    assert find() == server
    assert connect()[1].experiment("0").name == "Default"
    log = home / "runtime" / "jptracking-local.log"
    assert log.stat().st_mode & 0o077 == 0


def test_when_it_has_ended_the_next_call_starts_another(local_server: tuple[Server, int], home: Path) -> None:
    _, pid = local_server
    client = connect()[1]
    old = client.url
    end(pid)
    assert client.experiment("0").name == "Default"
    assert client.url != old
    end(next(json.loads(path.read_text())["pid"] for path in (home / "runtime").glob("jptracking-*.json")))


def test_one_that_cannot_start_says_where_to_look(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "data" / "tracking").write_text("a file where a folder must be")
    with pytest.raises(Unreachable, match=r"jptracking-local\.log") as caught:
        start_local()
    assert caught.value.lasting
