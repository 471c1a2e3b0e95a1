"""One shape of error, ``{"error_code", "message"}``, whichever way a request goes wrong."""

from __future__ import annotations

import contextlib
import json
import logging
import socket
from urllib.parse import urlsplit

import pytest
from tornado.web import HTTPError

from jupyter_tracking.protocol.errors import InternalError, TemporarilyUnavailable, TrackingError
from jupyter_tracking_server.http.error_reply import STATUS, explain, log_defect
from tests.http.conftest import Client

CREATE = "/api/2.0/mlflow/experiments/create"


def test_each_error_of_the_protocol_has_a_status() -> None:
    assert {cls.error_code for cls in TrackingError.__subclasses__()} == set(STATUS)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "BAD_REQUEST"),
        (401, "UNAUTHENTICATED"),
        (403, "PERMISSION_DENIED"),
        (404, "ENDPOINT_NOT_FOUND"),
        (405, "ENDPOINT_NOT_FOUND"),
        (413, "INVALID_PARAMETER_VALUE"),
        (414, "BAD_REQUEST"),
    ],
)
def test_what_tornado_and_jupyter_raise_becomes_the_protocols(status: int, code: str) -> None:
    reply = explain(HTTPError(status, "secret %s"))
    assert json.loads(reply.body)["error_code"] == code
    assert b"secret" not in reply.body
    assert reply.status == STATUS[code]


@pytest.mark.parametrize("error", [RuntimeError("secret"), HTTPError(500, "secret"), InternalError("secret")])
def test_of_a_defect_the_client_sees_an_id_and_the_log_the_rest(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        defect_id = log_defect(error, "POST /x")
    reply = explain(error, defect_id)
    assert reply.status == 500
    assert defect_id in json.loads(reply.body)["message"]
    assert b"secret" not in reply.body
    assert defect_id in caplog.text
    assert "secret" in caplog.text


def test_a_refusal_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    assert log_defect(TemporarilyUnavailable("busy"), "POST /x") == ""
    assert not caplog.records


def test_a_busy_server_says_when_to_come_back() -> None:
    reply = explain(TemporarilyUnavailable("busy", retry_after=7))
    assert (reply.status, reply.headers["Retry-After"]) == (503, "7")


def test_statuses_that_clients_branch_on(standalone: Client) -> None:
    standalone.call("experiments/create", {"name": "taken"})
    assert (
        standalone.call("experiments/create", {"name": "taken"}, 400)["error_code"]
        == "RESOURCE_ALREADY_EXISTS"
    )
    by_name = standalone.send("GET", "/api/2.0/mlflow/experiments/get-by-name?experiment_name=none")
    assert (by_name.status, by_name.error_code) == (404, "RESOURCE_DOES_NOT_EXIST")
    gone = standalone.call("experiments/create", {"name": "gone"})["experiment_id"]
    standalone.call("experiments/delete", {"experiment_id": gone})
    renamed = standalone.send(
        "POST", "/api/2.0/mlflow/experiments/update", {"experiment_id": gone, "new_name": "x"}
    )
    assert (renamed.status, renamed.error_code) == (500, "INVALID_STATE")


@pytest.mark.parametrize(
    "kind", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]
)
def test_a_form_of_any_page_is_refused(kind: str, standalone: Client) -> None:
    answer = standalone.send("POST", CREATE, b'{"name": "form"}', Content_Type=kind)
    assert (answer.status, answer.error_code) == (400, "INVALID_PARAMETER_VALUE")
    assert "Content-Type" in answer.json()["message"]


@pytest.mark.parametrize("host", ["evil.example", "10.evil.example", "8.8.8.8", "localhost.evil.example"])
@pytest.mark.parametrize("path", ["/health", CREATE, "/nothing", "/api/2.0/mlflow-artifacts/artifacts/x"])
def test_a_foreign_host_is_refused_before_anything_else(host: str, path: str, standalone: Client) -> None:
    verb = "POST" if path == CREATE else "GET"
    answer = standalone.send(verb, path, b'{"name": "rebound"}', Host=host)
    assert (answer.status, answer.error_code) == (403, "PERMISSION_DENIED")


