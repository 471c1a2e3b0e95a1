"""A server with runs that have files, and `jupyter tracking gc` beside it."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from tests.servers import Server, jupyter_environment

Json = dict[str, Any]


@dataclass
class Shop:
    """Calls of a server on `folder`, and the command on the same database and artifacts.

    Attributes:
        backend: the database's URI.
    """

    server: Server
    folder: Path
    backend: str
    http: requests.Session

    @property
    def artifacts(self) -> Path:
        """The destination."""
        return self.folder / "artifacts"

    def post(self, call: str, **body: object) -> Json:
        """A call that must succeed."""
        reply = self.http.post(f"{self.server.url}/api/2.0/mlflow/{call}", json=body, timeout=60)
        assert reply.status_code == 200, reply.text
        found: Json = reply.json()
        return found

    def experiment(self, name: str, location: str = "") -> str:
        """A new experiment's id."""
        made: str = self.post("experiments/create", name=name, artifact_location=location)["experiment_id"]
        return made

    def run(self, experiment: str = "0", text: str = "x") -> str:
        """A new run with a param, a metric and a file `a/b.txt`."""
        info = self.post("runs/create", experiment_id=experiment)["run"]["info"]
        run_id: str = info["run_id"]
        point = {"key": "m", "value": 1, "timestamp": 1, "step": 1}
        self.post("runs/log-batch", run_id=run_id, metrics=[point], params=[{"key": "p", "value": "v"}])
        location: str = info["artifact_uri"]
        if location.startswith("mlflow-artifacts:/"):
            path = location.removeprefix("mlflow-artifacts:/")
            url = f"{self.server.url}/api/2.0/mlflow-artifacts/artifacts/{path}/a/b.txt"
            assert self.http.put(url, data=text, timeout=60).status_code == 200
        else:
            file = Path(location.removeprefix("file://")) / "a" / "b.txt"
            file.parent.mkdir(parents=True)
            file.write_text(text)
        return run_id

    def model(self, experiment: str) -> str:
        """A new logged model's id."""
        made: str = self.post("logged-models", experiment_id=experiment)["model"]["info"]["model_id"]
        return made

    def trash(self, *runs: str) -> None:
        """Delete runs as users do."""
        for run_id in runs:
            self.post("runs/delete", run_id=run_id)

    def is_there(self, run_id: str) -> bool:
        """Whether the server knows a run; it must be whole then."""
        reply = self.http.get(
            f"{self.server.url}/api/2.0/mlflow/runs/get", params={"run_id": run_id}, timeout=60
        )
        if reply.status_code == 404:
            return False
        data = reply.json()["run"]["data"]
        assert [item["key"] for item in data["params"]] == ["p"]
        assert [item["key"] for item in data["metrics"]] == ["m"]
        return True

    def files(self) -> set[str]:
        """All artifacts, relative to the destination."""
        # Not Path.rglob, which stumbles over folders that vanish meanwhile.
        found = {
            os.path.relpath(os.path.join(folder, name), self.artifacts)  # noqa: PTH118 - os.walk gives text
            for folder, _, names in os.walk(self.artifacts)
            for name in names
        }
        return {path for path in found if not path.startswith(".uploads")}

    def start_gc(self, *flags: str) -> subprocess.Popen[str]:
        """The command as a process, with its output to be read."""
        return subprocess.Popen(
            [
                *(sys.executable, "-m", "jupyter_tracking_server", "gc", "--backend-store-uri", self.backend),
                *("--artifacts-destination", str(self.artifacts), *flags),
            ],
            env=jupyter_environment(self.folder),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def gc(self, *flags: str) -> tuple[int, str, str]:
        """Exit code, standard output, standard error."""
        with self.start_gc(*flags) as process:
            out, err = process.communicate(timeout=120)
        assert "Traceback" not in err, err
        return process.returncode, out, err
