"""Logs one big file with a stock mlflow client, downloads it again and compares.

Run it with the client's own interpreter as `python -m tests.compat.client_big_file FILE FOLDER`; the
MLFLOW_* variables say where it goes. It prints the client's version. Nothing here imports pytest or this
project.
"""

from __future__ import annotations

import filecmp
import sys
from pathlib import Path

import mlflow


def main() -> None:
    """The file goes up as `data/<name>` of a new run, and comes down below the folder."""
    file, folder = Path(sys.argv[1]), Path(sys.argv[2])
    mlflow.set_experiment("big file")
    with mlflow.start_run() as run:
        mlflow.log_artifact(str(file), "data")
    (found,) = mlflow.MlflowClient().list_artifacts(run.info.run_id, "data")
    if (found.path, found.file_size) != (f"data/{file.name}", file.stat().st_size):
        raise AssertionError(found)
    got = mlflow.artifacts.download_artifacts(
        run_id=run.info.run_id, artifact_path=found.path, dst_path=str(folder)
    )
    if not filecmp.cmp(file, got, shallow=False):
        raise AssertionError("what came down is not what went up")
    Path(got).unlink()
    print(mlflow.__version__)


if __name__ == "__main__":
    main()
