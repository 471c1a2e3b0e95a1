"""What a user's code does, run by any stock mlflow client (2.16 to 3.17) against any server of the API.

Run it with the client's own interpreter, from the repository's root, as
`python -m tests.compat.client_script [step ...]`; MLFLOW_TRACKING_URI and MLFLOW_TRACKING_TOKEN name the
server. All
that was logged is read back and compared. The last line printed is one JSON object: the client's version and
the steps that passed. Nothing here imports pytest or this project.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import mlflow

from tests.compat import client_artifacts, client_models, client_runs, client_search
from tests.compat.scene import Scene

STEPS = [*client_runs.STEPS, *client_search.STEPS, *client_artifacts.STEPS, *client_models.STEPS]


def main() -> None:
    """Run the steps, each in an experiment of its own; the first failure ends the script with a traceback."""
    wanted = sys.argv[1:]
    steps = [step for step in STEPS if not wanted or step.__name__ in wanted]
    passed: list[str] = []
    seconds: dict[str, float] = {}
    with TemporaryDirectory() as folder:
        for step in steps:
            name = step.__name__
            scene = Scene.make(f"compat {name} {os.urandom(4).hex()}", Path(folder) / name)
            began = time.monotonic()
            try:
                step(scene)
            except BaseException:
                print(f"step {name} failed", file=sys.stderr)
                raise
            if mlflow.active_run() is not None:
                raise AssertionError(f"step {name} left a run open")
            passed.append(name)
            seconds[name] = round(time.monotonic() - began, 2)
    print(json.dumps({"client": mlflow.__version__, "steps": passed, "seconds": seconds}))


if __name__ == "__main__":
    main()
