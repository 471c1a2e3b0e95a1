"""Logs with nothing set but address and credential, and shares that by MLflow's client for permissions.

Runs with a stock client's own interpreter; prints one line of JSON with what the server said.
"""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
from mlflow.exceptions import MlflowException


def auth_client() -> Any:
    """MLflow's ``AuthServiceClient``: its own code, without the server in whose package it is.

    That server's dependencies are no part of the small clients.
    """
    server = Path(mlflow.__file__).parent / "server"
    for name, folder in (("mlflow.server", server), ("mlflow.server.auth", server / "auth")):
        package = types.ModuleType(name)
        package.__path__ = [str(folder)]
        sys.modules[name] = package
    handlers: Any = types.ModuleType("mlflow.server.handlers")
    handlers._add_static_prefix = lambda route: route
    handlers._get_rest_path = lambda path, version=2: f"/api/{version}.0{path}"
    handlers._get_ajax_path = lambda path, version=2: f"/ajax-api/{version}.0{path}"
    sys.modules[handlers.__name__] = handlers
    from mlflow.server.auth.client import AuthServiceClient

    return AuthServiceClient(mlflow.get_tracking_uri())


def error_of(ask: Callable[[], object]) -> str:
    """The code of the error that a call must raise."""
    try:
        ask()
    except MlflowException as error:
        return str(error.error_code)
    raise AssertionError("nothing was raised")


def share(client: Any, experiment: str) -> list[object]:
    """Give, change and take permissions as clients of MLflow 2 do, and leave the reader one."""
    found: list[object] = []
    made = client.create_experiment_permission(experiment, "editor", "READ")
    found += [made.experiment_id == experiment, made.user_id, made.permission]
    found.append(error_of(lambda: client.create_experiment_permission(experiment, "editor", "READ")))
    client.update_experiment_permission(experiment, "editor", "MANAGE")
    found.append(client.get_experiment_permission(experiment, "editor").permission)
    client.delete_experiment_permission(experiment, "editor")
    found.append(error_of(lambda: client.get_experiment_permission(experiment, "editor")))
    found.append(error_of(lambda: client.delete_experiment_permission(experiment, "editor")))
    found.append(error_of(lambda: client.update_experiment_permission(experiment, "editor", "EDIT")))
    client.create_experiment_permission(experiment, "reader", "READ")
    return found


def grant(client: Any, experiment: str) -> list[object]:
    """The same as clients of MLflow 3 do."""
    found: list[object] = []

    def allowed() -> list[object]:
        permission = client.get_user_permission("editor", "experiment", experiment)
        return [permission.allowed, permission.permission]

    client.grant_user_permission("editor", "experiment", experiment, "EDIT")
    found += allowed()
    found.append(error_of(lambda: client.grant_user_permission("editor", "experiment", experiment, "READ")))
    client.revoke_user_permission("editor", "experiment", experiment)
    found += allowed()
    found.append(error_of(lambda: client.revoke_user_permission("editor", "experiment", experiment)))
    found.append(error_of(lambda: client.grant_user_permission("editor", "run", "r", "READ")))
    found.append(error_of(lambda: client.create_role("r", "w")))
    client.grant_user_permission("reader", "experiment", experiment, "READ")
    return found


def main() -> None:
    """Log, share and say what came of it."""
    with mlflow.start_run() as run:
        mlflow.log_metric("loss", 0.5)
        mlflow.log_text("some bytes", "folder/a.txt")
    client = auth_client()
    experiment = run.info.experiment_id
    shared = (share if hasattr(client, "create_experiment_permission") else grant)(client, experiment)
    found = mlflow.search_runs(experiment_ids=["0"], output_format="list")
    name = mlflow.get_experiment("0").name
    print(
        json.dumps({"run": run.info.run_id, "found": len(found), "experiment": name, "permissions": shared})
    )


if __name__ == "__main__":
    main()
