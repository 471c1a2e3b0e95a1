"""Each way in which stock clients present themselves, against a server of ours with TLS and accounts."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests

from tests.accounts import PASSWORD, Accounts
from tests.certificates import Authority, make_authority
from tests.compat.environments import ROOT, program
from tests.servers import Server, jupyter_environment, start_standalone

CLIENTS = ["mlflow3", "mlflow2"]
BASIC = {"MLFLOW_TRACKING_USERNAME": "jane", "MLFLOW_TRACKING_PASSWORD": PASSWORD}
PLUGIN = """
import os
from mlflow.tracking.request_auth.abstract_request_auth_provider import RequestAuthProvider
from mlflow.tracking.request_header.abstract_request_header_provider import RequestHeaderProvider


class Auth(RequestAuthProvider):
    def get_name(self):
        return "of_a_test"

    def get_auth(self):
        def sign(request):
            request.headers["Authorization"] = "token " + os.environ["SECRET"]
            return request
        return sign


class Headers(RequestHeaderProvider):
    def in_context(self):
        return "SECRET_HEADER" in os.environ

    def request_headers(self):
        return {"Authorization": "Bearer " + os.environ["SECRET_HEADER"]}
"""
ENTRY_POINTS = """
[mlflow.request_auth_provider]
of_a_test = plugin_of_a_test:Auth
[mlflow.request_header_provider]
of_a_test = plugin_of_a_test:Headers
"""

# Making the clients' environments takes minutes once.
pytestmark = [pytest.mark.peer, pytest.mark.slow, pytest.mark.timeout(1800)]


@dataclass(frozen=True)
class Site:
    server: Server
    authority: Authority
    token: str
    accounts: Accounts

    def url(self, user: str = "", password: str = "") -> str:
        """The tracking URI, perhaps with user-info."""
        return (
            self.server.url.replace("//", f"//{user}:{quote(password, safe='')}@")
            if user
            else self.server.url
        )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    authority = make_authority(folder / "authority")
    certificate, key = authority.server()
    options = ["--certfile", str(certificate), "--keyfile", str(key), "--client-ca", str(authority.ca)]
    with start_standalone(folder, auth="users", options=options, ca=authority.ca) as server:
        accounts = Accounts(folder / "commands", f"sqlite:///{folder / 'tracking.db'}")
        accounts.create("jane")
        accounts.create("root", admin=True)
        yield Site(server, authority, accounts.token("jane"), accounts)


def python(client: str, site: Site, folder: Path, script: list[str], given: Mapping[str, str]) -> Any:
    """The last line that a script prints, run by a stock client's interpreter."""
    environment = {
        **jupyter_environment(folder),
        "MLFLOW_TRACKING_URI": site.server.url,
        "MLFLOW_TRACKING_SERVER_CERT_PATH": str(site.authority.ca),
        **given,
    }
    done = subprocess.run(
        [str(program(client, "python")), *script],
        cwd=ROOT,
        env={name: value for name, value in environment.items() if value},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


def log(client: str, site: Site, folder: Path, given: Mapping[str, str]) -> dict[str, Any]:
    """A run with a metric and an artifact, logged and read back."""
    said: dict[str, Any] = python(client, site, folder, ["-m", "tests.compat.client_sign_in"], given)
    return said


def with_plugin(folder: Path) -> str:
    """A folder for PYTHONPATH in which the plug-ins are installed."""
    place = folder / "plugins"
    described = place / "plugin_of_a_test-1.dist-info"
    described.mkdir(parents=True)
    (place / "plugin_of_a_test.py").write_text(PLUGIN)
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: plugin-of-a-test\nVersion: 1\n")
    (described / "entry_points.txt").write_text(ENTRY_POINTS)
    return str(place)


WAYS = ["password", "file", "token", "plugin", "header", "insecure", "certificate", "user-info"]


def given_by(way: str, site: Site, folder: Path) -> dict[str, str]:
    """The variables of a way to sign in; it may also write files."""
    if way == "file":
        credentials = folder / "home" / ".mlflow" / "credentials"
        credentials.parent.mkdir(parents=True)
        lines = f"mlflow_tracking_username = jane\nmlflow_tracking_password = {PASSWORD}\n"
        credentials.write_text(f"[mlflow]\n{lines}")
        return {}
    if way in {"plugin", "header"}:
        secret = {"SECRET": site.token, "MLFLOW_TRACKING_AUTH": "of_a_test"}
        return {
            "PYTHONPATH": with_plugin(folder),
            **(secret if way == "plugin" else {"SECRET_HEADER": site.token}),
        }
    if way == "insecure":
        return {**BASIC, "MLFLOW_TRACKING_SERVER_CERT_PATH": "", "MLFLOW_TRACKING_INSECURE_TLS": "true"}
    return {
        "password": BASIC,
        "token": {"MLFLOW_TRACKING_TOKEN": site.token},
        "certificate": {"MLFLOW_TRACKING_CLIENT_CERT_PATH": str(site.authority.client("jane"))},
        "user-info": {"MLFLOW_TRACKING_URI": site.url("jane", PASSWORD)},
    }[way]


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("way", WAYS)
def test_a_run_is_logged_and_read(client: str, way: str, site: Site, tmp_path: Path) -> None:
    said = log(client, site, tmp_path, given_by(way, site, tmp_path))
    said.pop("seconds")
    assert said == {"user": "jane", "tag": "jane", "loss": 0.5, "text": "some bytes"}


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({**BASIC, "MLFLOW_TRACKING_PASSWORD": "wrong"}, "The user name or the password is wrong"),
        ({"MLFLOW_TRACKING_TOKEN": "jt_wrong"}, "This token is not known here"),
        ({}, "This server wants a credential that it knows"),
        ({"MLFLOW_TRACKING_CLIENT_CERT_PATH": "nobody"}, "'nobody', who has no account here"),
    ],
)
def test_a_wrong_one_is_said_at_once(given: dict[str, str], text: str, site: Site, tmp_path: Path) -> None:
    if "MLFLOW_TRACKING_CLIENT_CERT_PATH" in given:
        given = {"MLFLOW_TRACKING_CLIENT_CERT_PATH": str(site.authority.client("nobody"))}
    # With the client's own many retries, none of which may be wasted on this.
    said = log("mlflow3", site, tmp_path, given)
    assert text in said["error"]
    assert said["seconds"] < 20


