"""The R and Java clients, by what they put on the wire: their encodings, answered as they need it.

R sends every scalar as a string, large round numbers in scientific notation, names runs by the legacy
`run_uuid` and reads that back. Java sends 64-bit integers as strings. Each table is one client's session.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.servers import Server, start_standalone

API = "/api/2.0/mlflow/"
MODEL = json.dumps(
    {"artifact_path": "model", "flavors": {"crate": {}}, "utc_time_created": "2026-01-01", "run_id": "{run}"}
)


@dataclass(frozen=True)
class Exchange:
    """One request and what its answer must contain.

    Attributes:
        call: verb and path below the API's root.
        sent: the body, or the query of a GET. `{name}` stands for a value that was kept before.
        answer: what must be in the answer (`ANY` for a value of any kind); more may be there.
        keep: name → keys that lead to a value in the answer, for the exchanges after this one.
        status: the HTTP status.
    """

    call: str
    sent: Mapping[str, Any]
    answer: Mapping[str, Any] = field(default_factory=dict)
    keep: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    status: int = 200


ANY = object()

R_SESSION = [
    Exchange("POST experiments/create", {"name": "{name}"}, keep={"experiment": ("experiment_id",)}),
    Exchange(
        "GET experiments/get-by-name",
        {"experiment_name": "{name}"},
        {"experiment": {"experiment_id": "{experiment}", "lifecycle_stage": "active", "creation_time": ANY}},
    ),
    Exchange(
        "POST runs/create",
        {
            "experiment_id": "{experiment}",
            "user_id": "rob",
            "start_time": "1.7e+12",
            "tags": [{"key": "mlflow.user", "value": "rob"}],
        },
        {"run": {"info": {"run_id": ANY, "start_time": 1_700_000_000_000, "status": "RUNNING"}}},
        keep={"run": ("run", "info", "run_uuid")},
    ),
    Exchange(
        "POST runs/log-metric",
        {
            "run_uuid": "{run}",
            "run_id": "{run}",
            "key": "loss",
            "value": "0.123456789012345",
            "timestamp": "1.7e+12",
            "step": "1e+05",
        },
    ),
    Exchange(
        "POST runs/log-metric",
        {"run_uuid": "{run}", "key": "loss", "value": "2.0", "timestamp": "1700000000001", "step": "0"},
    ),
    Exchange(
        "POST runs/log-metric",
        {"run_uuid": "{run}", "key": "nan", "value": "NaN", "timestamp": "1.0", "step": "1"},
    ),
    Exchange(
        "POST runs/log-batch",
        {
            "run_id": "{run}",
            "metrics": [{"key": "acc", "value": "1", "timestamp": "1.7e+12", "step": "2.0"}],
            "params": [{"key": "flag", "value": "TRUE"}, {"key": "missing", "value": "NA"}],
            "tags": [{"key": "lang", "value": "R"}],
        },
    ),
    Exchange(
        "POST runs/log-parameter", {"run_uuid": "{run}", "run_id": "{run}", "key": "n", "value": "1e+05"}
    ),
    Exchange("POST runs/set-tag", {"run_uuid": "{run}", "run_id": "{run}", "key": "extra", "value": "x"}),
    Exchange("POST runs/delete-tag", {"run_id": "{run}", "key": "extra"}),
    Exchange("POST runs/log-model", {"run_id": "{run}", "model_json": MODEL}),
    Exchange(
        "GET runs/get",
        {"run_uuid": "{run}", "run_id": "{run}"},
        {
            "run": {
                "info": {"run_uuid": "{run}", "run_id": "{run}", "experiment_id": "{experiment}"},
                "data": {
                    "metrics": [
                        {"key": "acc", "value": 1, "timestamp": 1_700_000_000_000, "step": 2},
                        {"key": "loss", "value": 0.123456789012345, "step": 100_000},
                        {"key": "nan", "value": "NaN", "timestamp": 1, "step": 1},
                    ],
                    "params": [
                        {"key": "flag", "value": "TRUE"},
                        {"key": "missing", "value": "NA"},
                        {"key": "n", "value": "1e+05"},
                    ],
                },
            }
        },
    ),
    Exchange(
        "GET metrics/get-history",
        {"run_uuid": "{run}", "run_id": "{run}", "metric_key": "loss"},
        {
            "metrics": [
                {"key": "loss", "value": 0.123456789012345, "timestamp": 1_700_000_000_000, "step": 100_000},
                {"key": "loss", "value": 2, "timestamp": 1_700_000_000_001, "step": 0},
            ]
        },
    ),
    Exchange("GET artifacts/list", {"run_uuid": "{run}", "run_id": "{run}"}, {"root_uri": ANY}),
    Exchange(
        "POST runs/update",
        {"run_uuid": "{run}", "run_id": "{run}", "status": "FINISHED", "end_time": "1.8e+12"},
        {"run_info": {"run_uuid": "{run}", "status": "FINISHED", "end_time": 1_800_000_000_000}},
    ),
    Exchange(
        "POST runs/search",
        {
            "experiment_ids": ["{experiment}"],
            "filter": "tags.lang = 'R'",
            "run_view_type": "ACTIVE_ONLY",
            "max_results": "1000",
            "order_by": ["metrics.acc DESC"],
        },
        {"runs": [{"info": {"run_uuid": "{run}", "status": "FINISHED"}}]},
    ),
    Exchange("POST runs/delete", {"run_id": "{run}"}),
    Exchange("POST runs/restore", {"run_id": "{run}"}),
    Exchange(
        "POST experiments/set-experiment-tag", {"experiment_id": "{experiment}", "key": "k", "value": "1"}
    ),
    Exchange("POST experiments/update", {"experiment_id": "{experiment}", "new_name": "{name} 2"}),
    Exchange(
        "POST experiments/search",
        {"view_type": "ACTIVE_ONLY", "max_results": "1000", "filter": "name = '{name} 2'"},
        {"experiments": [{"experiment_id": "{experiment}", "tags": [{"key": "k", "value": "1"}]}]},
    ),
    Exchange("POST experiments/delete", {"experiment_id": "{experiment}"}),
    Exchange("POST experiments/restore", {"experiment_id": "{experiment}"}),
    Exchange(
        "POST runs/log-metric",
        {"run_uuid": "{run}", "key": "m", "value": "NA", "timestamp": "1.7e+12"},
        {"error_code": "INVALID_PARAMETER_VALUE", "message": ANY},
        status=400,
    ),
]

JAVA_SESSION = [
    Exchange(
        "GET experiments/get-by-name",
        {"experiment_name": "{name}"},
        {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": ANY},
        status=404,
    ),
    Exchange("POST experiments/create", {"name": "{name}"}, keep={"experiment": ("experiment_id",)}),
    Exchange(
        "POST runs/create",
        {"experiment_id": "{experiment}", "user_id": "ada", "start_time": "1700000000123"},
        {
            "run": {
                "info": {"status": "RUNNING", "start_time": 1_700_000_000_123, "lifecycle_stage": "active"}
            }
        },
        keep={"run": ("run", "info", "run_id")},
    ),
    *(
        Exchange(
            "POST runs/log-metric",
            {"run_id": "{run}", "key": "m", "value": value, "timestamp": timestamp, "step": step},
        )
        for value, timestamp, step in [
            (1.5, "1700000000001", "1"),
            ("NaN", "1700000000002", "2"),
            (-2, "1700000000003", "9007199254740993"),
        ]
    ),
    Exchange(
        "POST runs/log-batch",
        {
            "run_id": "{run}",
            "metrics": [{"key": "b", "value": 1e300, "timestamp": "1700000000001", "step": "-1"}],
            "params": [{"key": "p", "value": "ü"}],
        },
    ),
    Exchange(
        "GET runs/get",
        {"run_id": "{run}"},
        {
            "run": {
                "data": {
                    "metrics": [
                        {"key": "b", "value": 1e300, "step": -1},
                        {
                            "key": "m",
                            "value": -2,
                            "timestamp": 1_700_000_000_003,
                            "step": 9_007_199_254_740_993,
                        },
                    ],
                    "params": [{"key": "p", "value": "ü"}],
                }
            }
        },
    ),
    Exchange(
        "GET metrics/get-history",
        {"run_id": "{run}", "metric_key": "m", "max_results": "2"},
        {"metrics": [{"value": 1.5, "step": 1}, {"value": "NaN", "step": 2}]},
        keep={"page": ("next_page_token",)},
    ),
    Exchange(
        "GET metrics/get-history",
        {"run_id": "{run}", "metric_key": "m", "max_results": "2", "page_token": "{page}"},
        {"metrics": [{"value": -2, "step": 9_007_199_254_740_993}]},
    ),
    Exchange(
        "POST runs/search",
        {"experiment_ids": ["{experiment}"], "filter": "", "run_view_type": "ALL", "max_results": 1},
        {"runs": [{"info": {"run_id": "{run}"}}]},
    ),
    Exchange("POST runs/update", {"run_id": "{run}", "status": "FAILED", "end_time": "1700000000999"}),
    Exchange(
        "POST experiments/search",
        {"max_results": "1000", "view_type": "ALL", "filter": "name = '{name}'"},
        {"experiments": [{"experiment_id": "{experiment}"}]},
    ),
]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A standalone server with its token."""
    with start_standalone(tmp_path) as running:
        yield running


