"""The progress bar as people meet it: in a notebook, on a terminal, in a log."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

import jupyter_tracking as tracking
from jupyter_tracking.client.artifacts import Report
from jupyter_tracking.client.progress import Watcher
from jupyter_tracking.progress_bar import Bar, described, drawing
from tests.kernels import kernel
from tests.servers import Server, jupyter_environment

VIEW = "application/vnd.jupyter.widget-view+json"
SIZE = 20_000_000
SWITCH = "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"
SCRIPT = """
import jupyter_tracking as tracking
with tracking.start_run():
    tracking.log_artifact("model.bin")
    tracking.log_artifact("model.bin")
    tracking.log_text("small", "small.txt")
    tracking.download_artifacts(artifact_path="small.txt")
"""
CELLS = [
    "import jupyter_tracking as tracking; run = tracking.start_run(run_name='r')",
    "tracking.log_artifact('model.bin')",
    "%track_artifact model.bin",
    "tracking.log_text('small', 'small.txt')",
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the code runs."""
    (tmp_path / "model.bin").write_bytes(os.urandom(SIZE))
    return tmp_path


def environment(server: Server, folder: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    return {**jupyter_environment(folder), **server.client_environment, **(extra or {})}


def in_log(server: Server, folder: Path, extra: Mapping[str, str] | None = None) -> tuple[str, str]:
    """What the script says when nobody looks."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        check=True,
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment(server, folder, extra),
    )
    return done.stdout, done.stderr


def on_terminal(server: Server, folder: Path, extra: Mapping[str, str] | None = None) -> str:
    """What the script says to somebody at a terminal."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        cwd=folder,
        env=environment(server, folder, extra),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    said = b""
    try:
        while block := os.read(ours, 4096):
            said += block
    except OSError:  # Linux's word for the end of a terminal
        pass
    finally:
        os.close(ours)
    assert process.wait() == 0, said
    return said.decode()


def screen(said: str) -> list[str]:
    """The lines that stay on a terminal."""
    return [line.rpartition("\r")[2].strip() for line in said.replace("\r\n", "\n").split("\n")]


def test_a_terminal_shows_a_bar_and_then_a_line(tracking_server: Server, folder: Path) -> None:
    said = on_terminal(tracking_server, folder)
    assert re.search(r"model\.bin: +\d+%\|", said)
    assert screen(said) == ["model.bin: 20.0 MB", "model.bin: 20.0 MB, already there", ""]
    assert "small.txt" not in said


def test_a_terminal_shows_nothing_if_it_is_turned_off(tracking_server: Server, folder: Path) -> None:
    assert on_terminal(tracking_server, folder, {SWITCH: "false"}) == ""


def test_a_log_gets_nothing_unless_it_is_asked_for(tracking_server: Server, folder: Path) -> None:
    assert in_log(tracking_server, folder) == ("", "")
    out, errors = in_log(tracking_server, folder, {SWITCH: "true"})
    assert out == ""
    assert re.search(r"model\.bin: +\d+%\|", errors)


def test_a_notebook_shows_a_widget_that_goes(tracking_server: Server, folder: Path) -> None:
    with kernel(folder, tracking_server.client_environment) as started:
        assert started.run(CELLS[0]).errors == ""
        output = started.run(CELLS[1])
        assert (output.text, output.errors) == ("", "")
        assert [VIEW in data for data in output.shown] == [True]
        assert started.run(CELLS[1] + ";").shown != []
        assert started.run("%load_ext jupyter_tracking\n%track_artifact model.bin -q").shown == []
        assert started.run("import ipywidgets; print(len(ipywidgets.Widget.widgets))").lines == ["0"]


def test_a_saved_notebook_keeps_lines_and_no_widget(tracking_server: Server, folder: Path) -> None:
    notebook = nbformat.v4.new_notebook(  # type: ignore[no-untyped-call]  # nbformat has no types
        cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS]  # type: ignore[no-untyped-call]  # as above
    )
    client = NotebookClient(notebook, timeout=120, kernel_name="python3")
    client.execute(cwd=str(folder), env=environment(tracking_server, folder, {"PYTHONWARNINGS": ""}))
    outputs = [[shown(output) for output in cell.outputs] for cell in notebook.cells]
    assert outputs == [
        [],
        [("display_data", {"text/plain": "model.bin: 20.0 MB"})],
        [
            ("display_data", {"text/plain": ""}),
            ("stream", "model.bin: 20.0 MB, already there → r\n"),
        ],
        [],
    ]
    assert VIEW not in json.dumps(notebook)


def shown(output: Any) -> tuple[str, Any]:
    kind = output["output_type"]
    return kind, output["text"] if kind == "stream" else dict(output["data"])


class Drawn:
    """A bar that remembers what it was to show."""

    def __init__(self) -> None:
        self.seen: list[tuple[object, ...]] = []

    def draw(self, what: str, total: int | None) -> Drawn:
        self.seen.append((what, total))
        return self

    def show(self, done: int, note: str) -> None:
        self.seen.append((done, note))

    def close(self, line: str) -> None:
        self.seen.append((line,))


def tell(watcher: Watcher, total: int) -> None:
    watcher.begin("model", total)
    watcher.checked("model/a", 3, total)
    watcher.moved("model/a", 5, total)
    watcher.moved("model/b", 2, total)
    watcher.moved("model/a", 1, total)
    watcher.end("line")


def test_a_bar_counts_all_files_and_takes_back_what_is_sent_again() -> None:
    drawn = Drawn()
    tell(Bar(drawn.draw), 20_000_000)
    assert drawn.seen == [
        ("model", 20_000_000),
        (0, ""),
        (0, "checking a 0 %"),
        (5, ""),
        (7, ""),
        (3, ""),
        ("line",),
    ]


def test_a_short_transfer_has_no_bar() -> None:
    drawn = Drawn()
    tell(Bar(drawn.draw), 10)
    assert drawn.seen == []


@pytest.mark.parametrize(
    ("report", "text"),
    [
        (Report("model.bin", 1, 1_200_000_000, 1, ""), "model.bin: 1.2 GB, already there"),
        (Report("model", 3, 1_500, 2, ""), "model: 3 files, 1.5 kB, 2 already there"),
        (Report("model", 3, 1_500, 3, ""), "model: 3 files, 1.5 kB, already there"),
        (Report("model", 0, 0, 0, ""), "model: 0 files, 0 B"),
    ],
)
def test_a_transfer_in_a_few_words(report: Report, text: str) -> None:
    assert described(report) == text


def test_whom_a_bar_is_drawn_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert drawing({}) is None
    assert drawing({SWITCH: "true"}) is not None
    assert drawing({SWITCH: "false"}) is None


@pytest.mark.usefixtures("tracked")
def test_a_function_is_told_in_place_of_a_bar(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "f.bin").write_bytes(bytes(11_000_000))
    moved: list[tuple[str, int, int | None]] = []
    with tracking.start_run():
        tracking.log_artifact("f.bin", progress=lambda *told: moved.append(told))
    assert moved[-1] == ("f.bin", 11_000_000, 11_000_000)
    assert capsys.readouterr() == ("", "")