def test_a_host_that_is_none_is_refused(standalone: Client) -> None:
    for host in ("localhost:80@evil.example", "localhost/x", "localhost:80:80", "[::1", ""):
        assert standalone.send("GET", "/health", Host=host).status in {400, 403}


def test_a_page_cannot_send_a_token_so_a_token_passes_from_anywhere(standalone: Client) -> None:
    answer = standalone.send("POST", "/api/2.0/mlflow/runs/search", {}, Origin="http://evil.example")
    assert answer.status == 200


def test_a_big_body_is_refused_by_its_limit_and_the_reply_arrives(standalone: Client) -> None:
    body = json.dumps({"name": "x" * (5 * 2**20)}).encode()
    answer = standalone.send("POST", CREATE, body)
    assert (answer.status, answer.error_code) == (400, "INVALID_PARAMETER_VALUE")
    assert str(4 * 2**20) in answer.json()["message"]


def test_a_refusal_of_a_body_that_still_comes_arrives(standalone: Client) -> None:
    answer = standalone.anonymous("POST", CREATE, b" " * 2**20)
    assert (answer.status, answer.error_code) == (401, "UNAUTHENTICATED")


def raw(client: Client, *parts: bytes) -> bytes:
    """What the server answers to these bytes until it closes the connection."""
    address = urlsplit(client.server.url)
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=30) as connection:
        for part in parts:
            connection.sendall(part)
        answer = b""
        with contextlib.suppress(ConnectionError):
            while chunk := connection.recv(65_536):
                answer += chunk
        return answer


def head(client: Client, verb: bytes, path: bytes, *lines: bytes) -> bytes:
    """A request's first lines; the connection is for this request alone."""
    token = f"Authorization: Bearer {client.server.token}".encode()
    given = (verb + b" " + path + b" HTTP/1.1", b"Connection: close", token, *lines)
    return b"\r\n".join(given) + b"\r\n\r\n"


def test_a_chunked_body_over_the_limit_is_refused(standalone: Client) -> None:
    chunk = b"%x\r\n%s\r\n" % (2**20, b" " * 2**20)
    kind = (b"Host: localhost", b"Transfer-Encoding: chunked", b"Content-Type: application/json")
    answer = raw(standalone, head(standalone, b"POST", CREATE.encode(), *kind), *[chunk] * 5, b"0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"INVALID_PARAMETER_VALUE" in answer


@pytest.mark.parametrize(
    "lines",
    [
        (b"Host: localhost", b"Content-Length: 2", b"Transfer-Encoding: chunked"),
        (b"Host: localhost", b"Content-Length: 2", b"Content-Length: 3"),
        (b"Host: localhost", b"Host: evil.example", b"Content-Length: 2"),
        (b"Content-Length: 2",),
        (b"Host: localhost", b"Content-Length: -2"),
        (b"Host: localhost", b"Transfer-Encoding: chunked", b"X: \x00"),
    ],
    ids=["both lengths", "two lengths", "two hosts", "no host", "negative length", "NUL"],
)
def test_what_two_parsers_could_read_in_two_ways_is_refused(
    lines: tuple[bytes, ...], standalone: Client
) -> None:
    kind = b"Content-Type: application/json"
    answer = raw(standalone, head(standalone, b"POST", b"/api/2.0/mlflow/runs/search", kind, *lines), b"{}")
    assert not answer.startswith(b"HTTP/1.1 200")
    assert answer.count(b"HTTP/1.1") <= 1


def test_a_path_that_is_no_path_is_answered(standalone: Client) -> None:
    for path in (
        b"/%",
        b"/%zz",
        b"/\xff\xfe",
        b"*",
        b"http://localhost/health",
        b"/health?%FF",
        b"/api/2.0/%FF",
    ):
        answer = raw(standalone, head(standalone, b"GET", path, b"Host: localhost"))
        assert answer.split(b" ")[1] in {b"200", b"400", b"404"}
