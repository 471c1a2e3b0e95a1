"""What each step of the client script gets: a client, a fresh experiment, a folder; and how it compares."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
from mlflow.exceptions import MlflowException

MLFLOW_3 = int(mlflow.__version__.split(".")[0]) >= 3
"""Whether the client knows logged models."""


@dataclass(frozen=True)
class Scene:
    """One step's own world.

    Attributes:
        client: an `MlflowClient`.
        experiment_id: a fresh experiment, also set as the fluent API's current one.
        folder: an empty local folder.
    """

    client: Any
    experiment_id: str
    folder: Path

    @classmethod
    def make(cls, experiment_name: str, folder: Path) -> Scene:
        """Create the experiment through `set_experiment`, as notebooks do."""
        folder.mkdir(parents=True)
        experiment = mlflow.set_experiment(experiment_name)
        same(experiment.name, experiment_name)
        return cls(mlflow.MlflowClient(), experiment.experiment_id, folder)

    def new_run(self, name: str, **metrics: float) -> str:
        """Create a run with these metrics through the client, and return its id."""
        run_id: str = self.client.create_run(self.experiment_id, run_name=name).info.run_id
        for key, value in metrics.items():
            self.client.log_metric(run_id, key, value)
        return run_id


def same(found: object, expected: object) -> None:
    """Demand equality and say both sides if it does not hold."""
    if found != expected:
        raise AssertionError(f"\n   found {found!r}\nexpected {expected!r}")


def refused(code: str, call: Callable[[], object]) -> None:
    """Demand that the server refuses the call with this error code."""
    try:
        call()
    except MlflowException as error:
        same(error.error_code, code)
    else:
        raise AssertionError(f"not refused with {code}")
