"""The stock mlflow clients, newest and old, run a user's script: each way of hosting, each database."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.compat.environments import program
from tests.compat.script import run_script
from tests.servers import ONE_WORKER, start_embedded, start_standalone, start_stock_mlflow

STEPS = [
    *("experiments", "fluent_run", "run_states", "batches", "metric_history", "deletion"),
    *("filters", "order_and_pages", "fluent_search"),
    *("files", "delete_artifacts", "fluent_artifacts", "dataset_inputs"),
    *("autolog", "log_and_load_model"),
]
VERSIONS = {"mlflow3": "3.17.2", "mlflow2": "2.16.2"}
PAIRS = [
    *(("mlflow3", "embedded", "sqlite"), ("mlflow3", "standalone", "postgresql")),
    *(("mlflow2", "embedded", "postgresql"), ("mlflow2", "standalone", "sqlite")),
]
"""Each client meets each host and each database, and each host each database."""

# Making the clients' environments takes minutes once.
pytestmark = [pytest.mark.peer, pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.mark.parametrize(("client", "host", "database"), PAIRS)
def test_script_passes(
    client: str, host: str, database: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """All steps pass, no request is answered by a server error, and nothing is logged as one.

    The server is under `/user/jane/tracking` in a Jupyter Server, or on its own with its token; it chooses
    the file of SQLite.
    """
    backend = request.getfixturevalue("postgres_uri") if database == "postgresql" else None
    start = start_embedded if host == "embedded" else start_standalone
    with start(tmp_path / "server", backend=backend) as server:
        passed = run_script(client, server, tmp_path)
        assert passed == {"client": VERSIONS[client], "steps": STEPS}
        assert "Traceback" not in server.log.read_text(encoding="utf-8")


def test_script_is_right(tmp_path: Path) -> None:
    """The control: the same script passes on stock `mlflow server` under the same prefix."""
    folder = tmp_path / "stock"
    prefix = "/user/jane/tracking"
    with start_stock_mlflow(
        program("mlflow3", "mlflow"), folder, prefix=prefix, options=ONE_WORKER
    ) as server:
        assert run_script("mlflow3", server, tmp_path)["steps"] == STEPS
