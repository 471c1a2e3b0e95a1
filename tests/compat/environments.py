"""Environments of the programs that we compare ourselves with: made on demand, kept, never part of our own.

They live below `.cache/compat` in the repository. If `JUPYTER_TRACKING_PEERS` names a folder, its sub-folders
(with the same names) are used as they are and nothing is installed.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]

REQUIREMENTS: Mapping[str, tuple[str, ...]] = {
    # The newest stock mlflow: client of both protocol versions, and the server that we compare with; boto3 is
    # for S3 without a proxy.
    "mlflow3": ("mlflow==3.17.2", "psycopg2-binary", "boto3"),
    # The small client that many notebooks carry, with just what its own artifacts and models need.
    "mlflow2": ("mlflow-skinny==2.16.2", "setuptools<81", "scikit-learn", "pandas", "matplotlib", "pillow"),
    # What stock mlflow's server needs for --app-name basic-auth, to be put beside it.
    "basic_auth": ("flask-wtf>=1.2",),
    "ftml": ("fasttrackml==0.6.0",),
    # The last one that carries a name node and a data node (of Hadoop 2.7).
    "hadoop": ("pyspark==2.4.8",),
}


def program(environment: str, name: str) -> Path:
    """The path of a command (`python`, `mlflow`, `fml`) of an environment, which is installed if missing.

    Raises:
        subprocess.CalledProcessError: pip could not install it; its output is on standard error.
    """
    given = os.environ.get("JUPYTER_TRACKING_PEERS")
    folder = Path(given) / environment if given else _installed(environment)
    return folder / "bin" / name


def _installed(environment: str) -> Path:
    cache = ROOT / ".cache" / "compat"
    cache.mkdir(parents=True, exist_ok=True)
    folder, marker = cache / environment, cache / f"{environment}.json"
    wanted = json.dumps([sys.version_info[:2], *REQUIREMENTS[environment]])
    # pytest-xdist's workers may want it at the same time.
    with (cache / f"{environment}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not marker.exists() or marker.read_text(encoding="utf-8") != wanted:
            marker.unlink(missing_ok=True)
            shutil.rmtree(folder, ignore_errors=True)
            subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
            # Of what they install little is ever imported, and that is compiled then.
            pip = [
                str(folder / "bin" / "pip"),
                "install",
                "-qq",
                "--disable-pip-version-check",
                "--no-compile",
            ]
            subprocess.run([*pip, *REQUIREMENTS[environment]], check=True)
            marker.write_text(wanted, encoding="utf-8")
    return folder
