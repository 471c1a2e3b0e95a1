"""Where clients are told to send parts: what a proxy says counts if it looks like what it should be."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from jupyter_tracking_server.config import ConfigurationError, Settings
from tests.http.conftest import Client
from tests.servers import start_standalone


def told(client: Client, **headers: str) -> str:
    """The address of a new upload's part, up to the API."""
    made = client.call("runs/create", {"experiment_id": "0"})["run"]["info"]
    folder = made["artifact_uri"].removeprefix("mlflow-artifacts:/")
    path = f"/api/2.0/mlflow-artifacts/mpu/create/{folder}"
    answer = client.send("POST", path, {"path": "f", "num_parts": 1}, **headers)
    assert answer.status == 200, answer
    url: str = answer.json()["credentials"][0]["url"]
    base, mark, rest = url.partition("/api/2.0/mlflow-artifacts/mpu/part/")
    assert mark
    assert rest.count("signature=") == 1
    return base


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, "{own}"),
        ({"X_Forwarded_Proto": "https"}, "https://{host}"),
        ({"X_Forwarded_Proto": "HTTPS, http"}, "https://{host}"),
        ({"X_Forwarded_Host": "ml.example"}, "http://ml.example"),
        ({"X_Forwarded_Host": "ml.example:8443, inner"}, "http://ml.example:8443"),
        ({"X_Forwarded_Host": "[2001:db8::1]:80"}, "http://[2001:db8::1]:80"),
        ({"X_Forwarded_Prefix": "/team/ml"}, "{own}/team/ml"),
        ({"X_Forwarded_Prefix": "/team/ml/"}, "{own}/team/ml"),
        ({"X_Forwarded_Prefix": "/user/jane%40x/~a.b"}, "{own}/user/jane%40x/~a.b"),
        ({"X_Forwarded_Prefix": "/"}, "{own}"),
        (
            {"X_Forwarded_Proto": "https", "X_Forwarded_Host": "hub.example", "X_Forwarded_Prefix": "/s"},
            "https://hub.example/s",
        ),
    ],
)
def test_a_proxy_tells_where_it_is(standalone: Client, headers: dict[str, str], expected: str) -> None:
    own = standalone.server.url
    assert told(standalone, **headers) == expected.format(own=own, host=urlsplit(own).netloc)


@pytest.mark.parametrize(
    "value",
    [
        "//evil.example",
        "/a//b",
        "team",
        "/a?b",
        "/a#b",
        "/a b",
        "/a/../b",
        "/./a",
        "/..",
        "/a\\b",
        "/a%zz",
        "/a%",
        "/a:b@c",
        '/a"b',
        "/<a>",
        "/é",
        "http://evil.example/",
        "/" + "a" * 2000,
    ],
)
def test_a_prefix_that_is_none_is_not_taken(standalone: Client, value: str) -> None:
    header = value.encode().decode("latin-1")
    assert told(standalone, X_Forwarded_Prefix=header) == standalone.server.url


@pytest.mark.parametrize(
    "value",
    [
        "evil.example/x",
        "a b",
        "user@evil.example",
        "evil.example:x",
        "evil.example:123456",
        "a\\b",
        "[::1",
        "",
    ],
)
def test_a_host_that_is_none_is_not_taken(standalone: Client, value: str) -> None:
    assert told(standalone, X_Forwarded_Host=value) == standalone.server.url


@pytest.mark.parametrize("value", ["javascript", "file", "https:", "http//", " ", "ws"])
def test_a_scheme_that_is_none_is_not_taken(standalone: Client, value: str) -> None:
    assert told(standalone, X_Forwarded_Proto=value) == standalone.server.url


@pytest.fixture(scope="module")
def prefixed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with start_standalone(tmp_path_factory.mktemp("prefixed"), prefix="/team/ml") as server:
        yield Client(server)


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("/team/ml", "{own}"),
        ("/team/ml/", "{own}"),
        ("/team", "{own}"),
        ("/tea", "{origin}/tea/team/ml"),
        ("/outer", "{origin}/outer/team/ml"),
    ],
)
def test_a_prefix_that_the_server_knows_is_not_taken_twice(
    prefixed: Client, prefix: str, expected: str
) -> None:
    own = prefixed.server.url
    origin = f"http://{urlsplit(own).netloc}"
    assert told(prefixed, X_Forwarded_Prefix=prefix) == expected.format(own=own, origin=origin)


def test_what_the_administrator_says_wins(tmp_path_factory: pytest.TempPathFactory) -> None:
    options = ["--public-url", "https://ml.example/team/"]
    with start_standalone(tmp_path_factory.mktemp("public"), options=options) as server:
        client = Client(server)
        assert told(client) == "https://ml.example/team"
        assert told(client, X_Forwarded_Host="evil.example") == "https://ml.example/team"


@pytest.mark.parametrize(
    "url",
    [
        "ml.example",
        "ftp://ml.example",
        "https://",
        "https://a:b@c",
        "https://a/?b",
        "https://a/#b",
        "https://a b",
    ],
)
def test_it_must_be_an_address(url: str) -> None:
    with pytest.raises(ConfigurationError, match="--public-url"):
        Settings(public_url=url)
