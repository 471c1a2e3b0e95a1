"""Addresses of the object store itself are for who may read, or write, what is there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.http.conftest import Answer
from tests.http.rights_scene import API, CONTENT, NOWHERE, OURS, PROXY, Site
from tests.http.rights_site import start_site
from tests.object_servers import S3Server


@pytest.fixture(scope="module")
def signing(tmp_path_factory: pytest.TempPathFactory, moto_server: S3Server) -> Iterator[Site]:
    """A server that hands out addresses."""
    destination = f"s3://{moto_server.create_bucket()}/artifacts"
    options = ["--artifacts-destination", destination, "--presigned-urls"]
    folder = tmp_path_factory.mktemp("signing")
    with start_site(folder, options=options, **moto_server.environment) as running:
        yield running


@pytest.fixture(scope="module")
def run(signing: Site) -> dict[str, Any]:
    """A run of the owner's with an artifact; a reader may read it."""
    info: dict[str, Any] = signing.call("owner", "runs/create", {})["run"]["info"]
    path = f"{PROXY}/artifacts/{info['experiment_id']}/{info['run_id']}/artifacts/a.txt"
    assert signing.send("owner", "PUT", path, CONTENT).status == 200
    grant = {"experiment_id": info["experiment_id"], "kind": "user", "name": "reader", "role": "reader"}
    signing.call("owner", f"{OURS}/grants/set", grant)
    return info


def root(info: dict[str, Any]) -> str:
    return f"{info['experiment_id']}/{info['run_id']}/artifacts"


@pytest.mark.parametrize(
    ("who", "status"),
    [("anonymous", 401), ("stranger", 404), ("reader", 200), ("read-only", 403), ("admin", 200)],
)
def test_to_read_with(who: str, status: int, signing: Site, run: dict[str, Any]) -> None:
    answer = signing.send(who, "GET", f"{PROXY}/presigned/{root(run)}/a.txt")
    assert answer.status == status, answer
    assert (b"X-Amz-Signature" in answer.body) == (status == 200)


@pytest.mark.parametrize(("who", "status"), [("stranger", 404), ("reader", 403), ("owner", 200)])
def test_to_write_with(who: str, status: int, signing: Site, run: dict[str, Any]) -> None:
    body = {"path": "big.bin", "num_parts": 1}
    answer = signing.send(who, "POST", f"{PROXY}/mpu/create/{root(run)}", body)
    assert answer.status == status, answer
    assert (b"X-Amz-Signature" in answer.body) == (status == 200)


def test_what_is_foreign_looks_as_if_it_were_not_there(signing: Site, run: dict[str, Any]) -> None:
    def told(path: str) -> Answer:
        return signing.send("stranger", "GET", f"{PROXY}/presigned/{path}/a.txt")

    foreign, missing = told(root(run)), told(NOWHERE.root)
    assert foreign.status == missing.status == 404
    assert foreign.body.replace(root(run).encode(), b"R") == missing.body.replace(NOWHERE.root.encode(), b"R")


def test_a_place_in_the_bucket_is_for_administrators_to_choose(signing: Site, run: dict[str, Any]) -> None:
    experiment = signing.call("owner", f"experiments/get?experiment_id={run['experiment_id']}", None, "GET")
    assert experiment["experiment"]["artifact_location"].startswith("mlflow-artifacts:/")
    config = signing.send("admin", "GET", f"{PROXY}/presigned/{root(run)}/a.txt").json()["url"]
    bucket = config.split("/artifacts/")[0].rpartition("/")[2]
    for location, status in ((f"s3://{bucket}/artifacts/7", 400), (f"s3://{bucket}/elsewhere", 200)):
        body = {"name": location, "artifact_location": location}
        assert signing.send("owner", "POST", f"{API}/experiments/create", body).status == status
