"""A real kernel of a real Jupyter Server finds the tracking server in its environment, and it works."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from jupyter_client.blocking.client import BlockingKernelClient

from tests.http.conftest import ask
from tests.servers import Server, start_embedded

PROGRAM = """
import json, os, urllib.request
names = [name for name in os.environ if name.startswith(("MLFLOW", "JUPYTER_TRACKING"))]
print(json.dumps({name: os.environ[name] for name in names}))
request = urllib.request.Request(
    os.environ["MLFLOW_TRACKING_URI"] + "/api/2.0/mlflow/runs/create",
    data=b'{"experiment_id": "0"}',
    headers={"Authorization": "Bearer " + os.environ["MLFLOW_TRACKING_TOKEN"],
             "Content-Type": "application/json"})
print(urllib.request.urlopen(request).read().decode())
"""


@pytest.fixture(scope="module")
def jupyter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Jupyter Server under a base URL; installing the package enabled the extension."""
    with start_embedded(tmp_path_factory.mktemp("jupyter")) as server:
        yield server


def run_in_kernel(jupyter: Server, program: str) -> list[str]:
    """What a program prints in a kernel that this server starts."""
    api = jupyter.url.removesuffix("tracking")
    headers = {**jupyter.headers, "Content-Type": "application/json"}
    kernel = ask(api, "POST", "api/kernels", b"{}", headers).json()["id"]
    client = BlockingKernelClient()
    client.load_connection_file(str(jupyter.log.parent / "runtime" / f"kernel-{kernel}.json"))
    client.start_channels()
    printed: list[str] = []

    def hear(message: dict[str, dict[str, str]]) -> None:
        if message["header"]["msg_type"] == "stream":
            printed.append(message["content"]["text"])

    try:
        client.wait_for_ready(60)
        reply = client.execute_interactive(program, timeout=60, output_hook=hear)
        assert reply["content"]["status"] == "ok", reply["content"]
    finally:
        client.stop_channels()
        ask(api, "DELETE", f"api/kernels/{kernel}", None, headers)
    return "".join(printed).splitlines()


def test_a_kernel_is_told_where_to_log_and_may(jupyter: Server) -> None:
    environment, created = map(json.loads, run_in_kernel(jupyter, PROGRAM))
    assert environment["MLFLOW_TRACKING_URI"] == jupyter.url
    assert environment["MLFLOW_TRACKING_TOKEN"] != jupyter.token
    assert str(jupyter.token) not in json.dumps(environment)
    assert created["run"]["info"]["artifact_uri"].startswith("mlflow-artifacts:/0/")


def test_a_signal_ends_jupyter_and_leaves_no_runtime_file(tmp_path: Path) -> None:
    server = start_embedded(tmp_path)
    headers = {**server.headers, "Content-Type": "application/json"}
    body = b'{"name": "kept"}'
    assert ask(server.url, "POST", "/api/2.0/mlflow/experiments/create", body, headers).status == 200
    server.stop()
    assert not list((tmp_path / "runtime").glob("jptracking-*"))
    with start_embedded(tmp_path) as again:
        path = "/api/2.0/mlflow/experiments/get-by-name?experiment_name=kept"
        assert ask(again.url, "GET", path, None, again.headers).status == 200
        assert urlsplit(again.url).path == "/user/jane/tracking"
