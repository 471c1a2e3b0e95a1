"""Stock clients where users have rights: with nothing set, and sharing by MLflow's own client."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.compat.environments import ROOT, program
from tests.http.rights_scene import API, Site
from tests.http.rights_site import join, start_site
from tests.servers import Postgres, jupyter_environment

pytestmark = [pytest.mark.peer, pytest.mark.slow, pytest.mark.timeout(1800)]

MISSING, TAKEN = "RESOURCE_DOES_NOT_EXIST", "RESOURCE_ALREADY_EXISTS"
PERMISSIONS = {
    "mlflow2": [True, "editor", "READ", TAKEN, "MANAGE", MISSING, MISSING, MISSING],
    "mlflow3": [
        *(True, "EDIT", TAKEN, False, "NO_PERMISSIONS", MISSING),
        *("NOT_IMPLEMENTED", "ENDPOINT_NOT_FOUND"),
    ],
}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, postgres_server: Postgres
) -> Iterator[Site]:
    backend = postgres_server.create_database() if request.param == "postgresql" else None
    with start_site(tmp_path_factory.mktemp("rights"), backend) as running:
        yield running
    if backend:
        postgres_server.drop_database(backend)


@pytest.mark.parametrize("client", PERMISSIONS)
def test_a_user_logs_with_nothing_set_and_shares_it(client: str, site: Site, tmp_path: Path) -> None:
    who = join(site)
    done = subprocess.run(
        [str(program(client, "python")), "-m", "tests.compat.client_rights"],
        cwd=ROOT,
        env={
            **jupyter_environment(tmp_path),
            "MLFLOW_TRACKING_URI": site.url,
            "MLFLOW_TRACKING_TOKEN": site.tokens[who],
            "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
        },
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-6000:]
    said = json.loads(done.stdout.splitlines()[-1])
    run = said.pop("run")
    assert said == {"found": 1, "experiment": "Default", "permissions": PERMISSIONS[client]}
    for other, status in (("reader", 200), ("editor", 404), ("stranger", 404)):
        assert site.send(other, "GET", f"{API}/runs/get?run_id={run}").status == status
        artifact = site.send(other, "GET", f"/get-artifact?run_id={run}&path=folder/a.txt")
        assert (artifact.status, artifact.body == b"some bytes") == (status, status == 200)
