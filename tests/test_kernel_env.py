"""Where kernels are told to find the embedded server, for each way in which Jupyter may listen."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_tracking_server.kernel_env import (
    IN_PARTS,
    IN_PARTS_FROM,
    MARK,
    Endpoint,
    KernelEnvironment,
    Listener,
    find_endpoint,
)

NAMES = (
    "MLFLOW_TRACKING_URI",
    "MLFLOW_TRACKING_TOKEN",
    "MLFLOW_TRACKING_SERVER_CERT_PATH",
    MARK,
    IN_PARTS,
    IN_PARTS_FROM,
)
OURS = "http://127.0.0.1:8888/tracking"


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


def seen() -> dict[str, str]:
    return {name: os.environ[name] for name in NAMES if name in os.environ}


@pytest.mark.parametrize(
    ("ip", "origin"),
    [
        ("127.0.0.1", "http://127.0.0.1:8888"),
        ("localhost", "http://localhost:8888"),
        ("0.0.0.0", "http://127.0.0.1:8888"),
        ("", "http://127.0.0.1:8888"),
        ("*", "http://127.0.0.1:8888"),
        ("::", "http://[::1]:8888"),
        ("::1", "http://[::1]:8888"),
        ("10.1.2.3", "http://10.1.2.3:8888"),
        ("node7.example", "http://node7.example:8888"),
    ],
)
def test_the_address_is_one_that_this_machine_reaches(ip: str, origin: str) -> None:
    assert find_endpoint(Listener(ip, 8888, tls=False)) == Endpoint(origin)


def test_kernels_get_the_address_and_a_token_until_the_server_stops() -> None:
    environment = KernelEnvironment(OURS, "secret")
    assert environment.set()
    assert seen() == {"MLFLOW_TRACKING_URI": OURS, "MLFLOW_TRACKING_TOKEN": "secret", MARK: OURS}
    environment.unset()
    environment.unset()
    assert seen() == {}


@pytest.mark.parametrize(
    ("certificate", "direct", "advice"),
    [
        ("", False, {}),
        ("/etc/ca.pem", False, {IN_PARTS: "false"}),
        ("", True, {IN_PARTS: "true", IN_PARTS_FROM: "104857600"}),
        ("/etc/ca.pem", True, {IN_PARTS: "true", IN_PARTS_FROM: "104857600"}),
    ],
)
def test_big_files_go_in_parts_where_that_helps(
    certificate: str, direct: bool, advice: dict[str, str]
) -> None:
    environment = KernelEnvironment(OURS, "secret", certificate, direct_parts=direct)
    assert environment.set()
    assert {name: seen()[name] for name in (IN_PARTS, IN_PARTS_FROM) if name in seen()} == advice
    environment.unset()
    assert seen() == {}


def test_what_the_user_says_of_parts_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(IN_PARTS_FROM, "5")
    environment = KernelEnvironment(OURS, "secret", direct_parts=True)
    assert environment.set()
    assert (seen()[IN_PARTS], seen()[IN_PARTS_FROM]) == ("true", "5")
    environment.unset()
    assert (seen().get(IN_PARTS), seen()[IN_PARTS_FROM]) == (None, "5")


def test_a_users_own_server_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://tracking.example")
    environment = KernelEnvironment(OURS, "secret")
    assert not environment.set()
    environment.unset()
    assert seen() == {"MLFLOW_TRACKING_URI": "https://tracking.example"}


def test_what_another_jupyter_server_set_is_not_the_users_own(monkeypatch: pytest.MonkeyPatch) -> None:
    outer = {"MLFLOW_TRACKING_URI": "http://127.0.0.1:1/tracking", "MLFLOW_TRACKING_TOKEN": "outer"}
    for name, value in {**outer, MARK: outer["MLFLOW_TRACKING_URI"]}.items():
        monkeypatch.setenv(name, value)
    environment = KernelEnvironment(OURS, "secret")
    assert environment.set()
    assert seen()["MLFLOW_TRACKING_TOKEN"] == "secret"
    environment.unset()
    assert seen()["MLFLOW_TRACKING_TOKEN"] == "outer"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Self-signed certificates (with their keys in the same file) for some names."""
    folder = tmp_path_factory.mktemp("certificates")
    made = {}
    for name, alternative in {
        "ip": "IP:127.0.0.1",
        "name": "DNS:localhost",
        "other": "DNS:h.example",
    }.items():
        made[name] = folder / f"{name}.pem"
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=x"]
        key = folder / f"{name}.key"
        files = ["-keyout", str(key), "-out", str(made[name]), "-addext", f"subjectAltName={alternative}"]
        subprocess.run([*command, *files], check=True, capture_output=True)
        made[name].write_text(key.read_text() + made[name].read_text())
    return made


@pytest.fixture
def tls_port(certificates: dict[str, Path], request: pytest.FixtureRequest) -> Iterator[int]:
    """The port of a server that shakes hands and says nothing, with the certificate asked for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates[request.param])
    listening = socket.create_server(("127.0.0.1", 0))

    def shake_hands() -> None:
        while True:
            try:
                plain, _ = listening.accept()
            except OSError:
                return
            try:
                context.wrap_socket(plain, server_side=True).close()
            except OSError:
                plain.close()

    thread = threading.Thread(target=shake_hands)
    thread.start()
    yield listening.getsockname()[1]
    # Closing alone does not wake a thread that waits in accept.
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()
    thread.join()


@pytest.mark.parametrize(
    ("tls_port", "host"), [("ip", "127.0.0.1"), ("name", "localhost")], indirect=["tls_port"]
)
def test_with_tls_the_name_is_one_of_the_certificates(
    tls_port: int, host: str, certificates: dict[str, Path], request: pytest.FixtureRequest
) -> None:
    certificate = str(certificates["ip" if host == "127.0.0.1" else "name"])
    found = find_endpoint(Listener("127.0.0.1", tls_port, tls=True, certificate=certificate))
    assert found == Endpoint(f"https://{host}:{tls_port}", certificate)


@pytest.mark.parametrize("tls_port", ["other"], indirect=True)
def test_without_a_name_in_the_certificate_there_is_no_address(
    tls_port: int, certificates: dict[str, Path]
) -> None:
    listener = Listener("127.0.0.1", tls_port, tls=True, certificate=str(certificates["other"]))
    assert find_endpoint(listener) is None


@pytest.mark.parametrize("tls_port", ["ip"], indirect=True)
def test_a_certificate_that_nobody_trusts_is_no_address(tls_port: int) -> None:
    assert find_endpoint(Listener("127.0.0.1", tls_port, tls=True)) is None


def test_clients_must_trust_the_certificate_that_is_told() -> None:
    environment = KernelEnvironment("https://localhost:1/tracking", "secret", "/c.pem")
    assert environment.set()
    assert seen()["MLFLOW_TRACKING_SERVER_CERT_PATH"] == "/c.pem"
    environment.unset()
    assert "MLFLOW_TRACKING_SERVER_CERT_PATH" not in os.environ
