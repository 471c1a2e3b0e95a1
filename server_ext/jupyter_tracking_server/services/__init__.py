"""The rules behind each call, and the table that binds one to the other.

How a service runs is part of its binding: ``Read`` in a reader's transaction, ``Write`` in the writer's,
``Log`` outside of any (its ``Entries`` go to the writer in bulk), ``Files`` on the event loop beside the
artifact store.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from jupyter_tracking import protocol
from jupyter_tracking.protocol.call import Call, Empty

from ..context import Context, FilesContext
from ..store.entries import Entries
from . import (
    artifact_uploads,
    artifacts,
    audit,
    datasets,
    entries,
    experiments,
    grants,
    logged_models,
    metrics,
    permissions,
    presigned,
    quotas,
    runs,
    share_links,
    tags,
    tokens,
    users,
)

Q = TypeVar("Q", bound=msgspec.Struct)
R = TypeVar("R", bound=msgspec.Struct)


@dataclass(frozen=True)
class Read:
    """A service that only reads."""

    serve: Callable[[Context, Any], msgspec.Struct]


@dataclass(frozen=True)
class Write:
    """A service that may write; what it raises undoes what it wrote."""

    serve: Callable[[Context, Any], msgspec.Struct]


@dataclass(frozen=True)
class Log:
    """A service that only checks; the writer stores its entries."""

    serve: Callable[[Any], Entries]


@dataclass(frozen=True)
class Files:
    """A service that talks to the artifact store; bytes are a reply that is JSON already."""

    serve: Callable[[FilesContext, Any], Awaitable[msgspec.Struct | bytes]]


Service = Read | Write | Log | Files
Binding = tuple[Call[Any, Any], Service]


def _read(call: Call[Q, R], serve: Callable[[Context, Q], R]) -> Binding:
    return call, Read(serve)


def _write(call: Call[Q, R], serve: Callable[[Context, Q], R]) -> Binding:
    return call, Write(serve)


def _log(call: Call[Q, Empty], serve: Callable[[Q], Entries]) -> Binding:
    return call, Log(serve)


def _files(call: Call[Q, R], serve: Callable[[FilesContext, Q], Awaitable[R | bytes]]) -> Binding:
    return call, Files(serve)


SERVICES: Mapping[Call[Any, Any], Service] = dict(
    [
        _write(protocol.experiments.create_experiment, experiments.create_experiment),
        _read(protocol.experiments.get_experiment, experiments.get_experiment),
        _read(protocol.experiments.get_experiment_by_name, experiments.get_experiment_by_name),
        _write(protocol.experiments.delete_experiment, experiments.delete_experiment),
        _write(protocol.experiments.restore_experiment, experiments.restore_experiment),
        _write(protocol.experiments.update_experiment, experiments.update_experiment),
        _read(protocol.experiments.search_experiments, experiments.search_experiments),
        _write(protocol.experiments.set_experiment_tag, experiments.set_experiment_tag),
        _write(protocol.experiments.delete_experiment_tag, experiments.delete_experiment_tag),
        _write(protocol.runs.create_run, runs.create_run),
        _read(protocol.runs.get_run, runs.get_run),
        _write(protocol.runs.update_run, runs.update_run),
        _write(protocol.runs.delete_run, runs.delete_run),
        _write(protocol.runs.restore_run, runs.restore_run),
        _read(protocol.runs.search_runs, runs.search_runs),
        _log(protocol.runs.log_batch, entries.log_batch),
        _write(protocol.runs.log_outputs, runs.log_outputs),
        _write(protocol.runs.record_model, runs.record_model),
        _log(protocol.metrics.log_metric, entries.log_metric),
        _read(protocol.metrics.get_metric_history, metrics.get_metric_history),
        _read(protocol.metrics.get_metric_history_bulk, metrics.get_metric_history_bulk),
        _read(protocol.metrics.get_metric_history_bulk_interval, metrics.get_metric_history_bulk_interval),
        _log(protocol.params.log_param, entries.log_param),
        _log(protocol.tags.set_tag, entries.set_tag),
        _write(protocol.tags.delete_tag, tags.delete_tag),
        _write(protocol.datasets.log_inputs, datasets.log_inputs),
        _read(protocol.datasets.search_datasets, datasets.search_datasets),
        _write(protocol.logged_models.create_logged_model, logged_models.create_logged_model),
        _read(protocol.logged_models.get_logged_model, logged_models.get_logged_model),
        _write(protocol.logged_models.finalize_logged_model, logged_models.finalize_logged_model),
        _write(protocol.logged_models.delete_logged_model, logged_models.delete_logged_model),
        _write(protocol.logged_models.set_logged_model_tags, logged_models.set_logged_model_tags),
        _write(protocol.logged_models.delete_logged_model_tag, logged_models.delete_logged_model_tag),
        _write(protocol.logged_models.log_logged_model_params, logged_models.log_logged_model_params),
        _read(protocol.logged_models.search_logged_models, logged_models.search_logged_models),
        _files(protocol.logged_models.list_logged_model_artifacts, artifacts.list_logged_model_artifacts),
        _files(protocol.artifacts.list_artifacts, artifacts.list_artifacts),
        _files(protocol.artifacts.list_proxy_artifacts, artifacts.list_proxy_artifacts),
        _files(protocol.artifacts.create_multipart_upload, artifact_uploads.create_multipart_upload),
        _files(protocol.artifacts.complete_multipart_upload, artifact_uploads.complete_multipart_upload),
        _files(protocol.artifacts.abort_multipart_upload, artifact_uploads.abort_multipart_upload),
        _files(protocol.artifacts.get_presigned_download, presigned.get_presigned_download),
        _read(protocol.grants.who_am_i, grants.who_am_i),
        _read(protocol.grants.list_grants, grants.list_grants),
        _write(protocol.grants.set_grant, grants.set_grant),
        _write(protocol.grants.remove_grant, grants.remove_grant),
        _write(protocol.tokens.create_token, tokens.create_token),
        _read(protocol.tokens.list_tokens, tokens.list_tokens),
        _write(protocol.tokens.revoke_token, tokens.revoke_token),
        _files(protocol.users.create_user, users.create_user),
        _read(protocol.users.get_user, users.get_user),
        _read(protocol.users.get_current_user, users.get_current_user),
        _read(protocol.users.list_users, users.list_users),
        _files(protocol.users.update_user_password, users.update_user_password),
        _write(protocol.users.update_user_admin, users.update_user_admin),
        _write(protocol.users.delete_user, users.delete_user),
        _write(protocol.permissions.create_experiment_permission, permissions.create_experiment_permission),
        _read(protocol.permissions.get_experiment_permission, permissions.get_experiment_permission),
        _write(protocol.permissions.update_experiment_permission, permissions.update_experiment_permission),
        _write(protocol.permissions.delete_experiment_permission, permissions.delete_experiment_permission),
        _write(protocol.permissions.grant_user_permission, permissions.grant_user_permission),
        _write(protocol.permissions.revoke_user_permission, permissions.revoke_user_permission),
        _read(protocol.permissions.get_user_permission, permissions.get_user_permission),
        _files(protocol.share_links.create_share_link, share_links.create_share_link),
        _read(protocol.share_links.list_share_links, share_links.list_share_links),
        _write(protocol.share_links.revoke_share_link, share_links.revoke_share_link),
        _read(protocol.quotas.get_usage, quotas.get_usage),
        _read(protocol.quotas.list_usage, quotas.list_usage),
        _write(protocol.quotas.set_quota, quotas.set_quota),
        _write(protocol.quotas.remove_quota, quotas.remove_quota),
        _read(protocol.audit.search_audit, audit.search_audit),
    ]
)
