"""What code can know of the notebook and cell that runs it, in a script, a shell and a real kernel."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from jupyter_tracking import notebook
from tests.kernels import Kernel, kernel

SHOW = "import json, jupyter_tracking.notebook as n; print(json.dumps(vars(n.place())))"


def test_outside_ipython(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/home/jane/train.py"])
    assert notebook.place() == notebook.Place(path="/home/jane/train.py")
    monkeypatch.setattr(sys, "argv", ["-c"])
    assert notebook.place() == notebook.Place()


def test_a_script_in_a_process_of_its_own(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(SHOW)
    done = subprocess.run([sys.executable, str(script)], check=True, capture_output=True, text=True)
    assert json.loads(done.stdout) == {
        "path": str(script),
        "is_notebook": False,
        "cell_id": None,
        "execution_count": 0,
    }


def place_in(running: Kernel, cell: str = SHOW, cell_id: str | None = None) -> dict[str, object]:
    found: dict[str, object] = json.loads(running.run(cell, cell_id=cell_id).text)
    return found


def test_in_a_kernel_that_jupyter_started(tmp_path: Path) -> None:
    with kernel(tmp_path, {"JPY_SESSION_NAME": "/home/jane/a b.ipynb"}) as running:
        running.run("1")
        assert place_in(running, cell_id="abc-1") == {
            "path": "/home/jane/a b.ipynb",
            "is_notebook": True,
            "cell_id": "abc-1",
            "execution_count": 2,
        }


def test_in_a_kernel_that_vs_code_started(tmp_path: Path) -> None:
    with kernel(tmp_path) as running:
        assert place_in(running) == {"path": "", "is_notebook": True, "cell_id": None, "execution_count": 1}
        running.run("__vsc_ipynb_file__ = '/home/jane/b.ipynb'")
        assert place_in(running)["path"] == "/home/jane/b.ipynb"


def test_the_user_is_the_hubs_or_the_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTERHUB_USER", "jane")
    assert notebook.user() == "jane"
    monkeypatch.delenv("JUPYTERHUB_USER")
    monkeypatch.setenv("LOGNAME", "joe")
    assert notebook.user() == "joe"
