"""Two users of one Hub, in a group each: what one logs from a notebook, the other sees when it is shared.

The Hub is set up as the docs say, on PostgreSQL and SeaweedFS; both users open a notebook in a real browser.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.hub.conftest import documented, is_healthy
from tests.hub.people import Person, person, work
from tests.hub_servers import Hub, descendants, hub
from tests.object_servers import seaweedfs
from tests.servers import START_TIMEOUT, free_port, postgres

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(900)]

BIG = 100 * 2**20
REVOKED_WITHIN = 30.0

JANE = (
    """
import json, os
import mlflow
mlflow.set_experiment("flowers")
with mlflow.start_run(run_name="by-mlflow") as run:
    mlflow.log_param("alpha", 0.5)
    mlflow.log_metric("accuracy", 0.9375)
    with open("big.bin", "wb") as file:
        file.write(os.urandom(2**20) * 100)
    mlflow.log_artifact("big.bin")
""",
    "%track_experiment flowers",
    "%track_start by-magics",
    "%track_metric accuracy 0.96\n%track_end",
    """
import subprocess
doctor = subprocess.run(["jupyter", "tracking", "doctor"], capture_output=True, text=True)
import filecmp
got = mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="big.bin", dst_path="got")
runs = mlflow.search_runs(search_all_experiments=True)
with open("said.json", "w") as file:
    json.dump({
        "run": run.info.run_id,
        "experiment": run.info.experiment_id,
        "artifacts": run.info.artifact_uri,
        "doctor": [doctor.returncode, doctor.stdout],
        "same": filecmp.cmp("big.bin", got, shallow=False),
        "names": sorted(runs["tags.mlflow.runName"]),
        "users": sorted(set(runs["tags.mlflow.user"])),
        "environ": dict(os.environ),
        "pid": os.getpid(),
    }, file)
""",
)
JOE = (
    """
import json, os
import mlflow
mlflow.set_experiment("flowers")
with mlflow.start_run(run_name="of-joe") as run:
    mlflow.log_metric("accuracy", 0.5)
runs = mlflow.search_runs(search_all_experiments=True)
with open("said.json", "w") as file:
    json.dump({
        "run": run.info.run_id,
        "experiment": run.info.experiment_id,
        "names": sorted(runs["tags.mlflow.runName"]),
        "users": sorted(set(runs["tags.mlflow.user"])),
        "environ": dict(os.environ),
        "pid": os.getpid(),
    }, file)
""",
)


@dataclass(frozen=True)
class Shared:
    """A Hub with the service of the docs.

    Attributes:
        url: of the service, through the Hub's proxy.
        secrets: what no user's process may hold.
    """

    hub: Hub
    url: str
    secrets: tuple[str, ...]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    """A Hub as the docs say, on PostgreSQL and SeaweedFS."""
    with contextlib.ExitStack() as stack:
        database = stack.enter_context(postgres(durable=False)).create_database()
        store = stack.enter_context(seaweedfs())
        password = f"pw{secrets.token_hex(8)}"
        variables = {
            # The database trusts its socket; the password is there to be looked for.
            "MLFLOW_BACKEND_STORE_URI": database.replace("postgres:@", f"postgres:{password}@"),
            "MLFLOW_ARTIFACTS_DESTINATION": f"s3://{store.create_bucket()}",
            **store.environment,
        }
        assert password in variables["MLFLOW_BACKEND_STORE_URI"]
        folder = tmp_path_factory.mktemp("shared")
        opened = stack.enter_context(hub(folder, documented(free_port()), variables))
        url = f"{opened.url}/services/tracking"
        until(lambda: is_healthy(url), START_TIMEOUT)
        yield Shared(opened, url, (password, store.secret_key, store.access_key))


def until(holds: Callable[[], bool], seconds: float) -> float:
    """Wait for a condition; the seconds that it took."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() < began + seconds, f"not in {seconds} s"
        time.sleep(0.2)
    return time.monotonic() - began


def check_holds_no_secret(shared: Shared, user: str, pid: int, said: dict[str, Any]) -> None:
    """The user's server, its kernels, and all files of the user."""
    words = [word.encode() for word in shared.secrets]
    processes = [pid, *descendants(pid)]
    assert said["pid"] in processes
    for process in processes:
        for place in ("environ", "cmdline"):
            held = Path(f"/proc/{process}/{place}").read_bytes()
            assert not any(word in held for word in words), (user, process, place)
    for path in shared.hub.home(user).rglob("*"):
        if path.is_file() and path.stat().st_size < BIG:
            held = path.read_bytes()
            assert not any(word in held for word in words), path
    assert "JUPYTERHUB_API_TOKEN" not in said["environ"]
    assert not [name for name in said["environ"] if name.startswith("AWS_")]


