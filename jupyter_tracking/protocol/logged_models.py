"""Logged models: what ``log_model`` of an MLflow 3 client makes, with artifacts, params, tags and metrics."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from . import limits
from .artifacts import ArtifactList
from .call import Call, Empty
from .enums import LoggedModelStatus
from .limits import (
    ArtifactPath,
    ArtifactsPerPage,
    ExperimentId,
    ExperimentIds,
    Filter,
    Int32,
    Key,
    ModelId,
    PageToken,
    RunId,
)
from .metrics import Metric


class ModelTag(msgspec.Struct, frozen=True):
    """A tag of a logged model."""

    key: Key
    value: str = ""


class ModelParam(msgspec.Struct, frozen=True):
    """A param of a logged model."""

    key: Key
    value: Annotated[str, Meta(max_length=limits.PARAM_VALUE)] = ""


class LoggedModelInfo(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a logged model is; times in milliseconds."""

    model_id: str
    experiment_id: str
    name: str
    creation_timestamp_ms: int
    last_updated_timestamp_ms: int
    artifact_uri: str
    status: LoggedModelStatus
    model_type: str | None = None
    source_run_id: str | None = None
    status_message: str | None = None
    tags: list[ModelTag] = []


class LoggedModelData(msgspec.Struct, frozen=True, omit_defaults=True):
    """The params and the newest metrics of a logged model."""

    params: list[ModelParam] = []
    metrics: list[Metric] = []


class LoggedModel(msgspec.Struct, frozen=True):
    """A logged model, whole."""

    info: LoggedModelInfo
    data: LoggedModelData


class LoggedModelReply(msgspec.Struct, frozen=True):
    """One logged model."""

    model: LoggedModel


class CreateLoggedModel(msgspec.Struct, frozen=True):
    """Create a logged model, pending until its files are there; without a name it gets a random one."""

    experiment_id: ExperimentId
    name: Annotated[str, Meta(max_length=limits.LOGGED_MODEL_NAME)] = ""
    model_type: Annotated[str, Meta(max_length=500)] | None = None
    source_run_id: RunId | None = None
    params: Annotated[list[ModelParam], Meta(max_length=1000)] = []
    tags: Annotated[list[ModelTag], Meta(max_length=1000)] = []


class GetLoggedModel(msgspec.Struct, frozen=True):
    """One logged model by id."""

    model_id: ModelId
    allow_deleted: bool = False


class FinalizeLoggedModel(msgspec.Struct, frozen=True):
    """Say that the files of a logged model are all there, or failed to come."""

    model_id: ModelId
    status: LoggedModelStatus


class DeleteLoggedModel(msgspec.Struct, frozen=True):
    """Mark a logged model deleted."""

    model_id: ModelId


class SetLoggedModelTags(msgspec.Struct, frozen=True):
    """Set tags of a logged model; older values are replaced."""

    model_id: ModelId
    tags: Annotated[list[ModelTag], Meta(max_length=1000)] = []


class DeleteLoggedModelTag(msgspec.Struct, frozen=True):
    """Remove a tag of a logged model."""

    model_id: ModelId
    tag_key: Key


class LogLoggedModelParams(msgspec.Struct, frozen=True):
    """Add params to a logged model; the same value again is fine, another value is refused."""

    model_id: ModelId
    params: Annotated[list[ModelParam], Meta(max_length=1000)] = []


class DatasetFilter(msgspec.Struct, frozen=True):
    """Narrows metric conditions of a search to metrics of one dataset."""

    dataset_name: Annotated[str, Meta(min_length=1, max_length=500)]
    dataset_digest: Annotated[str, Meta(max_length=36)] | None = None


class ModelOrder(msgspec.Struct, frozen=True):
    """One order of a search: an attribute or ``metrics.<key>``, perhaps on one dataset."""

    field_name: Annotated[str, Meta(min_length=1, max_length=1024)]
    ascending: bool = True
    dataset_name: Annotated[str, Meta(max_length=500)] | None = None
    dataset_digest: Annotated[str, Meta(max_length=36)] | None = None


class SearchLoggedModels(msgspec.Struct, frozen=True):
    """Logged models of some experiments by filter and order, a page at a time."""

    experiment_ids: ExperimentIds = []
    filter: Filter = ""
    datasets: Annotated[list[DatasetFilter], Meta(max_length=100)] = []
    max_results: Int32 = 50
    order_by: Annotated[list[ModelOrder], Meta(max_length=limits.ORDER_BY)] = []
    page_token: PageToken | None = None


class FoundLoggedModels(msgspec.Struct, frozen=True, omit_defaults=True):
    """A page of logged models, and a token if more follow."""

    models: list[LoggedModel] = []
    next_page_token: str | None = None


class ListLoggedModelArtifacts(msgspec.Struct, frozen=True):
    """The artifacts of a logged model in one folder; paged as ``list_artifacts`` is."""

    model_id: ModelId
    artifact_directory_path: ArtifactPath = ""
    page_token: PageToken | None = None
    max_results: ArtifactsPerPage | None = None


create_logged_model = Call(
    "create_logged_model", ("POST",), "logged-models", CreateLoggedModel, LoggedModelReply, "write"
)
search_logged_models = Call(
    "search_logged_models", ("POST",), "logged-models/search", SearchLoggedModels, FoundLoggedModels, "read"
)
get_logged_model = Call(
    "get_logged_model", ("GET",), "logged-models/{model_id}", GetLoggedModel, LoggedModelReply, "read"
)
finalize_logged_model = Call(
    "finalize_logged_model",
    ("PATCH",),
    "logged-models/{model_id}",
    FinalizeLoggedModel,
    LoggedModelReply,
    "write",
)
delete_logged_model = Call(
    "delete_logged_model", ("DELETE",), "logged-models/{model_id}", DeleteLoggedModel, Empty, "manage"
)
set_logged_model_tags = Call(
    "set_logged_model_tags", ("PATCH",), "logged-models/{model_id}/tags", SetLoggedModelTags, Empty, "write"
)
delete_logged_model_tag = Call(
    "delete_logged_model_tag",
    ("DELETE",),
    "logged-models/{model_id}/tags/{tag_key...}",
    DeleteLoggedModelTag,
    Empty,
    "write",
)
log_logged_model_params = Call(
    "log_logged_model_params",
    ("POST",),
    "logged-models/{model_id}/params",
    LogLoggedModelParams,
    Empty,
    "write",
)
list_logged_model_artifacts = Call(
    "list_logged_model_artifacts",
    ("GET",),
    "logged-models/{model_id}/artifacts/directories",
    ListLoggedModelArtifacts,
    ArtifactList,
    "read",
)
