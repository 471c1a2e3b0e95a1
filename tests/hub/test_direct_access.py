"""Kernels that reach the service straight, through the Hub's proxy, by tokens that the Hub makes for them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.hub.conftest import documented, is_healthy
from tests.hub.people import person, work
from tests.hub_servers import Hub, hub
from tests.object_servers import wait_until
from tests.servers import free_port

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]

FURTHER = """
c.Spawner.environment.update({"JUPYTER_TRACKING_SERVICE_URI": "HUB_URL/services/tracking"})
c.Spawner.args.append("--TrackingExtension.service_access=direct")
c.Spawner.server_token_scopes.append("tokens!user")
"""
CELLS = (
    """
import json, os, subprocess
import mlflow
mlflow.set_experiment("straight")
with mlflow.start_run() as run:
    mlflow.log_metric("accuracy", 0.5)
doctor = subprocess.run(["jupyter", "tracking", "doctor"], capture_output=True, text=True)
with open("said.json", "w") as file:
    json.dump({
        "run": run.info.run_id,
        "doctor": [doctor.returncode, doctor.stdout],
        "environ": dict(os.environ),
    }, file)
""",
)


@pytest.fixture(scope="module")
def direct(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A Hub as the docs say, whose notebook servers are told the Hub's address of the service."""
    folder: Path = tmp_path_factory.mktemp("direct")
    variables = {
        "MLFLOW_BACKEND_STORE_URI": f"sqlite:///{folder / 'tracking.db'}",
        "MLFLOW_ARTIFACTS_DESTINATION": str(folder / "artifacts"),
    }
    with hub(folder, documented(free_port()) + FURTHER, variables) as opened:
        assert opened.process is not None
        wait_until(lambda: is_healthy(f"{opened.url}/services/tracking"), opened.process, opened.log)
        yield opened


def test_a_kernel_reaches_the_service_by_a_token_of_its_own(direct: Hub, browser: Browser) -> None:
    direct.spawn("jane")
    said = work(direct, browser, "jane", CELLS)
    url = f"{direct.url}/services/tracking"
    assert said["environ"]["MLFLOW_TRACKING_URI"] == url
    assert "JUPYTERHUB_API_TOKEN" not in said["environ"]
    assert said["doctor"][0] == 0, said["doctor"]
    assert f"Kernels track straight to {url}" in said["doctor"][1]
    found = person(direct, url, "jane").send("GET", f"api/2.0/mlflow/runs/get?run_id={said['run']}").json()
    assert found["run"]["info"]["user_id"] == "jane"
