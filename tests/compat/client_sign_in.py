"""Logs a run with a metric and an artifact, and reads them back, by the environment's credential.

Runs with a stock client's own interpreter; prints one line of JSON: whose the run is, or the error.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import mlflow


def log_and_read() -> dict[str, object]:
    """What the server says of the run."""
    mlflow.set_experiment("signed in")
    with mlflow.start_run() as run:
        mlflow.log_metric("loss", 0.5)
        mlflow.log_text("some bytes", "folder/a.txt")
    found = mlflow.get_run(run.info.run_id)
    path = mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="folder/a.txt")
    return {
        "user": found.info.user_id,
        "tag": found.data.tags["mlflow.user"],
        "loss": found.data.metrics["loss"],
        "text": Path(path).read_text(encoding="utf-8"),
    }


def main() -> None:
    """Log, read and say how it went."""
    begun = time.monotonic()
    try:
        said = log_and_read()
    except Exception as error:  # whatever it is, the test wants to see it as a user does
        said = {"error": str(error), "kind": type(error).__name__}
    print(json.dumps({**said, "seconds": time.monotonic() - begun}), file=sys.stdout)


if __name__ == "__main__":
    main()
