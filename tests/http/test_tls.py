"""The standalone server with TLS: its own certificate, those of clients, and who trusts what."""

from __future__ import annotations

import http.client
import json
import ssl
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from jupyter_tracking.client.session import Server as Found
from jupyter_tracking.client.session import read_runtime_file, transport
from jupyter_tracking.client.transport import HttpRequest, Unreachable
from tests.accounts import PASSWORD, Accounts
from tests.certificates import Authority, make_authority
from tests.servers import Server, free_port, jupyter_environment, start_standalone

WHOAMI = "api/2.0/jupyter-tracking/whoami"
PROGRAM = (sys.executable, "-m", "jupyter_tracking_server")
ENCRYPTED = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"


@dataclass(frozen=True)
class Site:
    server: Server
    authority: Authority
    folder: Path

    def ask(self, path: str = WHOAMI, certificate: Path | None = None, **more: str) -> requests.Response:
        """A request by a client that trusts the authority."""
        return requests.get(
            f"{self.server.url}/{path}",
            verify=str(self.authority.ca),
            cert=None if certificate is None else str(certificate),
            headers=more,
            timeout=60,
        )

    def found(self) -> Found:
        """The server as a client on this machine finds it."""
        (path,) = (self.folder / "runtime").glob("jptracking-*.json")
        found = read_runtime_file(path)
        assert found is not None
        return found


def started(folder: Path, *options: str) -> Site:
    authority = make_authority(folder / "authority")
    certificate, key = authority.server()
    accounts = Accounts(folder / "commands", f"sqlite:///{folder / 'tracking.db'}")
    accounts.migrate()
    accounts.create("jane", groups=("lab",))
    given = [
        "--certfile",
        str(certificate),
        "--keyfile",
        str(key),
        "--client-ca",
        str(authority.ca),
        *options,
    ]
    return Site(start_standalone(folder, auth="users", options=given, ca=authority.ca), authority, folder)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    found = started(tmp_path_factory.mktemp("tls"))
    with found.server:
        yield found


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    found = started(tmp_path_factory.mktemp("strict"), "--client-certificates", "required")
    with found.server:
        yield found


def test_a_certificate_signs_its_user_in(site: Site) -> None:
    for _ in range(2):
        said = site.ask(certificate=site.authority.client("jane")).json()
        assert (said["user"], said["how"], said["groups"]) == ("jane", "certificate", ["lab"])


def test_without_a_name_the_mail_address_is_the_user(site: Site) -> None:
    Accounts(site.folder / "commands", f"sqlite:///{site.folder / 'tracking.db'}").create(
        "joe@x.example", None
    )
    certificate = site.authority.client(None, "joe@x.example")
    assert site.ask(certificate=certificate).json()["user"] == "joe@x.example"


def test_a_certificate_of_nobody_is_refused_in_plain_words(site: Site) -> None:
    refused = site.ask(certificate=site.authority.client("nobody"))
    assert refused.status_code == 401
    assert "'nobody', who has no account here" in refused.json()["message"]
    unnamed = site.ask(certificate=site.authority.client(None))
    assert unnamed.status_code == 401
    assert "names no user" in unnamed.json()["message"]


def test_one_of_another_authority_ends_the_connection(site: Site, tmp_path: Path) -> None:
    foreign = make_authority(tmp_path).client("jane")
    with pytest.raises(requests.ConnectionError) as caught:
        site.ask(certificate=foreign)
    # The client may still be sending when it ends; then it sees the end, and not always the alert before it.
    assert "SSL" in str(caught.value) or "reset" in str(caught.value)
    assert site.ask(certificate=site.authority.client("jane")).json()["user"] == "jane"


def test_what_is_sent_on_purpose_goes_before_the_certificate(site: Site) -> None:
    jane = site.authority.client("jane")
    assert site.ask(certificate=jane, Authorization="Bearer jt_unknown").status_code == 401
    site_of_others = {"Sec-Fetch-Site": "cross-site"}
    assert site.ask(certificate=jane, **site_of_others).status_code == 403


def test_where_one_is_required_it_is_asked_of_everybody(strict: Site) -> None:
    assert strict.ask("health").status_code == 200
    basic = requests.auth._basic_auth_str("jane", PASSWORD)
    refused = strict.ask(Authorization=basic)
    assert refused.status_code == 401
    assert "MLFLOW_TRACKING_CLIENT_CERT_PATH" in refused.json()["message"]
    jane = strict.authority.client("jane")
    assert strict.ask(certificate=jane).json()["how"] == "certificate"
    assert strict.ask(certificate=jane, Authorization=basic).json()["how"] == "password"


