"""Runs: one execution each, with params, metrics, tags, inputs and outputs."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from . import limits
from .call import Call, Empty
from .datasets import DatasetInput, ModelInput
from .enums import LifecycleStage, RunStatus, ViewType
from .limits import (
    ExperimentIds,
    Filter,
    Int32,
    Int64,
    ModelId,
    OrderBy,
    PageToken,
    Required,
    RunId,
    Timestamp,
)
from .metrics import Metric, MetricEntry
from .params import Param, ParamEntry
from .tags import RunTag, TagEntry


class RunInfo(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a run is; times in milliseconds. ``run_uuid`` repeats ``run_id`` for older clients."""

    run_id: str
    run_uuid: str
    run_name: str
    experiment_id: str
    user_id: str
    status: RunStatus
    start_time: int
    artifact_uri: str
    lifecycle_stage: LifecycleStage
    end_time: int | None = None


class RunData(msgspec.Struct, frozen=True, omit_defaults=True):
    """The latest metrics, the params and the tags of a run, each by key."""

    metrics: list[Metric] = []
    params: list[Param] = []
    tags: list[RunTag] = []


class RunInputs(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a run read."""

    dataset_inputs: list[DatasetInput] = []
    model_inputs: list[ModelInput] = []


class ModelOutput(msgspec.Struct, frozen=True):
    """A logged model that a run made."""

    model_id: ModelId
    step: Int64 = 0


class RunOutputs(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a run made."""

    model_outputs: list[ModelOutput] = []


class Run(msgspec.Struct, frozen=True, omit_defaults=True):
    """A run, whole."""

    info: RunInfo
    data: RunData
    inputs: RunInputs
    outputs: RunOutputs | None = None


class RunReply(msgspec.Struct, frozen=True):
    """One run."""

    run: Run


class CreateRun(msgspec.Struct, frozen=True):
    """Start a run; without a name it gets a random one."""

    experiment_id: str = "0"
    user_id: Annotated[str, Meta(max_length=256)] = ""
    run_name: Annotated[str, Meta(max_length=limits.RUN_NAME)] = ""
    start_time: Timestamp = 0
    tags: list[TagEntry] = []


class GetRun(msgspec.Struct, frozen=True):
    """One run by id, also a deleted one."""

    run_id: RunId


class UpdateRun(msgspec.Struct, frozen=True):
    """Change the status, the end time or the name of a run; what is absent stays."""

    run_id: RunId
    status: RunStatus | None = None
    end_time: Timestamp | None = None
    run_name: Annotated[str, Meta(max_length=limits.RUN_NAME)] | None = None


class UpdatedRun(msgspec.Struct, frozen=True):
    """The run as it is now."""

    run_info: RunInfo


class DeleteRun(msgspec.Struct, frozen=True):
    """Mark a run deleted."""

    run_id: RunId


class RestoreRun(msgspec.Struct, frozen=True):
    """Make a deleted run active again."""

    run_id: RunId


class SearchRuns(msgspec.Struct, frozen=True):
    """Runs of some experiments by filter and order, a page at a time."""

    experiment_ids: ExperimentIds = []
    filter: Filter = ""
    run_view_type: ViewType = ViewType.ACTIVE_ONLY
    max_results: Int32 = limits.SEARCH_DEFAULT_RESULTS
    order_by: OrderBy = []
    page_token: PageToken | None = None


class FoundRuns(msgspec.Struct, frozen=True, omit_defaults=True):
    """A page of runs, and a token if more follow."""

    runs: list[Run] = []
    next_page_token: str | None = None


class LogBatch(msgspec.Struct, frozen=True):
    """Log metrics, params and tags of a run in one go: all of them or none."""

    run_id: RunId
    metrics: list[MetricEntry] = []
    params: list[ParamEntry] = []
    tags: list[TagEntry] = []


class LogOutputs(msgspec.Struct, frozen=True):
    """Record the models that a run made; one that is there already is left as it is."""

    run_id: RunId
    models: Annotated[list[ModelOutput], Meta(max_length=1000)]


class RecordModel(msgspec.Struct, frozen=True):
    """Append a model to the run's history tag, as clients before MLflow 3 and R do."""

    run_id: RunId
    model_json: Required


create_run = Call("create_run", ("POST",), "runs/create", CreateRun, RunReply, "write")
get_run = Call("get_run", ("GET",), "runs/get", GetRun, RunReply, "read")
update_run = Call("update_run", ("POST",), "runs/update", UpdateRun, UpdatedRun, "write")
delete_run = Call("delete_run", ("POST",), "runs/delete", DeleteRun, Empty, "manage")
restore_run = Call("restore_run", ("POST",), "runs/restore", RestoreRun, Empty, "manage")
search_runs = Call("search_runs", ("POST",), "runs/search", SearchRuns, FoundRuns, "read")
log_batch = Call("log_batch", ("POST",), "runs/log-batch", LogBatch, Empty, "write")
log_outputs = Call("log_outputs", ("POST",), "runs/outputs", LogOutputs, Empty, "write")
record_model = Call("record_model", ("POST",), "runs/log-model", RecordModel, Empty, "write")
