"""The relay as clients see it, before a server of ours and before a service that writes down what it gets."""

from __future__ import annotations

import base64
import hashlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from jupyter_tracking_server.http.relay_heads import check_path
from tests.http.conftest import Answer, Client
from tests.http.raw import Raw, chunked, request
from tests.http.recorder import Recorded, Recorder, recorder, reply_of
from tests.relays import Relay, environment_at_start, kernel_of, start_relay
from tests.servers import free_port

SECRET = "the-secret-of-the-service"
MIB = 2**20
ARTIFACT = "/api/2.0/mlflow-artifacts/artifacts/"
PART = "/api/2.0/mlflow-artifacts/mpu/part/abc/1?expires=1&signature=x"
SEARCH = "/api/2.0/mlflow/experiments/search"
ANYTHING = "/api/2.0/mlflow/some/thing"
"""No call of the protocol: of those, small ones take the fast lane once the name of the relay is known."""


@pytest.fixture(scope="module")
def service() -> Iterator[Recorder]:
    """A service that writes down what it gets."""
    with recorder() as running:
        yield running


@pytest.fixture(scope="module")
def told(service: Recorder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A client of a relay to it."""
    folder = tmp_path_factory.mktemp("told")
    with start_relay(folder, service.url, variables={"MLFLOW_TRACKING_TOKEN": SECRET}) as server:
        yield Client(server)


@pytest.fixture(autouse=True)
def fresh(service: Recorder) -> None:
    """Each test finds it as new."""
    service.reset()


@pytest.fixture(scope="module")
def ours(standalone: Client, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A client of a relay to a standalone server of ours."""
    folder = tmp_path_factory.mktemp("ours")
    variables = {"MLFLOW_TRACKING_TOKEN": standalone.server.token or ""}
    with start_relay(folder, standalone.server.url, variables=variables) as server:
        yield Client(server)


def new_run(client: Client) -> str:
    made = client.call("runs/create", {"experiment_id": "0"})
    run: str = made["run"]["info"]["run_id"]
    return f"{ARTIFACT}0/{run}/artifacts"


@pytest.mark.parametrize("verb", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_every_verb_goes_on_with_query_body_and_our_credential(
    service: Recorder, told: Client, verb: str
) -> None:
    service.answer = lambda _: b"HTTP/1.1 204 No Content\r\nX-Said: it\r\n\r\n"
    body = None if verb in {"GET", "HEAD", "OPTIONS"} else b'{"a": 1}'
    answer = told.send(verb, "/api/2.0/mlflow/some/thing%20here?a=b%2Fc&a=d", body)
    assert (answer.status, answer.headers["x-said"]) == (204, "it")
    assert (service.last.verb, service.last.body) == (verb, body or b"")
    assert service.last.target == "/ml/api/2.0/mlflow/some/thing%20here?a=b%2Fc&a=d"
    assert service.last.headers["authorization"] == f"Bearer {SECRET}"
    assert service.last.headers["host"] == urlsplit(service.url).netloc


def test_the_service_learns_nothing_of_jupyters(service: Recorder, told: Client) -> None:
    told.send(
        "GET",
        SEARCH,
        None,
        Cookie="_xsrf=1; username-x=2",
        X_XSRFToken="1",
        Origin=told.server.url.rpartition("/user/")[0],
        Referer="http://x/?token=1",
        X_Forwarded_User="admin",
        X_Forwarded_For="10.1.2.3",
        Remote_User="admin",
        Sec_Fetch_Site="same-origin",
        Connection="keep-alive, X-Hop",
        X_Hop="1",
        X_MLFLOW_Workspace="w",
    )
    assert service.last.headers == {
        "host": urlsplit(service.url).netloc,
        "accept-encoding": "identity",
        "authorization": f"Bearer {SECRET}",
        "content-type": "application/json",
        "x-mlflow-workspace": "w",
    }


def test_it_is_told_how_clients_reach_it_where_it_makes_addresses_for_them(
    service: Recorder, told: Client
) -> None:
    told.send("POST", "/api/2.0/mlflow-artifacts/mpu/create/x", {})
    place = urlsplit(told.server.url)
    found = {name: value for name, value in service.last.headers.items() if name.startswith("x-")}
    assert found == {
        "x-forwarded-proto": "http",
        "x-forwarded-host": place.netloc,
        "x-forwarded-prefix": place.path,
        "x-jupyter-tracking-base": told.server.url,
    }


def test_links_that_a_browser_asks_for_lead_through_the_hub(tmp_path: Path) -> None:
    hub = {"JUPYTERHUB_API_TOKEN": SECRET, "JUPYTERHUB_BASE_URL": "/"}
    with (
        recorder("/services/tracking") as service,
        start_relay(tmp_path, service.url, variables=hub) as server,
    ):
        client, origin = Client(server), server.url.rpartition("/user/")[0]
        path = "/api/2.0/jupyter-tracking/share-links/create"
        client.send("POST", path, {}, Origin=origin)
        assert service.last.headers["x-jupyter-tracking-base"] == f"{origin}/services/tracking"
        client.send("POST", path, {})
        assert "x-jupyter-tracking-base" not in service.last.headers


def test_a_reply_brings_nothing_that_concerns_jupyters_pages(service: Recorder, told: Client) -> None:
    service.answer = lambda _: reply_of(
        "200 OK",
        "Set-Cookie: a=b",
        "Set-Cookie: c=d",
        "Access-Control-Allow-Origin: *",
        "Clear-Site-Data: *",
        "Connection: X-Hop",
        "X-Hop: 1",
        "Content-Type: text/html",
        "Etag: x",
        "X-Two: 1",
        "X-Two: 2",
        body=b"<script>alert(1)</script>",
    )
    answer = told.send("GET", "/get-artifact?path=x&run_id=y")
    assert answer.body == b"<script>alert(1)</script>"
    assert answer.headers == {
        "content-type": "text/html",
        "etag": "x",
        "x-two": "2",
        "content-length": "25",
        "content-security-policy": "sandbox; default-src 'none'; frame-ancestors 'none'",
        "x-content-type-options": "nosniff",
        "cache-control": "no-store",
    }


@pytest.mark.parametrize(
    ("told_to", "leads_to"),
    [
        ("{service}/a?b", "{relay}/a?b"),
        ("/ml/a", "{relay}/a"),
        ("/login", "{origin}/login"),
        ("https://elsewhere.example/a", "https://elsewhere.example/a"),
        ("//elsewhere.example/a", "//elsewhere.example/a"),
        ("a/b", "a/b"),
    ],
)
def test_a_redirect_leads_by_way_of_the_relay(
    service: Recorder, told: Client, told_to: str, leads_to: str
) -> None:
    names = {"service": service.url, "relay": told.server.url, "origin": service.url.removesuffix("/ml")}
    service.answer = lambda _: reply_of("302 Found", f"Location: {told_to.format(**names)}")
    answer = told.send("GET", "/a")
    assert (answer.status, answer.headers["location"]) == (302, leads_to.format(**names))


@pytest.mark.parametrize(
    "path",
    [
        "/../x",
        "/api/..",
        "/api/%2e%2e/%2e%2e/x",
        "/api/%2E./x",
        "/api/..%2f..%2fx",
        "/api/%252e%252e/x",
        "/api/%25252e%25252e/x",
        "/api/..;/x",
        "/api/.;a=b/x",
        "/api/..\\x",
        "/api/%5c..%5cx",
        "/api/./x",
        "/api/%00",
        "/api/%0d%0aX: y",
        "/services/x/../api/2.0/mlflow-artifacts/mpu/part/abc/1",
    ],
)
def test_no_path_leads_out_of_the_services_prefix(service: Recorder, told: Client, path: str) -> None:
    for verb in ("GET", "PUT", "DELETE"):
        answer = told.send(verb, path.replace(" ", "%20"))
        assert (answer.status, answer.error_code) == (400, "INVALID_PARAMETER_VALUE")
    assert not service.requests


@pytest.mark.parametrize("path", ["/a..b/.c/c.", "/größe.txt", "/100%25", "/...", "//a", "/a%2Fb"])
def test_odd_names_pass(path: str) -> None:
    check_path(path)


def test_nobody_without_a_credential_gets_to_the_service(service: Recorder, told: Client) -> None:
    wrong = {"Authorization": f"Bearer {SECRET}"}
    for verb, path in (
        *(("GET", SEARCH), ("POST", SEARCH), ("PUT", f"{ARTIFACT}x"), ("OPTIONS", "/x"), ("GET", "/ui")),
        *(("POST", PART), ("GET", PART), ("PUT", PART.replace("/1?", "/1/2?")), ("PUT", f"/x{PART}")),
        *(("GET", "/version"), ("GET", "/metrics"), ("PUT", "/api/2.0/mlflow-artifacts/mpu/part/%2e/1")),
    ):
        for headers in ({}, wrong):
            answer = told.anonymous(verb, path, b"", **headers)
            assert answer.status in {400, 401}, path
            assert answer.error_code
    assert not service.requests


def test_a_part_needs_no_credential_and_gets_none(service: Recorder, told: Client) -> None:
    for path in (PART, f"/ml{PART}"):
        assert told.anonymous("PUT", path, b"part", Authorization="Bearer x").status == 200
        assert service.last.target == f"/ml{PART}"
        assert service.last.body == b"part"
        assert "authorization" not in service.last.headers


def test_websockets_are_refused(service: Recorder, told: Client) -> None:
    answer = told.send("GET", "/x", None, Connection="Upgrade", Upgrade="websocket")
    assert (answer.status, answer.error_code) == (501, "NOT_IMPLEMENTED")
    assert not service.requests


def test_a_refused_credential_is_explained_and_no_login_asked_for(service: Recorder, told: Client) -> None:
    service.answer = lambda _: reply_of("401 Unauthorized", "WWW-Authenticate: Basic", body=b"who?")
    for answer in (told.send("POST", SEARCH, {}), told.send("PUT", f"{ARTIFACT}x", bytes(2 * MIB))):
        assert (answer.status, answer.error_code) == (403, "PERMISSION_DENIED")
        assert "MLFLOW_TRACKING_TOKEN" in answer.json()["message"]
        assert service.url in answer.json()["message"]
        assert "www-authenticate" not in answer.headers
    assert told.anonymous("PUT", PART, b"x").status == 401


def test_connections_are_used_again(service: Recorder, told: Client) -> None:
    told.call("experiments/search", {})
    before = service.connections
    for _ in range(5):
        told.call("experiments/search", {})
    assert service.connections == before


@pytest.mark.parametrize("path", [SEARCH, ANYTHING])
def test_reading_is_repeated_where_a_kept_connection_had_ended(
    service: Recorder, told: Client, path: str
) -> None:
    told.call("experiments/search", {})

    # It ends each connection at the second request that comes over it.
    def answer(_: Recorded) -> bytes:
        return b"" if service.connections == before else reply_of("200 OK")

    before, service.ends = service.connections, True
    service.answer = answer
    assert told.send("GET", path).status == 200
    assert [item.verb for item in service.requests[-2:]] == ["GET", "GET"]


@pytest.mark.parametrize(("path", "size"), [(SEARCH, 2), (ANYTHING, 2), (ANYTHING, 4 * MIB)])
def test_writing_is_not_repeated(service: Recorder, told: Client, path: str, size: int) -> None:
    service.answer, service.ends = (lambda _: b""), True
    answer = told.send("POST", path, bytes(size))
    assert (answer.status, answer.error_code) == (503, "TEMPORARILY_UNAVAILABLE")
    assert service.url in answer.json()["message"]
    assert int(answer.headers["retry-after"]) > 0
    assert len(service.requests) == 1


def test_a_service_that_is_away_is_named(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}/ml"
    with start_relay(tmp_path, url) as server:
        client = Client(server)
        for path, body in ((SEARCH, b"{}"), (SEARCH, b"{}"), (f"{ARTIFACT}x", bytes(2 * MIB))):
            answer = client.send("POST" if path == SEARCH else "PUT", path, body)
            assert (answer.status, answer.error_code) == (503, "TEMPORARILY_UNAVAILABLE")
            assert url in answer.json()["message"]
            assert int(answer.headers["retry-after"]) > 0
        assert client.anonymous("GET", "/health").status == 200


@pytest.mark.parametrize("size", [100_000, 4 * MIB])
@pytest.mark.parametrize("framing", ["length", "chunks"])
def test_a_reply_that_breaks_off_never_looks_whole(
    service: Recorder, told: Client, size: int, framing: str
) -> None:
    head = f"Content-Length: {size}" if framing == "length" else "Transfer-Encoding: chunked"
    body = bytes(size - 1) if framing == "length" else b"%x\r\n%b\r\n" % (size, bytes(size))
    service.answer = lambda _: f"HTTP/1.1 200 OK\r\n{head}\r\n\r\n".encode() + body
    service.ends = True
    place = urlsplit(told.server.url)
    with socket.create_connection((place.hostname or "", place.port or 0), 60) as plain:
        headers = {"Host": place.netloc, "Authorization": told.headers["Authorization"]}
        plain.sendall(request("GET", f"{place.path}/get-artifact", headers))
        received = b""
        while chunk := plain.recv(MIB):
            received += chunk
    found, _, content = received.partition(b"\r\n\r\n")
    assert found.startswith(b"HTTP/1.1 200")
    assert not content.endswith(b"0\r\n\r\n")
    assert len(content) < size or framing == "chunks"


@pytest.mark.parametrize("size", [1, 70_000, 8 * MIB])
@pytest.mark.parametrize("framing", ["length", "chunks"])
def test_bodies_pass_both_ways_unchanged(service: Recorder, told: Client, size: int, framing: str) -> None:
    sent = os.urandom(size)

    def answer(_: Recorded) -> bytes:
        if framing == "length":
            return reply_of("200 OK", body=sent)
        return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (size, sent)

    service.answer = answer
    if framing == "length":
        returned = told.send("PUT", f"{ARTIFACT}x", sent).body
    else:
        with Raw(told.server.url) as raw:
            headers = {"Host": urlsplit(told.server.url).netloc, **told.headers}
            pieces = [piece for piece in (sent[:7], sent[7:]) if piece]
            raw.send(chunked("PUT", f"{raw.root}{ARTIFACT}x", headers, pieces))
            assert raw.reply().status == 200
        returned = told.send("GET", f"{ARTIFACT}x").body
    assert service.requests[0].body == sent
    assert returned == sent


@pytest.mark.parametrize("size", [100_000, 4 * MIB])
def test_a_refusal_before_the_body_is_read_reaches_the_client(
    service: Recorder, told: Client, size: int
) -> None:
    service.early = reply_of(
        "413 No", "Content-Type: application/json", body=b'{"error_code": "X", "message": ""}'
    )
    answer = told.send("PUT", f"{ARTIFACT}x", bytes(size))
    assert (answer.status, answer.error_code) == (413, "X")


@pytest.mark.parametrize("size", [1000, 4 * MIB])
def test_who_waits_before_the_body_is_told_to_go_on(service: Recorder, told: Client, size: int) -> None:
    with Raw(told.server.url) as raw:
        headers = {"Host": urlsplit(told.server.url).netloc, **told.headers, "Expect": "100-continue"}
        head = request("PUT", f"{raw.root}{ARTIFACT}x", {**headers, "Content-Length": str(size)})
        raw.send(head)
        assert raw.reply().status == 100
        raw.send(bytes(size))
        assert raw.reply().status == 200
    assert len(service.last.body) == size
    assert "expect" not in service.last.headers


def test_kernels_learn_the_relay_and_no_credential(told: Client, service: Recorder) -> None:
    server = told.server
    assert isinstance(server, Relay)
    with kernel_of(server) as environment:
        assert environment["MLFLOW_TRACKING_URI"] == server.url
        assert environment["MLFLOW_TRACKING_TOKEN"] == server.token
        assert SECRET not in str(environment)
    assert SECRET not in str(environment_at_start(server.pid))
    assert SECRET not in server.log.read_text()
    assert not list((server.log.parent / "data").rglob("*.db"))


def test_a_kernel_of_a_user_with_a_credentials_file_sends_what_is_in_it(
    service: Recorder, tmp_path: Path
) -> None:
    folder = tmp_path / "home" / ".mlflow"
    folder.mkdir(parents=True)
    (folder / "credentials").write_text(
        "[mlflow]\nmlflow_tracking_username = jane\nmlflow_tracking_password = secret\n"
    )
    pair = base64.b64encode(b"jane:secret").decode()
    with start_relay(tmp_path, service.url) as server:
        client = Client(server)
        assert client.send("GET", SEARCH, None, Authorization=f"Basic {pair}").status == 200
        assert service.last.headers["authorization"] == f"Basic {pair}"
        wrong = base64.b64encode(b"jane:other").decode()
        assert client.anonymous("GET", SEARCH, None, Authorization=f"Basic {wrong}").status == 401


def test_the_services_pages_are_at_the_service(told: Client, service: Recorder) -> None:
    answer = told.send("GET", "/ui")
    assert (answer.status, answer.headers["location"]) == (302, f"{service.url}/")


def test_the_real_thing_behind_it(ours: Client) -> None:
    root = new_run(ours)
    run = root.split("/")[-2]
    ours.call("runs/log-metric", {"run_id": run, "key": "m", "value": 1.5, "timestamp": 1})
    found = ours.send("GET", f"/api/2.0/mlflow/runs/get?run_id={run}").json()["run"]
    assert found["data"]["metrics"][0]["value"] == 1.5
    content = os.urandom(64 * MIB)
    assert ours.send("PUT", f"{root}/big.bin", content).status == 200
    assert ours.send("PUT", f"{root}/small.txt", b"small").status == 200
    listed = ours.send("GET", f"{ARTIFACT[:-1]}?path={root.removeprefix(ARTIFACT)}").json()["files"]
    assert {item["path"]: item["file_size"] for item in listed} == {"big.bin": 64 * MIB, "small.txt": 5}
    whole = ours.send("GET", f"{root}/big.bin")
    assert hashlib.sha256(whole.body).digest() == hashlib.sha256(content).digest()
    assert ours.send("GET", f"{root}/big.bin", None, Range="bytes=5-2000004").body == content[5:2000005]
    assert ours.send("HEAD", f"{root}/big.bin").headers["content-length"] == str(64 * MIB)
    assert ours.send("DELETE", f"{root}/big.bin").status == 200
    assert ours.send("GET", f"{root}/big.bin").status == 404


def test_parts_go_through_it_by_the_addresses_that_the_service_makes(ours: Client) -> None:
    root = new_run(ours)
    path = root.removeprefix(ARTIFACT)
    parts = [os.urandom(5 * MIB), os.urandom(1000)]
    call = f"/api/2.0/mlflow-artifacts/mpu/{{}}/{path}"
    made = ours.send("POST", call.format("create"), {"path": "p.bin", "num_parts": 2}).json()
    done = []
    for credential, part in zip(made["credentials"], parts, strict=True):
        assert credential["url"].startswith(f"{ours.server.url}/api/2.0/mlflow-artifacts/mpu/part/")
        sent: Answer = ours.anonymous("PUT", credential["url"].removeprefix(ours.server.url), part)
        assert sent.status == 200
        done.append({"part_number": credential["part_number"], "etag": sent.headers["etag"]})
    whole = {"path": "p.bin", "upload_id": made["upload_id"], "parts": done}
    assert ours.send("POST", call.format("complete"), whole).status == 200
    assert ours.send("GET", f"{root}/p.bin").body == b"".join(parts)


@pytest.mark.parametrize("size", [500_000, 8 * MIB])
def test_a_client_that_goes_leaves_nothing_at_the_service(
    ours: Client, standalone: Client, size: int
) -> None:
    root = new_run(ours)
    with Raw(ours.server.url) as raw:
        headers = {"Host": urlsplit(ours.server.url).netloc, **ours.headers, "Content-Length": str(size)}
        raw.send(request("PUT", f"{raw.root}{root}/gone.bin", headers) + bytes(size - 1))
    assert standalone.send("GET", f"{root}/gone.bin").status == 404
    assert ours.send("PUT", f"{root}/gone.bin", b"again").status == 200
