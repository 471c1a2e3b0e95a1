"""Runs the client script with a stock client's own interpreter."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.compat.environments import ROOT, program
from tests.servers import Server, jupyter_environment, log_tail


def run_script(
    client: str,
    server: Server,
    folder: Path,
    *,
    steps: Sequence[str] = (),
    variables: Mapping[str, str] | None = None,
) -> dict[str, object]:
    """Run the client script in the client's environment and return its summary without the times.

    Args:
        client: the name of its environment.
        server: what it talks to.
        folder: for its home and temporary files.
        steps: those to run; all if there are none.
        variables: further environment variables.
    """
    environment = {
        **jupyter_environment(folder),
        **server.client_environment,
        # A 5xx must fail the script, not be hidden by the client's retries.
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
        "MPLCONFIGDIR": str(folder),
        **(variables or {}),
    }
    done = subprocess.run(
        [str(program(client, "python")), "-m", "tests.compat.client_script", *steps],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, f"{done.stderr[-6000:]}\n--- server ---\n{log_tail(server.log)}"
    summary: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    summary.pop("seconds")
    return summary
