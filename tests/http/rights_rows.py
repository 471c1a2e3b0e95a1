"""Who may do what: a row for each call and for each route that is no call.

A new call goes into ``CALL_ROWS``, a new handler into ``ROUTE_ROWS`` (or into their likes for accounts and
pages, ``rights_rows_people.py``); a test fails until it has. A row says how a valid request is made for some
``Things``, and the least that its sender must be::

    call_row(runs.get_run, READER, lambda t: {"run_id": t.run})

``test_rights_matrix.py`` then sends it as everybody: with no credential, as somebody without a role, as
reader, editor, owner, administrator, and by the owner's token that may only read.
"""

from __future__ import annotations

import json
import secrets
from typing import Any

from jupyter_tracking.protocol import (
    artifacts,
    datasets,
    experiments,
    grants,
    logged_models,
    metrics,
    params,
    permissions,
    runs,
    share_links,
    tags,
)
from tests.http.rights_row import ADMIN, ANYONE, EDITOR, KNOWN, OWNER, READER, Ask, Row, call_row, route_row
from tests.http.rights_rows_people import PAGE_ROWS, PEOPLE_ROWS
from tests.http.rights_scene import API, CONTENT, GROUP, PROXY, Site, Things


def _trash_experiment(site: Site, things: Things) -> None:
    site.call("owner", "experiments/delete", {"experiment_id": things.experiment})


def _trash_run(site: Site, things: Things) -> None:
    site.call("owner", "runs/delete", {"run_id": things.run})


def _new() -> str:
    return f"n{secrets.token_hex(8)}"


def _of_run(things: Things) -> dict[str, Any]:
    return {"run_id": things.run}


def _of_experiment(things: Things) -> dict[str, Any]:
    return {"experiment_id": things.experiment}


def _of_model(things: Things) -> dict[str, Any]:
    return {"model_id": things.model}


def _in_experiments(things: Things) -> dict[str, Any]:
    return {"experiment_ids": [things.experiment]}


def _point(things: Things) -> dict[str, Any]:
    return {"run_id": things.run, "key": "m", "value": 1.0, "timestamp": 1}


def _upload(things: Things) -> dict[str, Any]:
    return {"artifact_path": things.root, "path": "big.bin", "upload_id": things.upload}


def _permission(things: Things, username: str = "reader", permission: str = "") -> dict[str, Any]:
    given = {"experiment_id": things.experiment, "username": username}
    return {**given, "permission": permission} if permission else given


def _on_resource(things: Things, **fields: str) -> dict[str, Any]:
    return {"resource_type": "experiment", "resource_id": things.experiment, **fields}


_MODEL_JSON = json.dumps({"artifact_path": "m", "flavors": {}, "utc_time_created": "now", "run_id": "r"})
_SET_GRANT: dict[str, Any] = {"kind": "user", "name": "guest", "role": "reader"}
_TAG = {"key": "new", "value": "v"}
_DATASET = {"dataset": {"name": "d", "digest": "d", "source_type": "s", "source": "s"}}