def test_clients_of_this_machine_know_the_certificate(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    found = site.found()
    assert found.url == site.server.url.replace("http:", "https:")
    assert len(found.certificate) == 64
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "jane")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", PASSWORD)
    with transport(found).send(HttpRequest("GET", WHOAMI)) as reply:
        assert json.loads(reply.read())["user"] == "jane"
    # Another certificate, even of an authority that the system trusts, is not the server's.
    impostor = Found(found.url, found.kind, None, "", "0" * 64)
    with pytest.raises(Unreachable, match="cannot be checked"):
        transport(impostor).send(HttpRequest("GET", "health"))


def test_old_protocols_are_not_spoken(site: Site) -> None:
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.load_verify_locations(site.authority.ca)
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    port = int(site.server.url.rpartition(":")[2])
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=old, timeout=30)
    with pytest.raises(ssl.SSLError):
        connection.request("GET", "/health")
    connection.close()


def test_the_doctor_finds_a_server_with_tls(site: Site) -> None:
    places = ["--backend-store-uri", f"sqlite:///{site.folder / 'tracking.db'}"]
    places += ["--artifacts-destination", str(site.folder / "artifacts")]
    checked = subprocess.run(
        [*PROGRAM, "doctor", "--url", site.server.url, *places],
        env={
            **jupyter_environment(site.folder / "doctor"),
            "MLFLOW_TRACKING_SERVER_CERT_PATH": str(site.authority.ca),
            "MLFLOW_TRACKING_USERNAME": "jane",
            "MLFLOW_TRACKING_PASSWORD": PASSWORD,
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert f"The server at {site.server.url} is healthy" in checked.stdout
    assert "It lets this client in" in checked.stdout


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--certfile", "nothing.pem"], "--certfile nothing.pem cannot be read: No such file"),
        (["--certfile", "server.pem"], "server.pem holds no key in PEM form; name the file that does"),
        (["--certfile", "server.pem", "--keyfile", "nothing"], "--keyfile nothing cannot be read"),
        (
            ["--certfile", "server.pem", "--keyfile", "other.key"],
            "is not that of the certificate in server.pem",
        ),
        (["--certfile", "server.pem", "--keyfile", "encrypted.key"], "is encrypted"),
        (["--certfile", "server.key", "--keyfile", "server.key"], "server.key holds no certificate"),
        (["--keyfile", "server.key"], "--keyfile needs --certfile"),
        (["--client-ca", "ca.pem"], "--client-ca needs --certfile"),
        (["--client-certificates", "required"], "required needs --certfile and --client-ca"),
        (
            ["--certfile", "server.pem", "--keyfile", "server.key", "--client-certificates", "required"],
            "required needs --client-ca",
        ),
        (
            ["--certfile", "server.pem", "--keyfile", "server.key", "--client-ca", "server.key"],
            "--client-ca server.key holds no certificate",
        ),
        (
            [
                "--certfile",
                "server.pem",
                "--keyfile",
                "server.key",
                "--client-ca",
                "ca.pem",
                "--auth",
                "token",
            ],
            "needs --auth users",
        ),
        (["--proxy-user-header", "X-User"], "needs --trusted-proxies"),
        (["--trusted-proxies", "10.0.0.1"], "need --proxy-user-header"),
        (["--proxy-user-header", "X-User", "--trusted-proxies", "10.*"], "neither an address nor a network"),
        (["--proxy-user-header", "X-User", "--trusted-proxies", "::/0"], "every machine be any user"),
        (["--proxy-user-header", "X User", "--trusted-proxies", "::1"], "is not the name of a header"),
        (["--host", "0.0.0.0", "--auth", "none"], "Use --auth token, or --host 127.0.0.1, or say --insecure"),
    ],
)
def test_what_does_not_fit_is_said_at_the_start(tmp_path: Path, options: list[str], said: str) -> None:
    make_authority(tmp_path).server()
    make_authority(tmp_path / "other").server()[1].rename(tmp_path / "other.key")
    (tmp_path / "encrypted.key").write_text(ENCRYPTED)
    ended = subprocess.run(
        [*PROGRAM, "server", "--auth", "users", "--port", str(free_port()), *options],
        cwd=tmp_path,
        env=jupyter_environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 2, ended.stderr
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr
