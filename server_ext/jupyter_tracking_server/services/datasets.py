"""Rules of run inputs."""

from __future__ import annotations

from jupyter_tracking.protocol import Empty
from jupyter_tracking.protocol import datasets as wire
from jupyter_tracking.protocol.limits import experiment_number

from ..context import Context
from ..store import datasets as store
from . import default_experiment, owners


def log_inputs(context: Context, request: wire.LogInputs) -> Empty:
    """Record the datasets and models that a run read."""
    owners.active_run(context, request.run_id, "write")
    store.log_inputs(
        context.tx, request.run_id, request.datasets, [model.model_id for model in request.models]
    )
    return Empty()


def search_datasets(context: Context, request: wire.SearchDatasets) -> wire.DatasetSummaries:
    """The distinct datasets of the experiments that the caller may read."""
    wanted = default_experiment.searched(context, request).experiment_ids
    numbers = [experiment_number(experiment_id) for experiment_id in wanted]
    readable = [number for number in numbers if context.may("read", number)]
    return wire.DatasetSummaries(store.summaries(context.tx, readable))
