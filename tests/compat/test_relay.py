"""The stock client in a kernel behind a relay: to a server of ours, and to stock MLflow behind each lock."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.certificates import make_authority
from tests.compat.environments import program
from tests.compat.script import run_script
from tests.nginx import nginx
from tests.relays import Relay, environment_at_start, kernel_of, start_relay
from tests.servers import ONE_WORKER, jupyter_environment, start_standalone, start_stock_mlflow

STEPS = ["experiments", "fluent_run", "files"]
PASSWORD = "quite-another-9471"
PREFIX = "/ml"
BIG_FILE = Path(__file__).with_name("client_relayed.py")

pytestmark = [pytest.mark.peer, pytest.mark.slow, pytest.mark.timeout(1800)]


@contextlib.contextmanager
def ours(folder: Path) -> Iterator[Relay]:
    """A server of ours with its token, which knows its prefix."""
    with (
        start_standalone(folder / "service", prefix="/services/tracking") as service,
        start_relay(
            folder / "jupyter", service.url, variables={"MLFLOW_TRACKING_TOKEN": service.token or ""}
        ) as relay,
    ):
        yield relay


@contextlib.contextmanager
def basic(folder: Path) -> Iterator[Relay]:
    """Stock MLflow with its users."""
    beside = program("basic_auth", "python").parent.parent.glob("lib/python*/site-packages")
    variables = {
        "PYTHONPATH": str(next(beside)),
        "MLFLOW_FLASK_SERVER_SECRET_KEY": "x" * 32,
        "MLFLOW_AUTH_CONFIG_PATH": str(_auth_config(folder)),
    }
    with (
        start_stock_mlflow(
            program("mlflow3", "mlflow"),
            folder / "service",
            options=["--app-name", "basic-auth", *ONE_WORKER],
            variables=variables,
        ) as service,
        start_relay(
            folder / "jupyter",
            service.url,
            variables={"MLFLOW_TRACKING_USERNAME": "admin", "MLFLOW_TRACKING_PASSWORD": PASSWORD},
        ) as relay,
    ):
        yield relay


def _auth_config(folder: Path) -> Path:
    path = folder / "auth.ini"
    path.write_text(
        "[mlflow]\ndefault_permission = READ\n"
        f"database_uri = sqlite:///{folder}/auth.db\n"
        f"admin_username = admin\nadmin_password = {PASSWORD}\n"
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
    )
    return path


@contextlib.contextmanager
def certificates(folder: Path) -> Iterator[Relay]:
    """Stock MLflow behind an nginx with TLS of an authority of its own, which asks for a certificate."""
    authority = make_authority(folder / "tls")
    with (
        start_stock_mlflow(
            program("mlflow3", "mlflow"), folder / "service", options=["--allowed-hosts", "*", *ONE_WORKER]
        ) as service,
        nginx(
            folder / "nginx", service, prefix=PREFIX, strips=True, largest="128m", authority=authority
        ) as front,
        start_relay(
            folder / "jupyter",
            front.url,
            variables={
                "MLFLOW_TRACKING_SERVER_CERT_PATH": str(authority.ca),
                "MLFLOW_TRACKING_CLIENT_CERT_PATH": str(authority.client("jane")),
            },
        ) as relay,
    ):
        yield relay


@pytest.mark.parametrize("way", [ours, basic, certificates])
def test_the_stock_client_needs_nothing_but_what_kernels_get(
    way: Callable[[Path], contextlib.AbstractContextManager[Relay]], tmp_path: Path
) -> None:
    with way(tmp_path) as relay:
        with kernel_of(relay) as environment:
            told = {name: value for name, value in environment.items() if name.startswith("MLFLOW_")}
            assert told["MLFLOW_TRACKING_URI"] == relay.url
            assert told["MLFLOW_TRACKING_TOKEN"] == relay.token
            assert "MLFLOW_TRACKING_CLIENT_CERT_PATH" not in told
            assert PASSWORD not in str(environment)
        assert PASSWORD not in str(environment_at_start(relay.pid))
        # Stock's workers drop a request now and then on a busy machine; nginx says so with 502.
        told["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "3"
        assert run_script("mlflow3", relay, tmp_path, steps=STEPS, variables=told)["steps"] == STEPS
        done = subprocess.run(
            [str(program("mlflow3", "python")), str(BIG_FILE), str(tmp_path)],
            env={**jupyter_environment(tmp_path), **told},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-4000:]
        log = relay.log.read_text()
        assert "Internal error" not in log
        assert "Uncaught exception" not in log
