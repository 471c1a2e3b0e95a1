"""The relay's fast lane passes on what the relay's handler would, and brings back what that would.

A name by which a server was not called before takes a request past the lane; the same name again, into it.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine

from jupyter_tracking_server.config import Settings
from jupyter_tracking_server.http.handler import Front
from jupyter_tracking_server.http.incoming import SLICE
from jupyter_tracking_server.http.relay_lane import RelayLane
from jupyter_tracking_server.identity import TokenRegistry
from jupyter_tracking_server.relayed import Relayed
from jupyter_tracking_server.service import find_service
from tests.http.conftest import Answer, Client
from tests.http.raw import Raw, chunked, request
from tests.http.recorder import Recorded, Recorder, recorder, reply_of
from tests.relays import start_relay

API = "/api/2.0/mlflow"
JSON = {"Content-Type": "application/json"}
SECRET = "the-secret-of-the-service"

_ports = itertools.count(1)


@pytest.fixture(scope="module")
def service() -> Iterator[Recorder]:
    """A service that writes down what it gets."""
    with recorder() as running:
        yield running


@pytest.fixture(scope="module")
def relay(service: Recorder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A client of a relay to it, with a kernel's token."""
    folder = tmp_path_factory.mktemp("relay")
    with start_relay(folder, service.url, variables={"MLFLOW_TRACKING_TOKEN": SECRET}) as server:
        client = Client(server)
        client.call("experiments/search", {})
        yield client


@pytest.fixture(autouse=True)
def fresh(service: Recorder) -> None:
    """Each test finds it as new."""
    service.reset()


def undated(answer: Answer) -> Answer:
    """Without the time at which it was made."""
    answer.headers.pop("date", None)
    return answer


REQUESTS: dict[str, tuple[str, str, dict[str, str], bytes | None]] = {
    # verb, path, headers, body
    "a read by query": ("GET", "/runs/get?run_id=a%2Fb&x=1&x=2", {}, None),
    "a read by body": ("GET", "/runs/get", {}, b'{"run_id": "x"}'),
    "a search": ("POST", "/runs/search", {}, b'{"experiment_ids": ["0"]}'),
    "a log": ("POST", "/runs/log-metric", {}, b'{"run_id": "x", "key": "a", "value": 1}'),
    "a big body": ("POST", "/runs/log-batch", {}, b"x" * SLICE),
    "a body too big for the lane": ("POST", "/runs/log-batch", {}, b"x" * (SLICE + 1)),
    "no body": ("POST", "/runs/search", {}, None),
    "another type": ("POST", "/runs/search", {"Content-Type": "text/plain"}, b"{}"),
    "HEAD": ("HEAD", "/runs/get?run_id=x", {}, None),
    "another method": ("PUT", "/runs/get", {}, b"{}"),
    "headers of Jupyter": ("POST", "/runs/search", {"Cookie": "a=b", "X-XSRFToken": "c"}, b"{}"),
    "headers of proxies": ("POST", "/runs/search", {"X-Forwarded-User": "root", "Via": "x"}, b"{}"),
    "headers for one hop": ("POST", "/runs/search", {"Connection": "X-Hop", "X-Hop": "1"}, b"{}"),
    "a WebSocket": ("GET", "/runs/get", {"Connection": "Upgrade", "Upgrade": "websocket"}, None),
    "a wrong token": ("POST", "/runs/search", {"Authorization": "Bearer x"}, b"{}"),
    "no token": ("POST", "/runs/search", {"Authorization": ""}, b"{}"),
}
ANSWERS = {
    "a small one": reply_of("200 OK", "Content-Type: application/json", "ETag: x"),
    "an empty one": reply_of("200 OK", body=b""),
    "nothing": b"HTTP/1.1 204 No Content\r\n\r\n",
    "a big one": reply_of("200 OK", "Content-Type: application/json", body=b"x" * 300_000),
    "one in chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "one without a length": b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{}",
    "not found": reply_of("404 Not Found", "Content-Type: application/json", body=b'{"error_code": "X"}'),
    "a defect": reply_of("500 Oh", "Content-Type: text/html", body=b"<script>"),
    "busy": reply_of("503 No", "Retry-After: 7"),
    "a redirect": reply_of("302 Found", "Location: /ml/elsewhere"),
    "who are you": reply_of("401 Unauthorized", "WWW-Authenticate: Basic", body=b"who?"),
    "cookies": reply_of("200 OK", "Set-Cookie: a=b", "Connection: X-Hop", "X-Hop: 1", "Server: x"),
    "nothing at all": b"",
}
ENDS = {"one without a length", "nothing at all"}
"""With these the service ends the connection."""


