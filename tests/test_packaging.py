"""What `pip install` gives: built and installed for real, on machines that have no Node."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

import jupyter_tracking_server

ROOT = Path(__file__).parent.parent
LABEXTENSION = ROOT / "labextension"
STARTUP = ROOT / "jupyter_tracking" / "ipython-startup" / "50-jupyter-tracking.py"
NOT_SOURCES = {
    ".cache",
    ".git",
    ".venv",
    "dist",
    "labextension/lib",
    "labextension/node_modules",
    "server_ext/jupyter_tracking_server/labextension",
}
DATA = f"jupyter_tracking-{jupyter_tracking_server.__version__}.data/data"
COUNT_MAGIC = "print('track_param' in get_ipython().magics_manager.magics['line'])"


@dataclass(frozen=True)
class Machine:
    """A virtual environment and what is on PATH beside it."""

    folder: Path
    environment: Mapping[str, str]

    def run(self, program: str, *arguments: str, **variables: str) -> str:
        """Run a program of the environment; both its outputs.

        Raises:
            AssertionError: it failed; the text is its output.
        """
        command = [str(self.folder / "bin" / program), *arguments]
        return run(command, {**self.environment, **variables}, self.folder)


def run(command: list[str], environment: Mapping[str, str], folder: Path) -> str:
    """Run a command in a folder (from which Python may import); what it wrote to both its outputs."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=dict(environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def without_node(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a machine with a shell, and neither Node nor npm."""
    programs = tmp_path_factory.mktemp("bin")
    for name in ("env", "sh", "uname"):
        found = shutil.which(name)
        assert found is not None
        (programs / name).symlink_to(found)
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("JUPYTER", "JPY_", "PYTHONPATH"))
    }
    return {**clean, "PATH": str(programs)}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory, without_node: dict[str, str]) -> Path:
    """The wheel that `pip install .` builds from a clean checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    sources = folder / "sources"

    def others(place: str, names: list[str]) -> list[str]:
        here = Path(place).relative_to(ROOT)
        return [name for name in names if (here / name).as_posix() in NOT_SOURCES or name == "__pycache__"]

    shutil.copytree(ROOT, sources, ignore=others)
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", str(folder), str(sources)]
    run(command, without_node, folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory, without_node: dict[str, str], wheel: Path) -> Machine:
    """A new environment into which the wheel and JupyterLab were installed."""
    folder = tmp_path_factory.mktemp("machine")
    venv.create(folder / "venv", with_pip=True)
    command = [str(folder / "venv/bin/python"), "-m", "pip", "install", f"{wheel}[lab]"]
    run(command, without_node, folder)
    path = f"{folder / 'venv/bin'}{os.pathsep}{without_node['PATH']}"
    environment = {**without_node, "PATH": path, "HOME": str(folder), "IPYTHONDIR": str(folder / "ipython")}
    return Machine(folder / "venv", environment)


def test_front_end_and_server_have_one_version() -> None:
    package = json.loads((LABEXTENSION / "package.json").read_text(encoding="utf-8"))
    lock = json.loads((LABEXTENSION / "package-lock.json").read_text(encoding="utf-8"))
    assert package["version"] == lock["version"] == jupyter_tracking_server.__version__


def test_the_lock_file_names_no_registry() -> None:
    lock = json.loads((LABEXTENSION / "package-lock.json").read_text(encoding="utf-8"))
    assert lock["packages"]
    assert [name for name, package in lock["packages"].items() if "resolved" in package] == []


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_wheel_holds_everything_once(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    labextension = f"{DATA}/share/jupyter/labextensions/jupyter-tracking"
    expected = {
        "jupyter_tracking/protocol/runs.py",
        "jupyter_tracking_server/app.py",
        f"{DATA}/etc/jupyter/jupyter_server_config.d/jupyter_tracking.json",
        f"{DATA}/etc/ipython/startup/50-jupyter-tracking.py",
        f"{labextension}/install.json",
        f"{labextension}/package.json",
        f"{labextension}/static/style.js",
    }
    assert expected - set(names) == set()
    entries = Counter(name.rpartition("/")[2].partition(".")[0] for name in names)
    assert entries["remoteEntry"] == 1
    assert [
        name for name in names if "node_modules" in name or name.startswith(("tests/", "labextension/"))
    ] == []


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_server_extension_is_enabled_by_the_install(machine: Machine) -> None:
    listed = machine.run("jupyter", "server", "extension", "list")
    lines = [line for line in listed.splitlines() if "jupyter_tracking_server" in line]
    assert any("enabled" in line for line in lines), listed
    assert any("OK" in line for line in lines), listed


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_panel_is_installed_and_fits_this_jupyterlab(machine: Machine) -> None:
    listed = machine.run("jupyter", "labextension", "list")
    (line,) = [line for line in listed.splitlines() if "jupyter-tracking" in line]
    assert "enabled" in line
    assert "OK" in line


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_command_is_part_of_jupyter(machine: Machine) -> None:
    assert "server" in machine.run("jupyter", "tracking", "--help")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_magics_are_there_without_load_ext_unless_turned_off(machine: Machine) -> None:
    assert machine.run("ipython", "-c", COUNT_MAGIC) == "True\n"
    assert machine.run("ipython", "-c", COUNT_MAGIC, JUPYTER_TRACKING_AUTOLOAD="0") == "False\n"


@pytest.mark.parametrize(("autoload", "imported"), [("1", True), ("0", False)])
def test_a_broken_package_does_not_disturb_ipython(tmp_path: Path, autoload: str, imported: bool) -> None:
    profile = tmp_path / "ipython" / "profile_default" / "startup"
    profile.mkdir(parents=True)
    shutil.copy(STARTUP, profile)
    broken = tmp_path / "modules" / "jupyter_tracking.py"
    broken.parent.mkdir()
    broken.write_text(
        f"open({str(tmp_path / 'imported')!r}, 'w').close()\nraise RuntimeError", encoding="utf-8"
    )
    environment = {
        **os.environ,
        "HOME": str(tmp_path),
        "IPYTHONDIR": str(tmp_path / "ipython"),
        "JUPYTER_TRACKING_AUTOLOAD": autoload,
        "PYTHONPATH": str(broken.parent),
    }
    code = "print([name for name in ('_load', 'os', 'contextlib', 'get_ipython') if name in globals()])"
    assert run([sys.executable, "-m", "IPython", "-c", code], environment, tmp_path) == "['get_ipython']\n"
    assert (tmp_path / "imported").exists() == imported


@pytest.mark.slow
def test_the_panel_passes_its_unit_tests() -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    output = run(["npm", "test"], {**os.environ, "PATH": path}, LABEXTENSION)
    assert "# fail 0" in output
