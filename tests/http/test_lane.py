"""The fast lane answers as the handlers do, on any kind of connection.

A name by which a server was not called before takes a request past the lane; the same name again, into it.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine
from tornado.netutil import bind_sockets
from tornado.web import Application

from jupyter_tracking.protocol.limits import JSON_BODY
from jupyter_tracking_server.config import Settings
from jupyter_tracking_server.http.gate import Gate
from jupyter_tracking_server.http.handler import Front
from jupyter_tracking_server.http.lane import Lane
from jupyter_tracking_server.identity import (
    Authenticator,
    OpenAuthenticator,
    TokenAuthenticator,
    TokenRegistry,
)
from jupyter_tracking_server.server import Server as TrackingServer
from tests.http.raw import Raw, Reply, chunked, request
from tests.servers import Server, start_embedded, start_standalone

API = "/api/2.0/mlflow"
JSON = {"Content-Type": "application/json"}
POINTS = 5000

_ports = itertools.count(1)


@pytest.fixture(scope="module", params=["token", "none", "embedded"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Each kind of server."""
    folder = tmp_path_factory.mktemp("lane")
    if request.param == "embedded":
        with start_embedded(folder) as started:
            yield started
    else:
        with start_standalone(folder, auth=request.param) as started:
            yield started


@pytest.fixture(scope="module")
def credential(server: Server) -> dict[str, str]:
    """A token of ours, also inside Jupyter, where a kernel would have it."""
    for found in (server.log.parent / "runtime").glob("jptracking-*.json"):
        token = json.loads(found.read_text())["token"]
        return {"Authorization": f"Bearer {token}"} if token else {}
    raise AssertionError("no runtime file")


@pytest.fixture(scope="module")
def run_id(server: Server, credential: dict[str, str]) -> str:
    """A run whose one metric has a history that is no small reply."""
    with Raw(server.url) as raw:
        head = {"Host": "localhost", **credential, **JSON}
        raw.send(request("POST", f"{raw.root}{API}/runs/create", head, b'{"experiment_id": "0"}'))
        made: str = raw.reply().json()["run"]["info"]["run_id"]
        for first in range(0, POINTS, 1000):
            points = [
                {"key": "m", "value": step / 3, "timestamp": 1_700_000_000_000 + step, "step": step}
                for step in range(first, first + 1000)
            ]
            body = json.dumps({"run_id": made, "metrics": points}).encode()
            raw.send(request("POST", f"{raw.root}{API}/runs/log-batch", head, body))
            assert raw.reply().status == 200
    return made


