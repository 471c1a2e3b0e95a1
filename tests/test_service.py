"""Which service a Jupyter Server stands for, and what it sends there."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path

import pytest

from jupyter_tracking_server.config import ConfigurationError, Settings
from jupyter_tracking_server.service import Service, find_service

URL = "https://mlflow.example/ml"
HUB = {"JUPYTERHUB_API_TOKEN": "of-the-hub", "JUPYTERHUB_BASE_URL": "/jh/"}


@pytest.fixture
def find(tmp_path: Path) -> Find:
    return Find(tmp_path)


class Find:
    """Finds the service of a user whose home is ``home``."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def __call__(self, uri: str = "", **environment: str) -> Service | None:
        return find_service(Settings(service_uri=uri), environment, self.home)

    def must(self, uri: str = "", **environment: str) -> Service:
        found = self(uri, **environment)
        assert found is not None
        return found


def basic(pair: str) -> str:
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


def test_there_is_none_unless_it_is_named(find: Find) -> None:
    assert find() is None
    assert find("none", MLFLOW_TRACKING_URI=URL) is None
    assert find(MLFLOW_TRACKING_URI="sqlite:///x.db") is None
    assert find(MLFLOW_TRACKING_URI="databricks") is None
    assert find(MLFLOW_TRACKING_URI=URL, JUPYTER_TRACKING_URI=URL) is None
    assert find.must(MLFLOW_TRACKING_URI=f"{URL}/", JUPYTER_TRACKING_URI="http://x").url == URL
    assert find.must(URL, MLFLOW_TRACKING_URI="http://other.example").url == URL


@pytest.mark.parametrize(
    ("environment", "sent"),
    [
        ({}, None),
        ({"MLFLOW_TRACKING_TOKEN": "t"}, "Bearer t"),
        (
            {
                "MLFLOW_TRACKING_USERNAME": "u",
                "MLFLOW_TRACKING_PASSWORD": "p:p",
                "MLFLOW_TRACKING_TOKEN": "t",
            },
            basic("u:p:p"),
        ),
        # A token that another Jupyter gave its terminal is not for the service.
        (
            {
                "MLFLOW_TRACKING_TOKEN": "t",
                "MLFLOW_TRACKING_URI": "http://x",
                "JUPYTER_TRACKING_URI": "http://x",
            },
            None,
        ),
        # The Hub's token is for the Hub's services alone.
        (HUB, None),
    ],
)
def test_what_it_sends(find: Find, environment: Mapping[str, str], sent: str | None) -> None:
    assert find.must(URL, **environment).credentials.authorization == sent


def test_it_sends_what_is_in_the_credentials_file(find: Find) -> None:
    (find.home / ".mlflow").mkdir()
    (find.home / ".mlflow" / "credentials").write_text(
        "[mlflow]\nmlflow_tracking_username = u\nmlflow_tracking_password = p\n"
    )
    assert find.must(URL).credentials.authorization == basic("u:p")


def test_a_service_of_the_hub_gets_the_servers_token_and_no_other(find: Find) -> None:
    found = find.must("http://hub.example/jh/services/tracking/", **HUB, MLFLOW_TRACKING_TOKEN="t")
    assert found.of_hub
    assert found.credentials.authorization == "Bearer of-the-hub"
    assert {"JUPYTERHUB_API_TOKEN", "JPY_API_TOKEN", "MLFLOW_TRACKING_TOKEN"} <= set(found.kept)
    assert "of-the-hub" not in repr(found)
    other = find.must("http://hub.example/services/tracking", **HUB)
    assert (other.of_hub, other.credentials.authorization) == (False, None)


@pytest.mark.parametrize(
    ("environment", "page"),
    [
        ({}, "/jh/services/tracking/"),
        (
            {
                "JUPYTERHUB_HOST": "https://hub.example",
                "JUPYTERHUB_PUBLIC_URL": "https://hub.example/user/jane/",
            },
            "/jh/services/tracking/",
        ),
        (
            {
                "JUPYTERHUB_HOST": "https://hub.example",
                "JUPYTERHUB_PUBLIC_URL": "https://jane.hub.example/user/jane/",
            },
            "http://127.0.0.1:10101/jh/services/tracking/",
        ),
    ],
)
def test_a_hub_has_its_pages_on_the_host_of_the_browser(
    find: Find, environment: Mapping[str, str], page: str
) -> None:
    found = find.must("http://127.0.0.1:10101/jh/services/tracking", **HUB, **environment)
    assert found.page == page


@pytest.mark.parametrize(
    "uri", ["ftp://x", "mlflow.example", "http://", "http://x?a=b", "http://x#a", "http://x y"]
)
def test_a_malformed_address_is_named(find: Find, uri: str) -> None:
    with pytest.raises(ConfigurationError, match="service_uri"):
        find(uri)


def test_a_password_in_the_address_is_refused_and_not_repeated(find: Find) -> None:
    with pytest.raises(ConfigurationError, match="MLFLOW_TRACKING_PASSWORD") as caught:
        find("https://jane:hidden@mlflow.example")
    assert "hidden" not in str(caught.value)


def test_contradictions_are_told(find: Find) -> None:
    with pytest.raises(ConfigurationError, match="exclude each other"):
        find(URL, MLFLOW_TRACKING_INSECURE_TLS="true", MLFLOW_TRACKING_SERVER_CERT_PATH="/ca.pem")