@pytest.mark.parametrize("session", [R_SESSION, JAVA_SESSION], ids=["R", "Java"])
def test_session_is_answered(session: list[Exchange], server: Server) -> None:
    """Each answer has the right status and holds what the client reads from it."""
    check_session(session, server)


def check_session(session: list[Exchange], server: Server) -> None:
    """Send a client's requests in order and compare every answer."""
    kept = {"name": f"session {secrets.token_hex(4)}"}
    with requests.Session() as http:
        http.headers.update(server.headers)
        for exchange in session:
            verb, path = exchange.call.split(" ")
            sent = _filled(exchange.sent, kept)
            arguments = {"params": sent} if verb == "GET" else {"json": sent}
            reply = http.request(verb, f"{server.url}{API}{path}", timeout=30, **arguments)
            assert reply.status_code == exchange.status, f"{exchange.call} {sent}: {reply.text}"
            found = reply.json()
            expected = _filled(exchange.answer, kept)
            assert _difference(found, expected) is None, f"{exchange.call}: {_difference(found, expected)}"
            for name, keys in exchange.keep.items():
                value = found
                for key in keys:
                    value = value[key]
                kept[name] = value


def _filled(value: Any, kept: Mapping[str, str]) -> Any:
    """The value with each `{name}` in its strings replaced by what was kept under that name."""
    if isinstance(value, str):
        for name, text in kept.items():
            value = value.replace(f"{{{name}}}", text)
        return value
    if isinstance(value, Mapping):
        return {key: _filled(item, kept) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, kept) for item in value]
    return value


def _difference(found: Any, expected: Any) -> str | None:
    """Where `found` lacks something of `expected`, or None; the order of metrics, params and tags is free."""
    if expected is ANY:
        return None
    if isinstance(expected, Mapping) and isinstance(found, Mapping):
        for key, item in expected.items():
            if key not in found:
                return f"no {key!r} in {found}"
            inner = _difference(found[key], item)
            if inner is not None:
                return f"{key}: {inner}"
        return None
    if isinstance(expected, list) and isinstance(found, list) and len(found) == len(expected):
        pairs = zip(_by_key(found), _by_key(expected), strict=True)
        return next((text for one, other in pairs if (text := _difference(one, other))), None)
    # A bool is no number here, and 1 is as good as 1.0.
    same = found == expected and isinstance(found, bool) == isinstance(expected, bool)
    return None if same else f"{found!r} instead of {expected!r}"


def _by_key(items: list[Any]) -> list[Any]:
    return sorted(items, key=lambda item: item["key"] if isinstance(item, dict) and "key" in item else "")
