"""A stock client's script: 64 MiB up and down, and calls of the model registry with the rarer verbs."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

import mlflow


def main(folder: Path) -> None:
    """Raise if anything comes back otherwise than it went."""
    source = folder / "big.bin"
    source.write_bytes(os.urandom(64 * 2**20))
    with mlflow.start_run() as active:
        mlflow.log_artifact(str(source))
    found = mlflow.artifacts.download_artifacts(
        run_id=active.info.run_id, artifact_path="big.bin", dst_path=str(folder / "back")
    )
    if _digest(Path(found)) != _digest(source):
        raise AssertionError("other bytes came back")
    client = mlflow.MlflowClient()
    client.update_run(active.info.run_id, name="renamed")
    client.set_tag(active.info.run_id, "a", "b")
    client.delete_tag(active.info.run_id, "a")
    if client.get_run(active.info.run_id).info.run_name != "renamed":
        raise AssertionError("the new name is not there")


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
