"""What is given or taken on one replica holds on the other: roles within 5 seconds, tokens within 30."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from jupyter_tracking_server.access import TRUST
from tests.object_servers import S3Server
from tests.reliability.replicas import Site, site
from tests.servers import Postgres, Server, jupyter_environment

TOKEN_TRUST = 30.0
"""Seconds for which a replica may believe a token that it has seen."""
SLACK = 2.0
"""Seconds for the request itself, on a busy machine."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def pair(
    postgres_server: Postgres, s3_server: S3Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """Two replicas whose callers are users."""
    uri = postgres_server.create_database()
    with site(tmp_path_factory.mktemp("pair"), uri, s3_server, auth="users") as running:
        yield running
    postgres_server.drop_database(uri)


def command(pair: Site, *arguments: str) -> str:
    """What `jupyter tracking …` prints."""
    whole = [sys.executable, "-m", "jupyter_tracking_server", *arguments]
    return subprocess.run(
        [*whole, "--backend-store-uri", pair.backend],
        env=jupyter_environment(pair.folder / "command"),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=60,
    ).stdout


def user(pair: Site, name: str) -> dict[str, str]:
    """The headers of a new user."""
    command(pair, "user", "create", name, "--no-password")
    token = command(pair, "token", "create", "--user", name).split()[-1]
    return {"Authorization": f"Bearer {token}"}


def call(server: Server, path: str, headers: dict[str, str], body: dict[str, str]) -> requests.Response:
    return requests.post(f"{server.url}/api/2.0/{path}", json=body, headers=headers, timeout=60)


def seconds_until(status: int, server: Server, path: str, headers: dict[str, str], query: str) -> float:
    """How long a reading call took to be answered so."""
    begun = time.monotonic()
    while True:
        url = f"{server.url}/api/2.0/{path}?{query}"
        found = requests.get(url, headers=headers, timeout=60).status_code
        passed = time.monotonic() - begun
        if found == status:
            return passed
        assert passed < 2 * TOKEN_TRUST, f"still {found} after {passed:.0f} s"
        time.sleep(0.1)


def test_a_role_holds_on_both_at_once_and_is_gone_on_both_soon(pair: Site) -> None:
    first, second = pair.running
    jane, joe = user(pair, "jane"), user(pair, "joe")
    made = call(first, "mlflow/experiments/create", jane, {"name": "shared"}).json()["experiment_id"]
    path, query = "mlflow/experiments/get", f"experiment_id={made}"
    assert seconds_until(404, second, path, joe, query) < SLACK
    grant = {"experiment_id": made, "kind": "user", "name": "joe"}
    given = call(first, "jupyter-tracking/grants/set", jane, {**grant, "role": "reader"})
    assert given.status_code == 200, given.text
    assert seconds_until(200, second, path, joe, query) < SLACK
    taken = call(first, "jupyter-tracking/grants/remove", jane, grant)
    assert taken.status_code == 200, taken.text
    assert seconds_until(404, first, path, joe, query) < SLACK
    assert seconds_until(404, second, path, joe, query) < TRUST + SLACK


def test_a_token_that_was_revoked_is_soon_gone_on_both(pair: Site) -> None:
    jim = user(pair, "jim")
    path, query = "jupyter-tracking/whoami", ""
    for server in pair.running:
        assert seconds_until(200, server, path, jim, query) < SLACK
    (listed,) = [line for line in command(pair, "token", "list").splitlines() if "jim" in line.split()]
    command(pair, "token", "revoke", listed.split()[0])
    begun = time.monotonic()
    for server in pair.running:
        seconds_until(401, server, path, jim, query)
    assert time.monotonic() - begun < TOKEN_TRUST + SLACK


def test_both_file_runs_under_the_callers_name(pair: Site, tmp_path: Path) -> None:
    """Through the balancer, whichever replica it takes."""
    joan = user(pair, "joan")
    names = set()
    for _ in range(4):
        reply = call(pair.balanced, "mlflow/runs/create", joan, {"experiment_id": "0", "user_id": "else"})
        assert reply.status_code == 200, reply.text
        names.add(reply.json()["run"]["info"]["user_id"])
    assert names == {"joan"}
