"""Every call at every path, and nothing at any other; nobody gets in without a credential."""

from __future__ import annotations

import re
from typing import Any

import pytest

from jupyter_tracking.protocol import CALLS, Call
from jupyter_tracking.protocol.call import PREFIXES, VERSIONS
from jupyter_tracking.protocol.errors import EndpointNotFound, InvalidParameterValue
from jupyter_tracking_server.http.call_table import CallTable
from jupyter_tracking_server.services import SERVICES
from tests.http.conftest import Client

PLACES = [(prefix, version) for prefix in PREFIXES for version in VERSIONS]


def paths(call: Call[Any, Any]) -> list[str]:
    """Where a call is, with something in the place of each field."""
    return [
        "/" + re.sub(r"\{\w+(\.\.\.)?\}", "x", call.url_path(version, prefix)) for prefix, version in PLACES
    ]


def test_each_call_has_a_service() -> None:
    assert set(SERVICES) == set(CALLS)


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
def test_a_call_is_at_all_its_paths(call: Call[Any, Any]) -> None:
    table = CallTable()
    for path in paths(call):
        for verb in call.verbs:
            assert table.find(verb, path)[0] is call


def test_a_path_without_fields_wins() -> None:
    call, found = CallTable().find("POST", "/api/2.0/mlflow/logged-models/search")
    assert (call.name, found) == ("search_logged_models", {})


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("m-1", {"model_id": "m-1"}),
        ("%2e%2e", {"model_id": ".."}),
        ("a%2Fb", {"model_id": "a/b"}),
        ("%2541", {"model_id": "%41"}),
        ("a+b", {"model_id": "a+b"}),
        ("%C3%BC", {"model_id": "ü"}),
    ],
)
def test_a_field_in_the_path_is_decoded_once(path: str, found: dict[str, str]) -> None:
    assert CallTable().find("GET", f"/api/2.0/mlflow/logged-models/{path}")[1] == found


def test_the_rest_of_a_path_may_hold_slashes() -> None:
    found = CallTable().find("DELETE", "/ajax-api/2.0/mlflow/logged-models/m/tags/a/b%2Fc")[1]
    assert found == {"model_id": "m", "tag_key": "a/b/c"}


def test_a_field_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(InvalidParameterValue):
        CallTable().find("GET", "/api/2.0/mlflow/logged-models/%FF")


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/api",
        "/api/2.0",
        "/api/2.0/mlflow",
        "/api/2.0/mlflow/",
        "/api/2.0/mlflow/runs",
        "/api/2.0/mlflow/runs/create/",
        "/api/2.0/mlflow//runs/create",
        "/api/2.0/mlflow/runs%2Fcreate",
        "/api/2.0/mlflow/runs/../runs/create",
        "/api/2.0/mlflow/RUNS/create",
        "/api/4.0/mlflow/runs/create",
        "/api/2x0/mlflow/runs/create",
        "/apis/2.0/mlflow/runs/create",
        "/xapi/2.0/mlflow/runs/create",
        "/mlflow/runs/create",
        "/api/2.0/mlflow-artifacts/runs/create",
        "/api/2.0/mlflow/logged-models/a/b/c/d",
        "/api/2.0/mlflow/runs/create\n",
    ],
)
def test_no_other_path_is_a_call(path: str) -> None:
    for verb in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        with pytest.raises(EndpointNotFound):
            CallTable().find(verb, path)


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
def test_nobody_calls_without_a_credential(call: Call[Any, Any], standalone: Client) -> None:
    for path in paths(call):
        for credential in ({}, {"Authorization": "Bearer x"}, {"Authorization": "Basic eDp4"}):
            answer = standalone.anonymous(
                call.verbs[0], path, b"{}", Content_Type="application/json", **credential
            )
            assert (answer.status, answer.error_code) == (401, "UNAUTHENTICATED")
            assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
def test_another_method_is_no_endpoint(call: Call[Any, Any], standalone: Client) -> None:
    taken = {verb for other in CALLS for verb in other.verbs if set(paths(other)) & set(paths(call))}
    for verb in {"GET", "POST", "PUT", "PATCH", "DELETE"} - taken:
        answer = standalone.send(verb, paths(call)[0], b"{}")
        assert (answer.status, answer.error_code) == (404, "ENDPOINT_NOT_FOUND")


@pytest.mark.parametrize(("prefix", "version"), PLACES)
@pytest.mark.parametrize("verb", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_an_unlisted_route_is_refused_under_each_prefix(
    prefix: str, version: str, verb: str, standalone: Client
) -> None:
    for tail in ("mlflow/nothing", "mlflow/traces/search", "mlflow/registered-models/create", "x", ""):
        answer = standalone.send(verb, f"/{prefix}/{version}/{tail}", b"{}")
        assert (answer.status, answer.error_code) == (404, "ENDPOINT_NOT_FOUND")


@pytest.mark.parametrize(
    "path", ["/graphql", "/v1/traces", "/static-files/x.js", "/.env", "/%2e%2e/x", "//x", "/*"]
)
def test_other_places_hold_nothing(path: str, standalone: Client) -> None:
    for verb in ("GET", "POST", "DELETE"):
        answer = standalone.anonymous(verb, path)
        assert (answer.status, answer.error_code) == (404, "ENDPOINT_NOT_FOUND")
