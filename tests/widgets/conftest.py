"""A kernel that logs to our own server and shows widgets."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from tests.kernels import Kernel, kernel
from tests.servers import Server


@pytest.fixture(scope="module")
def notebook(tracking_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """A kernel with the package imported as ``t``, in an experiment of its own."""
    environment = {
        **tracking_server.client_environment,
        "MLFLOW_EXPERIMENT_NAME": f"widgets {secrets.token_hex(6)}",
    }
    with kernel(tmp_path_factory.mktemp("kernel"), environment) as started:
        assert started.run("import jupyter_tracking as t").errors == ""
        yield started
