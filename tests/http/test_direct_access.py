"""Kernels that reach the service by themselves, with tokens that live for seconds."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from jupyter_tracking.client.session import connect
from jupyter_tracking.protocol import experiments
from jupyter_tracking_server.config import ConfigurationError, Settings
from jupyter_tracking_server.direct_access import DirectAccess
from jupyter_tracking_server.service import find_service
from tests.accounts import Accounts
from tests.http.conftest import ask
from tests.http.recorder import recorder
from tests.relays import Relay, kernel_of, start_relay
from tests.servers import Server, jupyter_environment, log_tail, start_standalone

LIFE = 4
"""Seconds."""
SEARCH = "/api/2.0/mlflow/experiments/search"
CLIENT = Path(__file__).with_name("client_of_days.py")
DIRECT = ["--TrackingExtension.service_access=direct", f"--TrackingExtension.service_token_lifetime={LIFE}"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("direct")


@pytest.fixture(scope="module")
def service(folder: Path) -> Iterator[Server]:
    """A server of ours with users."""
    accounts = Accounts(folder, f"sqlite:///{folder}/tracking.db")
    accounts.migrate()
    accounts.create("jane")
    with start_standalone(folder / "service", backend=accounts.backend, auth="users") as server:
        yield server


@pytest.fixture(scope="module")
def jane(folder: Path, service: Server) -> str:
    """A token of jane's that lives."""
    return Accounts(folder, f"sqlite:///{folder}/tracking.db").token("jane")


@pytest.fixture(scope="module")
def jupyter(folder: Path, service: Server, jane: str) -> Iterator[Relay]:
    """Jane's, with direct access."""
    variables = {"MLFLOW_TRACKING_TOKEN": jane}
    with start_relay(folder / "jupyter", service.url, variables=variables, options=DIRECT) as server:
        yield server


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def refused(url: str, token: str) -> bool:
    return ask(url, "GET", SEARCH, None, {"Authorization": f"Bearer {token}"}).status == 401


def test_the_stock_client_outlives_its_tokens(
    jupyter: Relay, service: Server, jane: str, tmp_path: Path
) -> None:
    with kernel_of(jupyter) as environment:
        told = {name: value for name, value in environment.items() if "TRACKING" in name}
        assert told["MLFLOW_TRACKING_URI"] == service.url
        assert told["MLFLOW_TRACKING_AUTH"] == "jupyter-tracking"
        assert jane not in str(environment)
    path = Path(told["JUPYTER_TRACKING_TOKEN_FILE"])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    stop, first = tmp_path / "stop", path.read_text().strip()
    client = subprocess.Popen(
        [sys.executable, str(CLIENT), str(stop)],
        env={**jupyter_environment(tmp_path), **told, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with client:
        for old in (first, path.read_text().strip()):
            until(partial(refused, service.url, old), "a token does not end")
            assert client.poll() is None, client.communicate()
        stop.touch()
        printed, errors = client.communicate(timeout=60)
    assert client.returncode == 0, errors[-4000:]
    run, count = printed.split()[0], int(printed.split()[-1])
    credential = {"Authorization": f"Bearer {path.read_text().strip()}"}
    found = ask(service.url, "GET", f"/api/2.0/mlflow/runs/get?run_id={run}", None, credential).json()["run"]
    assert found["info"]["user_id"] == "jane"
    assert found["data"]["metrics"][0]["step"] == count - 1


def test_our_client_reads_the_file_anew_too(
    jupyter: Relay, service: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with kernel_of(jupyter) as environment:
        for name, value in environment.items():
            if "TRACKING" in name:
                monkeypatch.setenv(name, value)
    server, client = connect()
    assert server.url == service.url
    first = Path(environment["JUPYTER_TRACKING_TOKEN_FILE"]).read_text().strip()
    until(lambda: refused(service.url, first), "the token does not end")
    found = client.send(experiments.search_experiments, experiments.SearchExperiments(max_results=1))
    assert isinstance(found.experiments, list)


def test_the_panel_still_has_the_relay(jupyter: Relay) -> None:
    answer = ask(jupyter.url, "GET", SEARCH, None, {"Authorization": f"Bearer {jupyter.jupyter_token}"})
    assert answer.status == 200


def test_where_no_token_is_made_kernels_get_the_relay(tmp_path: Path) -> None:
    with (
        start_standalone(tmp_path / "service") as service,
        start_relay(
            tmp_path / "jupyter",
            service.url,
            variables={"MLFLOW_TRACKING_TOKEN": service.token or ""},
            options=DIRECT,
        ) as jupyter,
        kernel_of(jupyter) as environment,
    ):
        assert environment["MLFLOW_TRACKING_URI"] == jupyter.url
        assert "MLFLOW_TRACKING_AUTH" not in environment
        assert "use --service-access relay" in log_tail(jupyter.log)


def test_a_client_certificate_is_not_for_kernels() -> None:
    variables = {"MLFLOW_TRACKING_CLIENT_CERT_PATH": "/x.pem"}
    service = find_service(Settings(service_uri="https://x.example"), variables)
    assert service is not None
    with pytest.raises(ConfigurationError, match="--service-access relay"):
        DirectAccess(service, LIFE)


def test_the_hub_is_asked_for_the_one_scope(tmp_path: Path) -> None:
    """By a stand-in for the Hub's API, which writes down what it gets."""
    with recorder("/hub/api") as hub:
        body = json.dumps({"token": "short-lived"}).encode()
        hub.answer = lambda _: b"HTTP/1.1 201 Created\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        variables = {
            "JUPYTERHUB_API_TOKEN": "of-the-server",
            "JUPYTER_TRACKING_SERVICE_URI": "http://127.0.0.1:1/services/tracking/",
        }
        hub_variables = {"JUPYTERHUB_API_URL": hub.url, "JUPYTERHUB_USER": "jane doe"}
        with (
            start_relay(
                tmp_path,
                "http://127.0.0.1:1/services/tracking",
                variables={**variables, **hub_variables},
                options=["--TrackingExtension.service_access=direct"],
            ) as jupyter,
            kernel_of(jupyter) as environment,
        ):
            assert environment["MLFLOW_TRACKING_TOKEN"] == "short-lived"
            assert environment["MLFLOW_TRACKING_URI"] == "http://127.0.0.1:1/services/tracking"
            assert "of-the-server" not in str(environment)
        assert hub.last.target == "/hub/api/users/jane%20doe/tokens"
        assert hub.last.headers["authorization"] == "Bearer of-the-server"
        asked = json.loads(hub.last.body)
        assert asked["scopes"] == ["access:services!service=tracking"]
        assert asked["expires_in"] == 3600