def test_even_after_many_wrong_passwords_nobody_waits(site: Site, tmp_path: Path) -> None:
    site.accounts.create("typist")
    for _ in range(10):
        refused = requests.get(
            f"{site.server.url}/api/2.0/jupyter-tracking/whoami",
            auth=("typist", "wrong password"),
            verify=str(site.authority.ca),
            timeout=60,
        )
        assert refused.status_code == 401
    given = {"MLFLOW_TRACKING_USERNAME": "typist", "MLFLOW_TRACKING_PASSWORD": "wrong password"}
    said = log("mlflow3", site, tmp_path, given)
    assert "Too many wrong passwords for 'typist'" in said["error"]
    assert said["seconds"] < 20


def test_tls_that_fails_is_said(site: Site, tmp_path: Path) -> None:
    """The client takes it for a network that may come back, and tries for minutes unless told not to."""
    foreign = make_authority(tmp_path / "foreign").client("jane")
    once = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
    certificate = log(
        "mlflow3", site, tmp_path / "a", {**once, "MLFLOW_TRACKING_CLIENT_CERT_PATH": str(foreign)}
    )
    # By what comes first: the server's alert "unknown ca", or the end of the connection.
    assert "sslerror" in certificate["error"].lower()
    unchecked = log(
        "mlflow3", site, tmp_path / "b", {**once, **BASIC, "MLFLOW_TRACKING_SERVER_CERT_PATH": ""}
    )
    assert "certificate verify failed" in unchecked["error"].lower().replace("_", " ")


ACCOUNTS = """
import json
import mlflow
from tests.compat.client_rights import auth_client
client = auth_client()
name = "made by " + mlflow.__version__
made = client.create_user(name, "a password of theirs")
client.update_user_password(name, "another password")
client.update_user_admin(name, True)
found = client.get_user(name)
client.delete_user(name)
try:
    client.get_user(name)
    gone = ""
except Exception as error:
    gone = str(error)
print(json.dumps([made.username, made.is_admin, found.username, found.is_admin, gone]))
"""


@pytest.mark.parametrize("client", CLIENTS)
def test_the_client_of_basic_auth_keeps_accounts(client: str, site: Site, tmp_path: Path) -> None:
    version = {"mlflow3": "3.17.2", "mlflow2": "2.16.2"}[client]
    given = {**BASIC, "MLFLOW_TRACKING_USERNAME": "root"}
    said = python(client, site, tmp_path, ["-c", ACCOUNTS], given)
    name = f"made by {version}"
    assert said[:4] == [name, False, name, True]
    assert said[4].startswith("RESOURCE_DOES_NOT_EXIST")


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize(
    ("agent", "authorization", "how"),
    [
        # httr's authenticate() and OkHttp's or HttpClient's ways to write the same things.
        ("R", basic("jane", PASSWORD), "password"),
        ("R", "Bearer {token}", "token"),
        ("mlflow-java-client/3.17.2", basic("jane", PASSWORD), "password"),
        ("mlflow-java-client/3.17.2", "Bearer {token}", "token"),
        ("curl", basic("jane", PASSWORD).replace("Basic", "basic"), "password"),
        ("curl", "token {token}", "token"),
    ],
)
def test_headers_of_r_and_java(agent: str, authorization: str, how: str, site: Site) -> None:
    reply = requests.get(
        f"{site.server.url}/api/2.0/jupyter-tracking/whoami",
        headers={"User-Agent": agent, "Authorization": authorization.format(token=site.token)},
        verify=str(site.authority.ca),
        timeout=60,
    )
    assert reply.status_code == 200, reply.text
    assert (reply.json()["user"], reply.json()["how"]) == ("jane", how)
