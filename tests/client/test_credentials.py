"""What is sent as identity, seen by a server that only listens."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from jupyter_tracking.client.credentials import from_environment
from jupyter_tracking.client.transport import HttpRequest, RequestsTransport
from jupyter_tracking.protocol.errors import InvalidParameterValue
from tests.client.scripted import scripted

FILE = "[mlflow]\nmlflow_tracking_username = file\nmlflow_tracking_password = secret%1\n"


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize(
    ("environment", "file", "expected"),
    [
        ({}, None, None),
        ({"MLFLOW_TRACKING_TOKEN": "t"}, None, "Bearer t"),
        ({"MLFLOW_TRACKING_USERNAME": "u", "MLFLOW_TRACKING_PASSWORD": "p"}, None, basic("u", "p")),
        (
            {"MLFLOW_TRACKING_USERNAME": "u", "MLFLOW_TRACKING_PASSWORD": "p", "MLFLOW_TRACKING_TOKEN": "t"},
            None,
            basic("u", "p"),
        ),
        ({"MLFLOW_TRACKING_USERNAME": "u", "MLFLOW_TRACKING_TOKEN": "t"}, None, "Bearer t"),
        ({"MLFLOW_TRACKING_PASSWORD": "p"}, None, None),
        ({}, FILE, basic("file", "secret%1")),
        ({"MLFLOW_TRACKING_USERNAME": "u"}, FILE, basic("u", "secret%1")),
        ({"MLFLOW_TRACKING_TOKEN": "t"}, FILE, basic("file", "secret%1")),
        ({"MLFLOW_TRACKING_TOKEN": "t"}, "not an ini file", "Bearer t"),
    ],
)
def test_authorization_header(
    environment: dict[str, str], file: str | None, expected: str | None, tmp_path: Path
) -> None:
    if file is not None:
        (tmp_path / ".mlflow").mkdir()
        (tmp_path / ".mlflow" / "credentials").write_text(file)
    with scripted() as server:
        transport = RequestsTransport(server.url, from_environment(environment, tmp_path))
        transport.send(HttpRequest("GET", "health")).read()
        assert server.asked[0].headers.get("Authorization") == expected


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, True),
        ({"MLFLOW_TRACKING_INSECURE_TLS": "false"}, True),
        ({"MLFLOW_TRACKING_INSECURE_TLS": "TRUE"}, False),
        ({"MLFLOW_TRACKING_SERVER_CERT_PATH": "/ca.pem"}, "/ca.pem"),
    ],
)
def test_how_the_server_is_checked(environment: dict[str, str], expected: bool | str, tmp_path: Path) -> None:
    assert from_environment(environment, tmp_path).verify == expected


def test_insecure_tls_and_authorities_exclude_each_other(tmp_path: Path) -> None:
    both = {"MLFLOW_TRACKING_INSECURE_TLS": "true", "MLFLOW_TRACKING_SERVER_CERT_PATH": "/ca.pem"}
    with pytest.raises(InvalidParameterValue, match=r"exclude each other.*Unset one"):
        from_environment(both, tmp_path)


def test_a_flag_that_is_neither_true_nor_false_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidParameterValue, match="MLFLOW_TRACKING_INSECURE_TLS is 'maybe'"):
        from_environment({"MLFLOW_TRACKING_INSECURE_TLS": "maybe"}, tmp_path)


def test_client_certificate(tmp_path: Path) -> None:
    found = from_environment({"MLFLOW_TRACKING_CLIENT_CERT_PATH": "/me.pem"}, tmp_path)
    assert found.client_certificate == "/me.pem"


def test_no_secret_in_the_repr(tmp_path: Path) -> None:
    assert "hidden" not in repr(from_environment({"MLFLOW_TRACKING_TOKEN": "hidden"}, tmp_path))