@pytest.mark.parametrize("name", REQUESTS)
def test_the_service_gets_the_same(name: str, service: Recorder, relay: Client) -> None:
    verb, path, more, body = REQUESTS[name]
    if verb == "HEAD":
        service.answer = lambda _: reply_of("200 OK", body=b"")
    host = f"localhost:{next(_ports)}"
    first, second = (undated(relay.send(verb, API + path, body, **{**more, "Host": host})) for _ in range(2))
    assert first == second
    if "token" in name or name == "a WebSocket":
        assert not service.requests
        return
    by_handler, by_lane = service.requests
    assert by_handler == by_lane
    assert by_lane.target == f"/ml{API}{path}"
    assert by_lane.headers["authorization"] == f"Bearer {SECRET}"


@pytest.mark.parametrize("verb", ["GET", "POST"])
@pytest.mark.parametrize("name", ANSWERS)
def test_the_client_gets_the_same(name: str, verb: str, service: Recorder, relay: Client) -> None:
    service.answer, service.ends = (lambda _: ANSWERS[name]), name in ENDS
    host = f"localhost:{next(_ports)}"
    body = None if verb == "GET" else b"{}"
    path = f"{API}/experiments/search"
    by_handler, by_lane = (undated(relay.send(verb, path, body, Host=host)) for _ in range(2))
    assert by_handler == by_lane
    if name == "nothing at all":
        assert (by_lane.status, by_lane.error_code) == (503, "TEMPORARILY_UNAVAILABLE")
    if name == "who are you":
        assert (by_lane.status, by_lane.error_code) == (403, "PERMISSION_DENIED")


def test_requests_in_one_go_are_answered_in_order(service: Recorder, relay: Client) -> None:
    service.answer = lambda asked: reply_of("200 OK", body=asked.body)
    place = urlsplit(relay.server.url)
    with Raw(relay.server.url) as raw:
        bodies = [b"%d" % number for number in range(20)]
        headers = {"Host": place.netloc, **relay.headers}
        raw.send(b"".join(request("POST", f"{raw.root}{API}/runs/search", headers, body) for body in bodies))
        assert [raw.reply().body for _ in bodies] == bodies


def test_a_body_in_chunks_is_put_together(service: Recorder, relay: Client) -> None:
    with Raw(relay.server.url) as raw:
        headers = {"Host": urlsplit(relay.server.url).netloc, **relay.headers}
        raw.send(chunked("POST", f"{raw.root}{API}/runs/search", headers, [b'{"a"', b": 1}"]))
        assert raw.reply().status == 200
    assert service.last.body == b'{"a": 1}'


def test_a_big_reply_that_breaks_off_ends_the_connection(service: Recorder, relay: Client) -> None:
    service.answer, service.ends = (lambda _: reply_of("200 OK", body=bytes(300_000))[:-1]), True
    with Raw(relay.server.url) as raw:
        headers = {"Host": urlsplit(relay.server.url).netloc, **relay.headers}
        raw.send(request("POST", f"{raw.root}{API}/runs/search", headers, b"{}"))
        found = raw.reply()
        assert found.headers["content-length"] == "300000"
        assert len(found.body) < 300_000
        assert raw.is_over()


