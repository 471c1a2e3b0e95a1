"""Datasets that runs read: an *input* joins a dataset, or a logged model, to a run."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from . import limits
from .call import Call, Empty
from .limits import ExperimentId, ModelId, RunId


class Dataset(msgspec.Struct, frozen=True, omit_defaults=True):
    """A dataset; (experiment, name, digest) identify it, and the first one stored stays."""

    name: Annotated[str, Meta(min_length=1, max_length=500)]
    digest: Annotated[str, Meta(min_length=1, max_length=36)]
    source_type: Annotated[str, Meta(max_length=255)] = ""
    source: Annotated[str, Meta(max_length=65_535)] = ""
    schema: Annotated[str, Meta(max_length=1_048_575)] | None = None
    profile: Annotated[str, Meta(max_length=16_777_215)] | None = None


class InputTag(msgspec.Struct, frozen=True):
    """A tag of an input, such as its context: ``mlflow.data.context``."""

    key: Annotated[str, Meta(min_length=1, max_length=255)]
    value: Annotated[str, Meta(max_length=500)]


class DatasetInput(msgspec.Struct, frozen=True, omit_defaults=True):
    """A dataset as a run used it."""

    dataset: Dataset
    tags: list[InputTag] = []


class ModelInput(msgspec.Struct, frozen=True):
    """A logged model that a run read."""

    model_id: ModelId


class LogInputs(msgspec.Struct, frozen=True):
    """Record the datasets and models that a run read; an input that is there already is left as it is."""

    run_id: RunId
    datasets: Annotated[list[DatasetInput], Meta(max_length=1000)] = []
    models: Annotated[list[ModelInput], Meta(max_length=1000)] = []


class DatasetSummary(msgspec.Struct, frozen=True, omit_defaults=True):
    """A dataset as the search of an experiment lists it."""

    experiment_id: str
    name: str
    digest: str
    context: str | None = None


class SearchDatasets(msgspec.Struct, frozen=True):
    """The distinct datasets of some experiments, 1,000 at most."""

    experiment_ids: Annotated[list[ExperimentId], Meta(min_length=1, max_length=20)]


class DatasetSummaries(msgspec.Struct, frozen=True, omit_defaults=True):
    """The datasets found."""

    dataset_summaries: list[DatasetSummary] = []


log_inputs = Call(
    "log_inputs",
    ("POST",),
    "runs/log-inputs",
    LogInputs,
    Empty,
    "write",
    max_body=limits.JSON_BODY_INPUTS,
)
search_datasets = Call(
    "search_datasets", ("POST",), "experiments/search-datasets", SearchDatasets, DatasetSummaries, "read"
)
