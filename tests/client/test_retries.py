"""When a request is sent again, and how long it waits, against servers that fail."""

from __future__ import annotations

import pytest

from jupyter_tracking.client.client import TrackingClient
from jupyter_tracking.client.credentials import Credentials
from jupyter_tracking.client.retries import Retries, hurried, patient
from jupyter_tracking.client.transport import RequestsTransport, Transport, Unreachable
from jupyter_tracking.protocol import runs
from jupyter_tracking.protocol.errors import (
    InvalidParameterValue,
    NotImplementedHere,
    TemporarilyUnavailable,
    TrackingError,
)
from tests.client.scripted import Answer, scripted
from tests.servers import free_port

FINE = Answer(body=b'{"runs": []}')
BUSY = Answer(503, b'{"error_code": "TEMPORARILY_UNAVAILABLE", "message": "the queue is full"}')


def search(url: str, waits: list[float], retries: Retries | None = None) -> runs.FoundRuns:
    transport = RequestsTransport(url, Credentials())
    client = TrackingClient(transport, retries or Retries(jitter=0), sleep=waits.append)
    return client.send(runs.search_runs, runs.SearchRuns())


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_these_statuses_are_tried_again_posts_too(status: int) -> None:
    waits: list[float] = []
    with scripted(Answer(status, b""), Answer(status, b""), FINE) as server:
        assert search(server.url, waits).runs == []
        assert [asked.method for asked in server.asked] == ["POST"] * 3
    assert waits == [0, 4]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 501])
def test_these_are_not(status: int) -> None:
    with scripted(Answer(status, b"")) as server:
        with pytest.raises(TrackingError):
            search(server.url, [])
        assert len(server.asked) == 1


def test_waits_double_up_to_two_minutes() -> None:
    waits: list[float] = []
    with scripted(BUSY) as server:
        with pytest.raises(TemporarilyUnavailable, match="the queue is full"):
            search(server.url, waits)
        assert len(server.asked) == 8
    assert waits == [0, 4, 8, 16, 32, 64, 120]


def test_retry_after_is_respected_unless_switched_off() -> None:
    answer = Answer(503, b"", {"Retry-After": "7"})
    for respect, expected in ((True, [7.0]), (False, [0.0])):
        waits: list[float] = []
        with scripted(answer, FINE) as server:
            search(server.url, waits, Retries(jitter=0, respect_retry_after=respect))
        assert waits == expected


def test_a_server_that_is_not_there() -> None:
    waits: list[float] = []
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(Unreachable, match=f"{url} cannot be reached"):
        search(url, waits, Retries(total=2, jitter=0))
    assert waits == [0, 4]


def test_hurried_tries_twice_and_does_not_wait() -> None:
    waits: list[float] = []
    with scripted(Answer(503, b"", {"Retry-After": "60"})) as server:
        with hurried(), pytest.raises(TemporarilyUnavailable):
            search(server.url, waits)
        assert len(server.asked) == 2
    assert waits == [0]


def test_a_server_that_moved_is_looked_for_once() -> None:
    looked: list[str] = []
    with scripted(FINE) as there:

        def find() -> Transport:
            looked.append(there.url)
            return RequestsTransport(there.url, Credentials())

        gone = RequestsTransport(f"http://127.0.0.1:{free_port()}", Credentials())
        client = TrackingClient(gone, Retries(total=0), find=find)
        client.send(runs.search_runs, runs.SearchRuns())
        assert (client.url, looked) == (there.url, [there.url])


def test_settings_come_from_the_environment() -> None:
    environment = {
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
        "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "0.5",
        "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER": "0",
        "MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER": "false",
    }
    assert Retries.from_environment(environment) == Retries(3, 0.5, 0.0, respect_retry_after=False)
    assert Retries.from_environment({}) == Retries(7, 2.0, 1.0, respect_retry_after=True)


@pytest.mark.parametrize("value", ["11", "-1", "many", "nan"])
def test_settings_out_of_bounds_are_refused(value: str) -> None:
    with pytest.raises(InvalidParameterValue, match="MLFLOW_HTTP_REQUEST_MAX_RETRIES"):
        Retries.from_environment({"MLFLOW_HTTP_REQUEST_MAX_RETRIES": value})


def test_a_permanent_refusal_keeps_its_meaning() -> None:
    refusal = Answer(501, b'{"error_code": "NOT_IMPLEMENTED", "message": "no parts here"}')
    with scripted(refusal) as server, pytest.raises(NotImplementedHere, match="no parts here"):
        search(server.url, [])


def test_large_transfers_wait_longer_than_a_person_does_otherwise() -> None:
    retries = Retries(total=7)
    with hurried():
        assert retries.now().total == 1
        with patient():
            assert retries.now().total == 4
        assert retries.now().total == 1
    with patient():
        assert retries.now() is retries