CALL_ROWS: tuple[Row, ...] = (
    call_row(experiments.create_experiment, KNOWN, lambda _: {"name": _new()}),
    call_row(experiments.get_experiment, READER, _of_experiment),
    # Names are the caller's own or shared ones, for administrators too: they must not log to others' by name.
    call_row(
        experiments.get_experiment_by_name,
        READER,
        lambda t: {"experiment_name": t.name},
        but={"admin": 404},
    ),
    call_row(experiments.delete_experiment, OWNER, _of_experiment),
    call_row(experiments.restore_experiment, OWNER, _of_experiment, prepare=_trash_experiment),
    call_row(experiments.update_experiment, OWNER, lambda t: {**_of_experiment(t), "new_name": _new()}),
    call_row(
        experiments.search_experiments,
        KNOWN,
        lambda _: {"max_results": 50_000},
        shows=lambda t: f'"experiment_id":"{t.experiment}"',
    ),
    call_row(experiments.set_experiment_tag, EDITOR, lambda t: {**_of_experiment(t), **_TAG}),
    call_row(experiments.delete_experiment_tag, EDITOR, lambda t: {**_of_experiment(t), "key": t.key}),
    call_row(runs.create_run, EDITOR, _of_experiment),
    call_row(runs.get_run, READER, _of_run),
    call_row(runs.update_run, EDITOR, lambda t: {**_of_run(t), "run_name": "new"}),
    call_row(runs.delete_run, OWNER, _of_run),
    call_row(runs.restore_run, OWNER, _of_run, prepare=_trash_run),
    call_row(runs.search_runs, KNOWN, _in_experiments, shows=lambda t: t.run),
    call_row(runs.log_batch, EDITOR, lambda t: {**_of_run(t), "tags": [_TAG]}),
    call_row(runs.log_outputs, EDITOR, lambda t: {**_of_run(t), "models": [{"model_id": t.model}]}),
    call_row(runs.record_model, EDITOR, lambda t: {**_of_run(t), "model_json": _MODEL_JSON}),
    call_row(metrics.log_metric, EDITOR, _point),
    call_row(
        metrics.get_metric_history,
        KNOWN,
        lambda t: {**_of_run(t), "metric_key": t.key},
        shows=lambda _: "1.5",
    ),
    call_row(
        metrics.get_metric_history_bulk,
        KNOWN,
        lambda t: {"run_id": [t.run], "metric_key": t.key},
        shows=lambda _: "1.5",
    ),
    call_row(
        metrics.get_metric_history_bulk_interval,
        KNOWN,
        lambda t: {"run_ids": [t.run], "metric_key": t.key},
        shows=lambda _: "1.5",
    ),
    call_row(params.log_param, EDITOR, lambda t: {**_of_run(t), "key": "p", "value": "v"}),
    call_row(tags.set_tag, EDITOR, lambda t: {**_of_run(t), **_TAG}),
    call_row(tags.delete_tag, EDITOR, lambda t: {**_of_run(t), "key": t.key}),
    call_row(datasets.log_inputs, EDITOR, lambda t: {**_of_run(t), "datasets": [_DATASET]}),
    call_row(datasets.search_datasets, KNOWN, _in_experiments, shows=lambda t: f"data of {t.run}"),
    call_row(
        logged_models.create_logged_model, EDITOR, lambda t: {**_of_experiment(t), "source_run_id": t.run}
    ),
    call_row(logged_models.get_logged_model, READER, _of_model),
    call_row(
        logged_models.finalize_logged_model,
        EDITOR,
        lambda t: {**_of_model(t), "status": "LOGGED_MODEL_READY"},
    ),
    call_row(logged_models.delete_logged_model, OWNER, _of_model),
    call_row(logged_models.set_logged_model_tags, EDITOR, lambda t: {**_of_model(t), "tags": [_TAG]}),
    call_row(logged_models.delete_logged_model_tag, EDITOR, lambda t: {**_of_model(t), "tag_key": t.key}),
    call_row(logged_models.log_logged_model_params, EDITOR, lambda t: {**_of_model(t), "params": [_TAG]}),
    call_row(logged_models.search_logged_models, KNOWN, _in_experiments, shows=lambda t: t.model),
    call_row(logged_models.list_logged_model_artifacts, READER, _of_model),
    call_row(artifacts.list_artifacts, READER, _of_run),
    call_row(artifacts.list_proxy_artifacts, KNOWN, lambda t: {"path": t.root}, shows=lambda _: "a.txt"),
    call_row(
        artifacts.create_multipart_upload,
        EDITOR,
        lambda t: {"artifact_path": t.root, "path": "other.bin", "num_parts": 1},
    ),
    call_row(
        artifacts.complete_multipart_upload,
        EDITOR,
        lambda t: {**_upload(t), "parts": [{"part_number": 1, "etag": t.etag}]},
    ),
    call_row(artifacts.abort_multipart_upload, EDITOR, _upload),
    # Of a store that has addresses of its own: tests/http/test_rights_addresses.py.
    call_row(
        artifacts.get_presigned_download, KNOWN, lambda t: {"artifact_path": f"{t.root}/a.txt"}, status=501
    ),
    call_row(grants.who_am_i, KNOWN, lambda _: {}),
    call_row(grants.list_grants, READER, _of_experiment),
    call_row(grants.set_grant, OWNER, lambda t: {**_of_experiment(t), **_SET_GRANT}),
    call_row(grants.remove_grant, OWNER, lambda t: {**_of_experiment(t), "kind": "group", "name": GROUP}),
    call_row(permissions.create_experiment_permission, OWNER, lambda t: _permission(t, "guest", "READ")),
    call_row(permissions.get_experiment_permission, READER, _permission),
    call_row(permissions.update_experiment_permission, OWNER, lambda t: _permission(t, permission="EDIT")),
    call_row(permissions.delete_experiment_permission, OWNER, _permission),
    call_row(
        permissions.grant_user_permission,
        OWNER,
        lambda t: _on_resource(t, username="guest", permission="READ"),
    ),
    call_row(permissions.revoke_user_permission, OWNER, lambda t: _on_resource(t, username="reader")),
    # Told of oneself to readers; of others to who could change it.
    call_row(
        permissions.get_user_permission,
        OWNER,
        lambda t: _on_resource(t, username="guest"),
        but={"read-only": 403},
    ),
    call_row(share_links.create_share_link, OWNER, _of_run),
    call_row(share_links.list_share_links, OWNER, _of_run),
    call_row(share_links.revoke_share_link, OWNER, lambda t: {"id": t.link}),
)


