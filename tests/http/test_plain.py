"""Health, version, capabilities and the landing page: open to anybody, by a name of the server's."""

from __future__ import annotations

import pytest

from jupyter_tracking.protocol import API_VERSION
from tests.http.conftest import Client


def test_health(standalone: Client) -> None:
    answer = standalone.anonymous("GET", "/health")
    assert (answer.status, answer.body) == (200, b"OK")
    assert answer.headers["content-type"].startswith("text/plain")


def test_version_is_bare_text(standalone: Client) -> None:
    answer = standalone.anonymous("GET", "/version")
    assert (answer.status, answer.body.decode()) == (200, API_VERSION)
    assert answer.headers["content-type"].startswith("text/plain")
    # A client takes 3.4 as a promise of /v1/traces.
    assert tuple(map(int, API_VERSION.split(".")))[:2] < (3, 4)


@pytest.mark.parametrize("prefix", ["api", "ajax-api"])
def test_server_info_promises_parts_up_and_none_down(prefix: str, standalone: Client) -> None:
    answer = standalone.anonymous("GET", f"/{prefix}/3.0/mlflow/server-info")
    info = answer.json()
    assert info["store_type"] == "SqlStore"
    assert info["multipart_uploads_enabled"] is True
    assert info["multipart_downloads_enabled"] is False
    assert info["workspaces_enabled"] is False


def test_the_root_says_what_this_is_to_programs_and_people(standalone: Client) -> None:
    assert standalone.anonymous("GET", "/").json()["api_version"] == API_VERSION
    page = standalone.anonymous("GET", "/", Accept="text/html,*/*")
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["content-security-policy"] == "default-src 'none'"
    assert b"<h1>" in page.body


def test_replies_tell_browsers_not_to_guess_and_not_to_keep(standalone: Client) -> None:
    for path in ("/health", "/api/2.0/mlflow/runs/get", "/nothing"):
        headers = standalone.anonymous("GET", path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert "server" not in headers
        assert "access-control-allow-origin" not in headers