REQUESTS: dict[str, tuple[str, str, dict[str, str], str | None]] = {
    # verb, path, headers (None takes one away), body; RUN stands for the run
    "a read by query": ("GET", "/runs/get?run_id=RUN", {}, None),
    "a read by body": ("GET", "/runs/get", {}, '{"run_id": "RUN"}'),
    "a search": ("POST", "/experiments/search", {}, '{"max_results": 5}'),
    "a search of runs": ("POST", "/runs/search", {}, '{"experiment_ids": ["0"]}'),
    "a write": ("POST", "/runs/set-tag", {}, '{"run_id": "RUN", "key": "k", "value": "v"}'),
    "a log": (
        "POST",
        "/runs/log-metric",
        {},
        '{"run_id": "RUN", "key": "a", "value": 1, "timestamp": 1, "step": 1}',
    ),
    "a big reply": ("GET", "/metrics/get-history?run_id=RUN&metric_key=m", {}, None),
    "a big body": ("POST", "/runs/set-tag", {}, '{"run_id": "' + "x" * 2**19 + '"}'),
    "a body too large": ("POST", "/runs/set-tag", {}, "x" * (JSON_BODY + 1)),
    "no JSON": ("POST", "/experiments/search", {}, "{"),
    "a field too few": ("POST", "/runs/set-tag", {}, "{}"),
    "a field of a wrong type": ("POST", "/experiments/search", {}, '{"max_results": "many"}'),
    "one field twice": ("GET", "/runs/get?run_id=a&run_id=b", {}, None),
    "a query that is not UTF-8": ("GET", "/runs/get?run_id=%FF", {}, None),
    "too many fields": ("GET", "/runs/get?" + "&".join(f"a{n}=1" for n in range(2000)), {}, None),
    "what is not there": ("GET", "/runs/get?run_id=" + "0" * 32, {}, None),
    "what may not be": ("POST", "/runs/log-param", {}, '{"run_id": "RUN", "key": "", "value": "x"}'),
    "another type": ("POST", "/experiments/search", {"Content-Type": "text/plain"}, "{}"),
    "no body": ("POST", "/experiments/search", {}, None),
    "HEAD": ("HEAD", "/runs/get?run_id=RUN", {}, None),
    "another method": ("PUT", "/runs/get", {}, "{}"),
    "no such path": ("POST", "/runs/gets", {}, "{}"),
    "a foreign page": ("POST", "/experiments/search", {"Sec-Fetch-Site": "cross-site"}, "{}"),
    "a foreign origin": ("POST", "/experiments/search", {"Origin": "http://evil.example"}, "{}"),
    "an unknown token": ("POST", "/experiments/search", {"Authorization": "Bearer x"}, "{}"),
    "no credential": ("POST", "/experiments/search", {"Authorization": ""}, "{}"),
    "a closing client": ("POST", "/experiments/search", {"Connection": "close"}, "{}"),
    "a staying client": ("POST", "/experiments/search", {"Connection": "keep-alive"}, "{}"),
    "a validator": ("GET", "/runs/get?run_id=RUN", {"If-None-Match": "*"}, None),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_it_answers_as_the_handlers_do(
    name: str, server: Server, credential: dict[str, str], run_id: str
) -> None:
    verb, path, more, text = REQUESTS[name]
    headers = {"Host": f"localhost:{next(_ports)}", **credential, **JSON, **more}
    body = None if text is None else text.replace("RUN", run_id).encode()
    answers: list[Reply | None] = []
    for _ in range(2):
        with Raw(server.url) as raw:
            raw.send(request(verb, raw.root + API + path.replace("RUN", run_id), headers, body))
            answers.append(raw.reply(verb))
            # Afterwards both roads treat the connection alike, too.
            raw.send(request("GET", raw.root + "/health", {"Host": "localhost"}))
            with contextlib.suppress(IndexError, ConnectionError):
                answers.append(raw.reply())
                continue
            answers.append(None)
    assert answers[:2] == answers[2:]
    assert answers[0] is not None


def test_an_old_client_gets_what_it_asked_for(server: Server, credential: dict[str, str]) -> None:
    for connection, stays in ((None, False), ("keep-alive", True)):
        head = {"Host": f"localhost:{next(_ports)}", **credential, **JSON}
        if connection:
            head["Connection"] = connection
        found = []
        for _ in range(2):
            with Raw(server.url) as raw:
                message = request("POST", f"{raw.root}{API}/experiments/search", head, b"{}")
                raw.send(message.replace(b"HTTP/1.1", b"HTTP/1.0", 1))
                found.append(raw.reply())
                assert stays or raw.is_over()
        assert found[0] == found[1]
        assert (found[0].status, found[0].headers.get("connection")) == (200, "Keep-Alive" if stays else None)


def test_requests_in_one_go_are_answered_in_order(
    server: Server, credential: dict[str, str], run_id: str
) -> None:
    head = {"Host": "localhost", **credential, **JSON}
    with Raw(server.url) as raw:
        paths = [
            f"/runs/get?run_id={run_id}",
            "/experiments/search",
            "/runs/get?run_id=x",
            "/experiments/get",
        ]
        raw.send(b"".join(request("GET", raw.root + API + path, head) for path in paths * 3))
        found = [raw.reply() for _ in paths * 3]
    assert [reply.status for reply in found] == [200, 200, 404, 400] * 3
    assert [next(iter(reply.json())) for reply in found[:2]] == ["run", "experiments"]


def test_a_body_in_chunks_is_put_together(server: Server, credential: dict[str, str], run_id: str) -> None:
    head = {"Host": "localhost", **credential, **JSON}
    tag = json.dumps({"run_id": run_id, "key": "chunks", "value": "whole"}).encode()
    with Raw(server.url) as raw:
        path = f"{raw.root}{API}/runs/set-tag"
        raw.send(chunked("POST", path, head, [tag[start : start + 5] for start in range(0, len(tag), 5)]))
        assert raw.reply().body == b"{}"
        raw.send(chunked("POST", path, head, [b"x" * 2**16] * (JSON_BODY // 2**16 + 1)))
        refused = raw.reply()
        assert (refused.status, refused.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
        raw.send(request("GET", f"{raw.root}{API}/runs/get?run_id={run_id}", head))
        tags = raw.reply().json()["run"]["data"]["tags"]
    assert {"key": "chunks", "value": "whole"} in tags


def test_clients_that_close_are_told_that_it_closes(server: Server, credential: dict[str, str]) -> None:
    head = {"Host": "localhost", "Connection": "close", **credential, **JSON}
    with Raw(server.url) as raw:
        raw.send(request("POST", f"{raw.root}{API}/experiments/search", head, b"{}"))
        assert raw.reply().headers["connection"] == "close"
        assert raw.is_over()


def unlogged(status: int, request: HTTPServerRequest) -> None:
    """No access log."""


@contextlib.asynccontextmanager
async def opened(folder: Path, authenticator: Authenticator) -> AsyncIterator[Front]:
    """What a server's handlers share, with a name that is known already."""
    settings = Settings(backend_store_uri=f"sqlite:///{folder}/t.db", artifacts_destination=str(folder))
    server = TrackingServer(settings)
    front = Front(server, authenticator, root="/base", gate=Gate("127.0.0.1"))
    front.learn("localhost", HTTPHeaders())
    try:
        yield front
    finally:
        await server.close()


@contextlib.asynccontextmanager
async def listening(front: Front) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to a server that has nothing but the lane."""
    http = HTTPServer(Application([], default_handler_class=None))
    http.request_callback = Lane(front, unlogged)
    sockets = bind_sockets(0, "127.0.0.1")
    http.add_sockets(sockets)
    reader, writer = await asyncio.open_connection(*sockets[0].getsockname()[:2])
    try:
        yield reader, writer
    finally:
        writer.close()
        http.stop()
        await http.close_all_connections()


SEARCH = request("POST", f"/base{API}/experiments/search", {"Host": "localhost", **JSON}, b"{}")


async def until(condition: Callable[[], object]) -> None:
    """Let the event loop go on until ``condition`` says yes."""
    while not condition():  # noqa: ASYNC110  # what is waited for is plain state, which sets no event
        await asyncio.sleep(0)


@pytest.mark.parametrize("sent", [SEARCH[:-1], SEARCH], ids=["in its body", "before its answer"])
def test_a_client_that_goes_away_is_forgotten(sent: bytes, tmp_path: Path) -> None:
    async def go_away() -> None:
        async with opened(tmp_path, OpenAuthenticator()) as front, listening(front) as (_, writer):
            writer.write(sent)
            await until(lambda: front.last_request)
            writer.close()
            await asyncio.wait_for(until(lambda: not front.active), 30)
            assert front.active == set()

    asyncio.run(go_away())


def test_what_runs_is_finished_when_the_server_drains(tmp_path: Path) -> None:
    async def drain() -> bytes:
        async with opened(tmp_path, OpenAuthenticator()) as front, listening(front) as (reader, writer):
            writer.write(SEARCH[:-1])
            await until(lambda: front.active)
            drained = asyncio.ensure_future(front.drain(30))
            await until(lambda: front.closing)
            assert not drained.done()
            writer.write(SEARCH[-1:])
            head = await reader.readuntil(b"\r\n\r\n")
            await asyncio.wait_for(drained, 30)
            assert front.active == set()
            return head

    assert asyncio.run(drain()).startswith(b"HTTP/1.1 200 OK\r\n")


TAKEN = [
    ("GET", "/base/api/2.0/mlflow/runs/get?run_id=x", {}),
    ("POST", "/base/ajax-api/3.0/mlflow/runs/log-metric", JSON),
]
LEFT = [
    ("GET", "/base/health", {}),
    ("GET", "/other/api/2.0/mlflow/runs/get", {}),
    ("GET", "/api/2.0/mlflow/runs/get", {}),
    ("PUT", "/base/api/2.0/mlflow/runs/get", JSON),
    ("GET", "/base/api/2.0/mlflow/artifacts/list?run_id=x", {}),
    ("GET", "/base/api/2.0/mlflow/logged-models/m", {}),
    ("GET", "/base/api/2.0/mlflow/runs/get", {"Expect": "100-continue"}),
    ("GET", "/base/api/2.0/mlflow/runs/get", {"Host": "localhost:1"}),
    ("GET", "/base/api/2.0/mlflow/runs/get", {"Authorization": "Bearer x"}),
    ("GET", "/base/api/2.0/mlflow/runs/get", {"Authorization": ""}),
    ("POST", "/base/api/2.0/mlflow/runs/log-metric", {"Content-Type": "text/plain"}),
    ("POST", "/base/api/2.0/mlflow/runs/log-metric", {**JSON, "Content-Length": str(JSON_BODY + 1)}),
]


def test_it_takes_plain_calls_and_no_others(tmp_path: Path) -> None:
    tokens = TokenRegistry()
    token, reader = tokens.issue("jane"), tokens.issue("jo", frozenset({"read"}))

    async def look() -> None:
        async with opened(tmp_path, TokenAuthenticator(tokens)) as front:
            lane = Lane(front, unlogged)

            def takes(verb: str, uri: str, headers: dict[str, str]) -> bool:
                given = {"Host": "localhost", "Authorization": f"Bearer {token}", **headers}
                line = RequestStartLine(verb, uri, "HTTP/1.1")
                asked = HTTPServerRequest(start_line=line, headers=HTTPHeaders(given))
                return lane.find_handler(asked) is not None

            assert [case for case in TAKEN if not takes(*case)] == []
            assert [case for case in LEFT if takes(*case)] == []
            only_read = {"Authorization": f"Bearer {reader}"}
            assert takes("GET", TAKEN[0][1], only_read)
            assert not takes("POST", TAKEN[1][1], {**JSON, **only_read})
            front.closing = True
            assert [case for case in TAKEN if takes(*case)] == []

    asyncio.run(look())
