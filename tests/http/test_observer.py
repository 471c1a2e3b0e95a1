"""What a server says of its requests: counters, access log and audit log, seen from outside."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from tests.http.raw import Raw, request
from tests.reliability.ledger import create_run
from tests.servers import Server, start_embedded, start_standalone


@pytest.fixture(scope="module", params=["standalone", "embedded"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("observed")
    logs = {"access_log": folder / "logs" / "access.jsonl", "audit_log": folder / "logs" / "audit.jsonl"}
    if request.param == "standalone":
        options = [f"--{name.replace('_', '-')}={path}" for name, path in logs.items()]
        with start_standalone(folder, options=options) as running:
            yield running
    else:
        options = [f"--TrackingExtension.{name}={path}" for name, path in logs.items()]
        with start_embedded(folder, options=options) as running:
            yield running


@pytest.fixture
def http(server: Server) -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.headers.update(server.headers)
        yield session


def lines(server: Server, name: str) -> list[dict[str, Any]]:
    # A line is written after the reply, but before the next request is looked at.
    requests.get(f"{server.url}/health").raise_for_status()
    folder = next(path for path in server.log.parents if (path / "logs").is_dir())
    return [json.loads(line) for line in (folder / "logs" / name).read_text().splitlines()]


def log_metric(http: requests.Session, server: Server, run: str) -> requests.Response:
    body = {"run_id": run, "key": "loss", "value": 1.5, "timestamp": 1, "step": 0}
    return http.post(f"{server.url}/api/2.0/mlflow/runs/log-metric", json=body)


def test_a_client_that_goes_is_in_it_with_what_it_sent(server: Server, http: requests.Session) -> None:
    run = create_run(http, server)
    with Raw(server.url) as raw:
        place = {"Host": urlsplit(server.url).netloc, **server.headers, "Content-Type": "application/json"}
        path = f"{raw.root}/api/2.0/mlflow/runs/log-metric"
        sent = f'{{"run_id": "{run}"'.encode()
        raw.send(request("POST", path, {**place, "Content-Length": "1000"}) + sent)
    gone: list[dict[str, Any]] = []
    while not gone:
        gone = [line for line in lines(server, "access.jsonl") if line["status"] == 499]
    assert [(line["endpoint"], line["received"]) for line in gone] == [("log_metric", len(sent))]


def test_the_access_log_has_every_request(server: Server, http: requests.Session) -> None:
    run = create_run(http, server)
    for _ in range(2):  # the second one takes the fast lane
        log_metric(http, server, run).raise_for_status()
    http.get(f"{server.url}/api/2.0/mlflow/runs/get", params={"run_id": "0" * 32})
    found = lines(server, "access.jsonl")
    logged = [line for line in found if line["endpoint"] == "log_metric"][-2:]
    assert [line["status"] for line in logged] == [200, 200]
    for line in logged:
        assert line["method"] == "POST"
        assert line["path"].endswith("/api/2.0/mlflow/runs/log-metric")
        assert line["received"] > 50
        assert line["sent"] == 2
        assert 0 < line["seconds"] < 60
        assert line["peer"] == "127.0.0.1"
        assert line["time"].endswith("+00:00")
    missing = next(line for line in reversed(found) if line["endpoint"] == "get_run")
    assert missing["status"] == 404
    assert "?" not in missing["path"]


def test_the_audit_log_says_who_did_what_to_what(server: Server, http: requests.Session) -> None:
    run = create_run(http, server)
    log_metric(http, server, run).raise_for_status()
    http.post(f"{server.url}/api/2.0/mlflow/runs/delete", json={"run_id": run}).raise_for_status()
    http.post(f"{server.url}/api/2.0/mlflow/runs/delete", json={"run_id": "0" * 32})
    requests.post(f"{server.url}/api/2.0/mlflow/runs/restore", json={"run_id": run})
    found = lines(server, "audit.jsonl")
    of_run = [line for line in found if line["subject"].get("run_id") == run]
    assert [(line["endpoint"], line["outcome"]) for line in of_run] == [
        ("create_run", "ok"),
        ("delete_run", "ok"),
    ]
    assert of_run[0]["subject"]["experiment_id"] == "0"
    assert of_run[0]["how"] == "token"
    failed = next(line for line in found if line["subject"].get("run_id") == "0" * 32)
    assert failed["outcome"] == "failed"
    assert failed["status"] == 404
    assert found[-1]["endpoint"] == "restore_run"
    assert (found[-1]["outcome"], found[-1]["status"], found[-1]["user"]) == ("refused", 401, None)
    assert not [line for line in found if line["endpoint"] == "log_metric"]


def test_the_artifacts_that_move_are_in_the_audit_log(server: Server, http: requests.Session) -> None:
    run = create_run(http, server)
    url = f"{server.url}/api/2.0/mlflow-artifacts/artifacts/0/{run}/artifacts/folder/file.txt"
    http.put(url, data=b"12345").raise_for_status()
    http.get(url).raise_for_status()
    http.head(url).raise_for_status()
    http.delete(url).raise_for_status()
    http.get(f"{server.url}/get-artifact", params={"run_id": run, "path": "none"})
    found = [line for line in lines(server, "audit.jsonl") if run in json.dumps(line["subject"])]
    assert [(line["endpoint"], line["method"], line["outcome"]) for line in found] == [
        ("create_run", "POST", "ok"),
        ("artifact", "PUT", "ok"),
        ("artifact", "GET", "ok"),
        ("artifact", "DELETE", "ok"),
        ("run_artifact", "GET", "failed"),
    ]
    assert found[1]["received"] == 5
    assert found[2]["sent"] == 5
    assert found[1]["subject"] == {"path": f"0/{run}/artifacts/folder/file.txt"}
    assert found[4]["subject"] == {"run_id": run, "path": "none"}


def test_no_credential_is_in_any_log(server: Server, http: requests.Session) -> None:
    create_run(http, server)
    http.get(f"{server.url}/health", params={"token": "secret-in-a-query"})
    assert server.token
    for name in ("access.jsonl", "audit.jsonl"):
        text = json.dumps(lines(server, name))
        assert server.token not in text
        assert "secret-in-a-query" not in text


def test_the_counters_are_for_those_who_may_read(server: Server, http: requests.Session) -> None:
    assert requests.get(f"{server.url}/metrics").status_code == 401
    run = create_run(http, server)
    log_metric(http, server, run).raise_for_status()
    url = f"{server.url}/api/2.0/mlflow-artifacts/artifacts/0/{run}/artifacts/a.bin"

    def value(name: str, **labels: str) -> float:
        reply = http.get(f"{server.url}/metrics")
        assert reply.headers["Content-Type"].startswith("text/plain")
        samples = [
            sample
            for family in text_string_to_metric_families(reply.text)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        ]
        return sum(sample.value for sample in samples)

    sent, came = (
        value("jupyter_tracking_artifact_bytes_total", direction="out"),
        value("jupyter_tracking_artifact_bytes_total", direction="in"),
    )
    http.put(url, data=bytes(1000)).raise_for_status()
    http.get(url, headers={"Range": "bytes=0-99"}).raise_for_status()
    assert value("jupyter_tracking_artifact_bytes_total", direction="in") == came + 1000
    assert value("jupyter_tracking_artifact_bytes_total", direction="out") == sent + 100
    assert value("jupyter_tracking_transfers_in_progress") == 0
    assert value("jupyter_tracking_requests_total", endpoint="log_metric", status="200") >= 1
    assert value("jupyter_tracking_commit_requests_count") >= 2
    assert value("jupyter_tracking_requests_in_progress") == 1


def test_a_log_that_cannot_be_written_is_said_at_the_start(tmp_path: Path) -> None:
    from jupyter_tracking_server.config import ConfigurationError
    from jupyter_tracking_server.journal import open_journal

    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match=r"--access-log .* cannot be written"):
        open_journal(str(tmp_path / "file" / "log"), "--access-log")


def test_a_log_that_was_moved_away_is_made_anew(tmp_path: Path) -> None:
    from jupyter_tracking_server.journal import open_journal

    journal = open_journal(str(tmp_path / "log"), "--audit-log")
    assert journal is not None
    journal.write({"number": 1, "text": "two\nlines"})
    (tmp_path / "log").rename(tmp_path / "log.1")
    journal.write({"number": 2})
    journal.close()
    assert json.loads((tmp_path / "log.1").read_text())["text"] == "two\nlines"
    assert [json.loads(line)["number"] for line in (tmp_path / "log").read_text().splitlines()] == [2]
