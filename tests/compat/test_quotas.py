"""What the users of stock clients are told when a quota is reached: at once, and with the cure."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.compat.environments import program
from tests.http.rights_scene import OURS
from tests.http.rights_site import start_site
from tests.servers import jupyter_environment

pytestmark = [pytest.mark.peer, pytest.mark.slow, pytest.mark.timeout(600)]

SCRIPT = """
import json, os, sys
import mlflow

said = []

def refused(work):
    try:
        work()
    except Exception as error:
        said.append(str(error))
    else:
        said.append("it went well")

mlflow.set_experiment("quota")
with mlflow.start_run():
    mlflow.log_text("small", "small.txt")
    for size in (2_000_000, 100_000_000):
        with open("big.bin", "wb") as file:
            file.truncate(size)
        refused(lambda: mlflow.log_artifact("big.bin"))
    os.environ["MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD"] = "true"
    os.environ["MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE"] = str(6 * 2**20)
    os.environ["MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE"] = str(6 * 2**20)
    refused(lambda: mlflow.log_artifact("big.bin"))
    mlflow.log_text("small", "small again.txt")
refused(mlflow.start_run)
print(json.dumps(said))
"""


@pytest.mark.parametrize("client", ["mlflow3", "mlflow2"])
def test_the_message_reaches_the_user(client: str, tmp_path: Path) -> None:
    with start_site(tmp_path / "site") as site:
        quota = {"kind": "user", "name": "owner", "max_bytes": 1_000_000, "max_runs": 1}
        site.call("admin", f"{OURS}/quotas/set", quota)
        environment = {
            **jupyter_environment(tmp_path / "client"),
            "MLFLOW_TRACKING_URI": site.url,
            "MLFLOW_TRACKING_TOKEN": site.tokens["owner"],
        }
        # With the client's own patience: it must not take the refusal for a fault that passes.
        done = subprocess.run(
            [str(program(client, "python")), "-c", SCRIPT],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 0, done.stderr[-4000:]
    *uploads, start = json.loads(done.stdout.splitlines()[-1])
    assert len(uploads) == 3
    for message in uploads:
        assert "RESOURCE_LIMIT_EXCEEDED" in message
        assert "The artifact does not fit: owner holds 5 B of 1.0 MB" in message
    assert start.startswith("RESOURCE_LIMIT_EXCEEDED: No more runs: owner holds 1 of 1 runs.")
    assert "jupyter tracking gc" in start
