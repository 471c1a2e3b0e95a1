"""``deploy/compose.yaml``: what it says, and what happens when its commands run."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from compose_spec import PyCompose

from tests.deploy.composed import DEPLOY, VARIABLE, Composition, composed, composition, replica, secrets_made
from tests.hub_servers import Hub
from tests.servers import Postgres

SCOPES = ("access:services!service=tracking", "access:servers!user=jane")
BODY = os.urandom(3 * 2**20)


def test_it_keeps_to_the_specification() -> None:
    PyCompose.from_yaml((DEPLOY / "compose.yaml").read_text(encoding="utf-8")).validate()


def test_each_secret_is_made_and_none_is_in_a_file(tmp_path: Path) -> None:
    made = secrets_made(tmp_path / "deploy")
    texts = {path: path.read_text(encoding="utf-8") for path in DEPLOY.rglob("*") if path.is_file()}
    assert set(VARIABLE.findall(texts[DEPLOY / "compose.yaml"])) == set(made)
    assert all(len(value) >= 16 for value in made.values())
    assert len(set(made.values())) == len(made)
    assert stat.S_IMODE((tmp_path / "deploy" / ".env").stat().st_mode) == 0o600
    again = secrets_made(tmp_path / "again")
    assert not set(made.values()) & set(again.values())


def test_notebooks_reach_the_hub_and_the_balancer_alone() -> None:
    services = composed()["services"]
    reached = {name for name, service in services.items() if "notebooks" in service.get("networks", ())}
    assert reached == {"hub", "balancer"}
    held = {name for name, service in services.items() if "AWS_SECRET_ACCESS_KEY" in str(service)}
    assert held == {"store", "tracking-1", "tracking-2"}


@pytest.fixture(scope="module")
def scene(
    tmp_path_factory: pytest.TempPathFactory, postgres_server: Postgres
) -> Iterator[tuple[Composition, Hub]]:
    with composition(tmp_path_factory.mktemp("composed"), postgres_server) as running:
        yield running


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_user_of_the_hub_logs_a_run_through_both_replicas(scene: tuple[Composition, Hub]) -> None:
    _, hub = scene
    token = hub.token_of("jane", *SCOPES)
    hub.spawn("jane")
    # By the Hub's proxy to the service itself, and by jane's own server, which relays.
    urls = [f"{hub.url}/services/tracking", f"{hub.url}/user/jane/tracking"]
    with requests.Session() as http:
        http.headers["Authorization"] = f"Bearer {token}"
        for url in urls:
            info = http.post(f"{url}/api/2.0/mlflow/runs/create", json={"experiment_id": "0"}, timeout=60)
            assert info.status_code == 200, info.text
            run = info.json()["run"]["info"]
            assert run["user_id"] == "jane"
            path = run["artifact_uri"].removeprefix("mlflow-artifacts:/")
            where = f"/api/2.0/mlflow-artifacts/artifacts/{path}/model.bin"
            assert http.put(url + where, data=BODY, timeout=60).status_code == 200
            for other in urls:
                assert http.get(other + where, timeout=60).content == BODY
    refused = requests.post(f"{urls[0]}/api/2.0/mlflow/runs/create", json={"experiment_id": "0"}, timeout=60)
    assert refused.status_code == 401


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_store_takes_nobody_without_its_keys(scene: tuple[Composition, Hub]) -> None:
    made, _ = scene
    listed = requests.get(f"http://{made.places['store:8333']}/tracking", timeout=60)
    assert listed.status_code == 403


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_one_replica_is_enough(scene: tuple[Composition, Hub]) -> None:
    made, hub = scene
    headers = {"Authorization": f"Bearer {hub.token_of('jane', *SCOPES)}"}
    url = f"{hub.url}/services/tracking/api/2.0/jupyter-tracking/whoami"
    with contextlib.ExitStack() as renewed:
        for name in ("tracking-1", "tracking-2"):
            process = made.services[name]
            process.terminate()
            assert process.wait(60) == 0
            for _ in range(4):
                reply = requests.get(url, headers=headers, timeout=60)
                assert (reply.status_code, reply.json()["user"]) == (200, "jane")
            renewed.enter_context(replica(made, name))
