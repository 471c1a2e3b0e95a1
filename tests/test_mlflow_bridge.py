"""``mlflow`` and our fluent functions share the active run, in both directions, with both stock versions."""

from __future__ import annotations

import os
import subprocess
import sysconfig
from pathlib import Path

import pytest

from tests.compat.environments import ROOT, program
from tests.compat.sharing import SCENES
from tests.servers import Server

# The stock clients' environments lack what we stand on; ours comes behind theirs on the path.
START = """
import runpy, sys
sys.path += sys.argv[1:3]
sys.argv[:] = sys.argv[3:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.peer
@pytest.mark.parametrize("version", ["mlflow3", "mlflow2"])
@pytest.mark.parametrize("scenes", SCENES)
def test_sharing(version: str, scenes: str, tracking_server: Server, tmp_path: Path) -> None:
    paths = [sysconfig.get_path("purelib"), str(ROOT)]
    script = Path(__file__).parent / "compat" / "sharing.py"
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")},
        **tracking_server.client_environment,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
    }
    done = subprocess.run(
        [str(program(version, "python")), "-c", START, *paths, str(script), scenes],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "ok"