def test_the_service_learns_that_the_client_is_gone(service: Recorder, relay: Client) -> None:
    asked, gone = threading.Event(), threading.Event()

    def wait(_: Recorded) -> bytes:
        asked.set()
        return b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n"

    service.answer = wait
    service.ended = gone.set
    with Raw(relay.server.url) as raw:
        headers = {"Host": urlsplit(relay.server.url).netloc, **relay.headers}
        raw.send(request("GET", f"{raw.root}{API}/runs/get?run_id=x", headers))
        assert asked.wait(60)
        assert not gone.is_set()
    assert gone.wait(60)


TAKEN = [
    ("GET", "/base/api/2.0/mlflow/runs/get?run_id=x", {}),
    ("POST", "/base/ajax-api/3.0/mlflow/runs/log-metric", JSON),
    ("GET", "/base/api/2.0/mlflow/artifacts/list?run_id=x", {}),
    ("POST", "/base/api/2.0/mlflow/runs/log-batch", {**JSON, "Content-Length": str(SLICE)}),
]
LEFT = [
    ("GET", "/base/health", {}),
    ("GET", "/other/api/2.0/mlflow/runs/get", {}),
    ("PUT", "/base/api/2.0/mlflow/runs/get", JSON),
    ("GET", "/base/api/2.0/mlflow/logged-models/m", {}),
    ("GET", "/base/api/2.0/mlflow-artifacts/artifacts?path=x", {}),
    ("POST", "/base/api/2.0/mlflow/runs/log-batch", {**JSON, "Content-Length": str(SLICE + 1)}),
    ("POST", "/base/api/2.0/mlflow/runs/log-batch", {**JSON, "Transfer-Encoding": "chunked"}),
    ("GET", "/base/api/2.0/mlflow/runs/get", {"Expect": "100-continue"}),
    ("GET", "/base/api/2.0/mlflow/runs/get", {"Upgrade": "websocket"}),
    ("GET", "/base/api/2.0/mlflow/runs/get", {"Origin": "http://localhost"}),
    ("GET", "/base/api/2.0/mlflow/runs/get", {"Host": "localhost:1"}),
    ("GET", "/base/api/2.0/mlflow/runs/get", {"Authorization": "Bearer x"}),
    ("GET", "/base/api/2.0/mlflow/runs/get", {"Authorization": ""}),
]


def test_it_takes_small_calls_of_kernels_and_no_others() -> None:
    settings = Settings(service_uri="http://localhost:1/ml")
    found = find_service(settings)
    assert found is not None
    relayed, tokens = Relayed(settings, found), TokenRegistry()
    token, reader = tokens.issue("jane"), tokens.issue("jo", frozenset({"read"}))

    async def look() -> None:
        front: Front = relayed.front(tokens, root="/base", home="")
        front.learn("localhost", HTTPHeaders())
        lane: RelayLane = relayed.lane(front)

        def takes(verb: str, uri: str, headers: dict[str, str], version: str = "HTTP/1.1") -> bool:
            given = {"Host": "localhost", "Authorization": f"Bearer {token}", **headers}
            line = RequestStartLine(verb, uri, version)
            return (
                lane.find_handler(HTTPServerRequest(start_line=line, headers=HTTPHeaders(given))) is not None
            )

        assert [case for case in TAKEN if not takes(*case)] == []
        assert [case for case in LEFT if takes(*case)] == []
        only_read = {"Authorization": f"Bearer {reader}"}
        assert takes("GET", TAKEN[0][1], only_read)
        assert not takes("POST", TAKEN[1][1], {**JSON, **only_read})
        assert not takes("GET", TAKEN[0][1], {}, "HTTP/1.0")
        front.closing = True
        assert [case for case in TAKEN if takes(*case)] == []

    asyncio.run(look())
