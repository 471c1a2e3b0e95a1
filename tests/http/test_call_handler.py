"""How requests may arrive, and how replies leave."""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.http.conftest import Client

API = "/api/2.0/mlflow"


@pytest.fixture(scope="module")
def run_id(standalone: Client) -> str:
    made = standalone.call("runs/create", {"experiment_id": "0"})
    found: str = made["run"]["info"]["run_id"]
    return found


def found_id(standalone: Client, verb: str, path: str, body: object = None) -> Any:
    answer = standalone.send(verb, path, body)
    assert answer.status == 200, answer
    return answer.json()["run"]["info"]["run_id"]


def test_a_get_is_asked_by_query_or_by_body(standalone: Client, run_id: str) -> None:
    assert found_id(standalone, "GET", f"{API}/runs/get?run_id={run_id}") == run_id
    assert found_id(standalone, "GET", f"{API}/runs/get?run_uuid={run_id}") == run_id
    assert found_id(standalone, "GET", f"{API}/runs/get", {"run_id": run_id}) == run_id


def test_a_get_with_a_query_does_not_look_at_a_body(standalone: Client, run_id: str) -> None:
    assert found_id(standalone, "GET", f"{API}/runs/get?run_id={run_id}", {"run_id": "other"}) == run_id


def test_one_field_given_twice_in_a_query_is_refused(standalone: Client, run_id: str) -> None:
    answer = standalone.send("GET", f"{API}/runs/get?run_id={run_id}&run_id=other")
    assert (answer.status, answer.error_code) == (400, "INVALID_PARAMETER_VALUE")


def test_a_delete_is_asked_by_query_body_or_path(standalone: Client) -> None:
    experiment = standalone.call("experiments/create", {"name": "deletes"})["experiment_id"]
    for key, path, body in (
        ("a", "/tags/a", None),
        ("b/c", "/tags/b/c", None),
        ("d e", "/tags/d%20e", {}),
        ("f", "/tags/f?nobody_knows=1", None),
    ):
        tagged = {"experiment_id": experiment, "name": "m", "tags": [{"key": key, "value": "v"}]}
        model = standalone.call("logged-models", tagged)["model"]["info"]["model_id"]
        assert standalone.send("DELETE", f"{API}/logged-models/{model}{path}", body).status == 200
        left = standalone.send("GET", f"{API}/logged-models/{model}").json()["model"]["info"]
        assert "tags" not in left


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8", "Application/Json"])
def test_json_by_any_of_its_names(kind: str, standalone: Client, run_id: str) -> None:
    answer = standalone.send("POST", f"{API}/runs/search", {"experiment_ids": ["0"]}, Content_Type=kind)
    assert answer.status == 200


def test_a_body_may_come_in_chunks_and_encoded_twice(standalone: Client, run_id: str) -> None:
    address = urlsplit(standalone.server.url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)
    metric = {"run_id": run_id, "key": "chunked", "value": 1, "timestamp": 1}
    body = json.dumps(json.dumps(metric)).encode()
    chunks = (body[start : start + 7] for start in range(0, len(body), 7))
    # The same connection serves several requests.
    connection.request("POST", f"{API}/runs/log-metric", chunks, standalone.headers, encode_chunked=True)
    assert connection.getresponse().read() == b"{}"
    connection.request("GET", "/health")
    assert connection.getresponse().read() == b"OK"
    connection.close()


def test_a_refused_request_leaves_the_connection_usable(standalone: Client) -> None:
    address = urlsplit(standalone.server.url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)
    for _ in range(3):
        connection.request("POST", f"{API}/runs/create", b"{}" * 1000, {"Content-Type": "application/json"})
        reply = connection.getresponse()
        assert (reply.status, json.loads(reply.read())["error_code"]) == (401, "UNAUTHENTICATED")
    connection.close()


def test_a_big_reply_arrives_whole(standalone: Client, run_id: str) -> None:
    for first in range(0, 10_000, 1000):
        points = [
            {"key": "long", "value": step / 3, "timestamp": 1_700_000_000_000 + step, "step": step}
            for step in range(first, first + 1000)
        ]
        standalone.call("runs/log-batch", {"run_id": run_id, "metrics": points})
    answer = standalone.send("GET", f"{API}/metrics/get-history?run_id={run_id}&metric_key=long")
    assert len(answer.body) > 2**19
    assert int(answer.headers["content-length"]) == len(answer.body)
    assert [point["step"] for point in answer.json()["metrics"]] == list(range(10_000))


def test_a_big_request_is_decoded_beside_the_loop(standalone: Client, run_id: str) -> None:
    dataset = {"name": "d", "digest": "1", "source_type": "x", "source": "y", "profile": "p" * 2**20}
    standalone.call("runs/log-inputs", {"run_id": run_id, "datasets": [{"dataset": dataset}]})
    found = standalone.send("GET", f"{API}/runs/get?run_id={run_id}").json()["run"]["inputs"]
    assert found["dataset_inputs"][0]["dataset"] == dataset