def _file(things: Things, query: str = "") -> str:
    return f"{PROXY}/artifacts/{things.root}/a.txt{query}"


def _folder(things: Things) -> str:
    return f"{PROXY}/artifacts/{things.root}/folder?format=zip"


def _by_run(things: Things, path: str = "a.txt") -> str:
    return f"/get-artifact?run_id={things.run}&path={path}"


def _by_model(things: Things, path: str = "a.txt") -> str:
    return f"{API}/logged-models/{things.model}/artifacts/files?artifact_file_path={path}"


ROUTE_ROWS: tuple[Row, ...] = (
    route_row("HealthHandler.get", ANYONE, lambda _: Ask("GET", "/health")),
    route_row("VersionHandler.get", ANYONE, lambda _: Ask("GET", "/version")),
    route_row("ServerInfoHandler.get", ANYONE, lambda _: Ask("GET", "/api/3.0/mlflow/server-info")),
    route_row("LandingHandler.get", ANYONE, lambda _: Ask("GET", "/")),
    route_row("MetricsHandler.get", ADMIN, lambda _: Ask("GET", "/metrics")),
    route_row("ProxyHandler.get", READER, lambda t: Ask("GET", _file(t)), moves_bytes=True),
    route_row(
        "ProxyHandler.get range",
        READER,
        lambda t: Ask("GET", _file(t), headers={"Range": "bytes=2-5"}),
        moves_bytes=True,
        status=206,
    ),
    route_row("ProxyHandler.get archive", READER, lambda t: Ask("GET", _folder(t)), moves_bytes=True),
    route_row(
        "ProxyHandler.get model",
        READER,
        lambda t: Ask("GET", f"{PROXY}/artifacts/{t.model_root}/a.txt"),
        moves_bytes=True,
    ),
    route_row("ProxyHandler.head", READER, lambda t: Ask("HEAD", _file(t)), moves_bytes=True),
    route_row(
        "ProxyHandler.put", EDITOR, lambda t: Ask("PUT", _file(t), b"new"), writes=True, moves_bytes=True
    ),
    route_row(
        "ProxyHandler.delete", EDITOR, lambda t: Ask("DELETE", _file(t)), writes=True, moves_bytes=True
    ),
    route_row(
        "ProxyHandler.put trace",
        EDITOR,
        lambda t: Ask("PUT", f"{PROXY}/artifacts/{t.experiment}/traces/tr-x/artifacts/a.json", b"{}"),
        writes=True,
        moves_bytes=True,
    ),
    route_row(
        "ProxyHandler.delete whole root",
        OWNER,
        lambda t: Ask("DELETE", f"{PROXY}/artifacts/{t.root}"),
        writes=True,
        moves_bytes=True,
    ),
    route_row("RunFileHandler.get", READER, lambda t: Ask("GET", _by_run(t)), moves_bytes=True),
    route_row(
        "RunFileHandler.get archive",
        READER,
        lambda t: Ask("GET", _by_run(t, "folder&format=tar")),
        moves_bytes=True,
    ),
    route_row("RunFileHandler.head", READER, lambda t: Ask("HEAD", _by_run(t)), moves_bytes=True),
    route_row(
        "RunUploadHandler.post",
        EDITOR,
        lambda t: Ask("POST", f"/ajax-api/2.0/mlflow/upload-artifact?run_uuid={t.run}&path=a.txt", b"new"),
        writes=True,
        moves_bytes=True,
    ),
    route_row("ModelFileHandler.get", READER, lambda t: Ask("GET", _by_model(t)), moves_bytes=True),
    route_row("ModelFileHandler.head", READER, lambda t: Ask("HEAD", _by_model(t)), moves_bytes=True),
    # Its address is the right to send a part, and was given to who may write.
    route_row("PartHandler.put", ANYONE, lambda t: Ask("PUT", t.part, CONTENT)),
    # The same of a share link.
    route_row("ShareHandler.get", ANYONE, lambda t: Ask("GET", t.shared)),
    route_row("ShareHandler.get file", ANYONE, lambda t: Ask("GET", f"{t.shared}/artifacts/a.txt")),
    route_row("ShareHandler.head", ANYONE, lambda t: Ask("HEAD", t.shared)),
)

ROWS: tuple[Row, ...] = CALL_ROWS + PEOPLE_ROWS + ROUTE_ROWS + PAGE_ROWS