def probes(said: dict[str, Any]) -> list[tuple[str, str, object]]:
    """Ways to what a run holds: verb, path and body."""
    run, experiment = said["run"], said["experiment"]
    key = f"{experiment}/{run}/artifacts"
    mlflow: list[tuple[str, str, object]] = [
        ("GET", f"mlflow/experiments/get?experiment_id={experiment}", None),
        ("POST", "mlflow/experiments/search", {"max_results": 100}),
        ("POST", "mlflow/experiments/update", {"experiment_id": experiment, "new_name": "taken"}),
        ("POST", "mlflow/runs/search", {"experiment_ids": [experiment]}),
        ("GET", f"mlflow/runs/get?run_id={run}", None),
        ("POST", "mlflow/runs/log-metric", {"run_id": run, "key": "x", "value": 1, "timestamp": 1}),
        ("GET", f"mlflow/metrics/get-history?run_id={run}&metric_key=accuracy", None),
        ("GET", f"mlflow/artifacts/list?run_id={run}", None),
        ("GET", f"mlflow-artifacts/artifacts?path={key}", None),
        ("GET", f"mlflow-artifacts/artifacts/{key}/big.bin", None),
        ("PUT", f"mlflow-artifacts/artifacts/{key}/new.bin", b"new"),
        ("DELETE", f"mlflow-artifacts/artifacts/{key}/big.bin", None),
        ("POST", f"mlflow-artifacts/mpu/create/{key}/new.bin", {"path": f"{key}/new.bin", "num_parts": 2}),
    ]
    both = [(verb, f"{api}/2.0/{path}", body) for verb, path, body in mlflow for api in ("api", "ajax-api")]
    return [*both, ("GET", f"get-artifact?path=big.bin&run_uuid={run}", None)]


def check_sees_nothing(stranger: Person, said: dict[str, Any]) -> None:
    """Each reply is the one for a run and an experiment that do not exist."""
    nowhere = {"run": secrets.token_hex(16), "experiment": "987654321"}
    for (verb, path, body), (_, other, another) in zip(probes(said), probes(nowhere), strict=True):
        reply, expected = stranger.send(verb, path, body), stranger.send(verb, other, another)
        assert reply.status_code in {200, 404}, (verb, path, reply.text)
        text = expected.text.replace(nowhere["run"], said["run"]).replace(
            nowhere["experiment"], said["experiment"]
        )
        assert (reply.status_code, reply.text) == (expected.status_code, text), (verb, path)
        for word in ("by-mlflow", "by-magics", "0.9375", "jane"):
            assert word not in reply.text, (verb, path)


def reads(reader: Person, said: dict[str, Any]) -> set[bool]:
    """Whether the run's record, its listing and its artifact come back: one answer, where they agree.

    While a right is given or taken they may not, as each is asked for at a moment of its own.
    """
    key = f"{said['experiment']}/{said['run']}/artifacts/big.bin"
    record = reader.send("GET", f"api/2.0/mlflow/runs/get?run_id={said['run']}")
    listed = reader.send("GET", f"ajax-api/2.0/mlflow/artifacts/list?run_id={said['run']}")
    whole = reader.send("HEAD", f"api/2.0/mlflow-artifacts/artifacts/{key}")
    return {record.status_code == 200, "big.bin" in listed.text, whole.status_code == 200}


def test_what_is_logged_is_private_until_it_is_shared(shared: Shared, browser: Browser) -> None:
    pids = {user: shared.hub.spawn(user) for user in ("jane", "joe")}
    said = work(shared.hub, browser, "jane", JANE)
    assert said["same"]
    assert (said["names"], said["users"]) == (["by-magics", "by-mlflow"], ["jane"])
    assert said["artifacts"].startswith("mlflow-artifacts:")
    assert said["doctor"][0] == 0, said["doctor"]
    assert "The service knows this user as jane." in said["doctor"][1]
    check_holds_no_secret(shared, "jane", pids["jane"], said)

    said_by_joe = work(shared.hub, browser, "joe", JOE)
    assert (said_by_joe["names"], said_by_joe["users"]) == (["of-joe"], ["joe"])
    check_holds_no_secret(shared, "joe", pids["joe"], said_by_joe)

    jane, joe, admin = (person(shared.hub, shared.url, name) for name in ("jane", "joe", "admin"))
    check_sees_nothing(joe, said)
    assert reads(jane, said) == {True}
    assert reads(admin, said) == {True}

    share = {"experiment_id": said["experiment"], "kind": "group", "name": "field"}
    jane.call("api/2.0/jupyter-tracking/grants/set", {**share, "role": "reader"})
    until(lambda: reads(joe, said) == {True}, REVOKED_WITHIN)
    key = f"{said['experiment']}/{said['run']}/artifacts"
    whole = joe.send("GET", f"api/2.0/mlflow-artifacts/artifacts/{key}/big.bin")
    assert whole.content == (shared.hub.home("jane") / "big.bin").read_bytes()
    refused = joe.send("PUT", f"api/2.0/mlflow-artifacts/artifacts/{key}/new.bin", b"new")
    assert refused.status_code == 403

    jane.call("api/2.0/jupyter-tracking/grants/remove", share)
    until(lambda: reads(joe, said) == {False}, REVOKED_WITHIN)
    check_sees_nothing(joe, said)

    jane.call("api/2.0/jupyter-tracking/grants/set", {**share, "role": "reader"})
    until(lambda: reads(joe, said) == {True}, REVOKED_WITHIN)
    shared.hub.api("DELETE", "groups/field/users", {"users": ["joe"]})
    until(lambda: reads(joe, said) == {False}, REVOKED_WITHIN)
    check_sees_nothing(joe, said)
