"""Experiments: named groups of runs, with the artifact location that their runs inherit."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from . import limits
from .call import Call, Empty
from .enums import LifecycleStage, ViewType
from .limits import ExperimentId, Filter, Int64, Key, OrderBy, PageToken, Required

ExperimentName = Annotated[str, Meta(min_length=1, max_length=limits.EXPERIMENT_NAME)]


class ExperimentTag(msgspec.Struct, frozen=True):
    """A tag of an experiment."""

    key: Key
    value: Annotated[str, Meta(max_length=limits.EXPERIMENT_TAG_VALUE)] = ""


class Experiment(msgspec.Struct, frozen=True, omit_defaults=True):
    """An experiment; times in milliseconds.

    ``owner`` is the user within whose names its name is or was taken; left out where names are taken for all.
    """

    experiment_id: str
    name: str
    artifact_location: str
    lifecycle_stage: LifecycleStage
    last_update_time: int
    creation_time: int
    tags: list[ExperimentTag] = []
    owner: str = ""


class CreateExperiment(msgspec.Struct, frozen=True):
    """Create an experiment; a name is taken for good, also by a deleted experiment."""

    name: ExperimentName
    artifact_location: Annotated[str, Meta(max_length=limits.ARTIFACT_LOCATION)] = ""
    tags: list[ExperimentTag] = []


class CreatedExperiment(msgspec.Struct, frozen=True):
    """The new experiment's id."""

    experiment_id: str


class GetExperiment(msgspec.Struct, frozen=True):
    """One experiment by id, also a deleted one."""

    experiment_id: ExperimentId


class GetExperimentByName(msgspec.Struct, frozen=True):
    """One experiment by name, also a deleted one."""

    experiment_name: Required


class ExperimentReply(msgspec.Struct, frozen=True):
    """One experiment."""

    experiment: Experiment


class DeleteExperiment(msgspec.Struct, frozen=True):
    """Mark an experiment and all its runs deleted."""

    experiment_id: ExperimentId


class RestoreExperiment(msgspec.Struct, frozen=True):
    """Make a deleted experiment and all its runs active again."""

    experiment_id: ExperimentId


class UpdateExperiment(msgspec.Struct, frozen=True):
    """Rename an active experiment."""

    experiment_id: ExperimentId
    new_name: ExperimentName


class SearchExperiments(msgspec.Struct, frozen=True):
    """Experiments by filter and order, a page at a time."""

    max_results: Int64 = limits.SEARCH_DEFAULT_RESULTS
    page_token: PageToken | None = None
    filter: Filter = ""
    order_by: OrderBy = []
    view_type: ViewType = ViewType.ACTIVE_ONLY


class FoundExperiments(msgspec.Struct, frozen=True, omit_defaults=True):
    """A page of experiments, and a token if more follow."""

    experiments: list[Experiment] = []
    next_page_token: str | None = None


class SetExperimentTag(msgspec.Struct, frozen=True):
    """Set a tag of an active experiment; an older value is replaced."""

    experiment_id: ExperimentId
    key: Key
    value: Annotated[str, Meta(max_length=limits.EXPERIMENT_TAG_VALUE)] = ""


class DeleteExperimentTag(msgspec.Struct, frozen=True):
    """Remove a tag of an experiment."""

    experiment_id: ExperimentId
    key: Key


create_experiment = Call(
    "create_experiment", ("POST",), "experiments/create", CreateExperiment, CreatedExperiment, "write"
)
get_experiment = Call("get_experiment", ("GET",), "experiments/get", GetExperiment, ExperimentReply, "read")
get_experiment_by_name = Call(
    "get_experiment_by_name",
    ("GET",),
    "experiments/get-by-name",
    GetExperimentByName,
    ExperimentReply,
    "read",
)
delete_experiment = Call(
    "delete_experiment", ("POST",), "experiments/delete", DeleteExperiment, Empty, "manage"
)
restore_experiment = Call(
    "restore_experiment", ("POST",), "experiments/restore", RestoreExperiment, Empty, "manage"
)
update_experiment = Call(
    "update_experiment", ("POST",), "experiments/update", UpdateExperiment, Empty, "manage"
)
search_experiments = Call(
    "search_experiments", ("POST", "GET"), "experiments/search", SearchExperiments, FoundExperiments, "read"
)
set_experiment_tag = Call(
    "set_experiment_tag", ("POST",), "experiments/set-experiment-tag", SetExperimentTag, Empty, "write"
)
delete_experiment_tag = Call(
    "delete_experiment_tag",
    ("POST",),
    "experiments/delete-experiment-tag",
    DeleteExperimentTag,
    Empty,
    "write",
)
