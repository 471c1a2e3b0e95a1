"""Finds the tracking server.

It is, in this order:

1. the address that the caller gives;
2. ``MLFLOW_TRACKING_URI``, which Jupyter sets in the kernels that it starts;
3. a server of this user that is running: it says so in Jupyter's runtime folder, in a file
   ``jptracking-<pid>.json`` with ``url``, ``token``, ``pid``, ``kind`` and ``root_dir``. First comes the one
   whose ``root_dir`` is nearest above the current folder;
4. a server of our own, started now, which ends by itself when nobody has used it for ten minutes.
"""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from jupyter_core.paths import jupyter_runtime_dir

from ..protocol.errors import InvalidParameterValue
from . import credentials
from .client import TrackingClient
from .credentials import Credentials
from .transport import HttpRequest, RequestsTransport, Transport, Unreachable

IDLE_EXIT = 600
"""Seconds without a request after which a server of our own ends."""
START_TIMEOUT = 60.0

Kind = Literal["given", "environment", "embedded", "standalone", "local"]

_POSIX = os.name == "posix"


@dataclass(frozen=True)
class Server:
    """Where a server is.

    Attributes:
        token: None if the environment has the credentials, empty for none.
        certificate: the SHA-256 of the one by which it is known, in hex; "" to check it by authorities.
    """

    url: str
    kind: Kind
    token: str | None = field(default=None, repr=False)
    root_dir: str = ""
    certificate: str = ""


def connect(url: str | None = None) -> tuple[Server, TrackingClient]:
    """Find the server and make a client of it.

    Raises:
        InvalidParameterValue: the address is not one of an HTTP server.
        Unreachable: there is none, and none could be started.
    """
    server = find(url)
    if server.kind in {"given", "environment"}:
        return server, TrackingClient(transport(server))
    # A server that was found may end and come back elsewhere; one that was named stays where it is.
    return server, TrackingClient(transport(server), find=lambda: transport(find(url)))


def transport(server: Server) -> Transport:
    """How to reach a server."""
    return RequestsTransport(server.url, _credentials(server))


def find(url: str | None = None, environment: Mapping[str, str] = os.environ) -> Server:
    """The server to use; one is started if there is none."""
    if url:
        return Server(_checked(url, "The tracking URI"), "given")
    if named := environment.get("MLFLOW_TRACKING_URI"):
        return Server(_checked(named, "MLFLOW_TRACKING_URI"), "environment")
    for server in running(Path(jupyter_runtime_dir()), Path.cwd()):
        if _answers(server):
            return server
    return start_local()


def running(runtime_dir: Path, folder: Path) -> list[Server]:
    """The servers that say that they run, the best one for ``folder`` first."""
    found = [server for path in runtime_dir.glob("jptracking-*.json") if (server := read_runtime_file(path))]
    return sorted(found, key=lambda server: (-_nearness(server, folder), server.kind == "local"))


def read_runtime_file(path: Path) -> Server | None:
    """What a runtime file says; None if it is not ours alone, not readable, or its process has ended."""
    try:
        if not _is_private(path.lstat()):
            return None
        found = json.loads(path.read_text(encoding="utf-8"))
        if not _is_alive(int(found["pid"])):
            return None
        token = found.get("token", "")
        token = None if token is None else str(token)
        root_dir, certificate = (str(found.get(name) or "") for name in ("root_dir", "certificate"))
        return Server(str(found["url"]).rstrip("/"), found["kind"], token, root_dir, certificate)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def start_local() -> Server:
    """Start a server of our own, which outlives this process, and wait until it says where it is.

    Raises:
        Unreachable: it ended, or took too long.
    """
    folder = Path(jupyter_runtime_dir())
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    log = folder / "jptracking-local.log"
    command = [sys.executable, "-m", "jupyter_tracking_server", "server", "--local"]
    log.touch(mode=0o600)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--idle-exit", str(IDLE_EXIT)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=folder,
        )
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline and process.poll() is None:
        server = read_runtime_file(folder / f"jptracking-{process.pid}.json")
        if server is not None and _answers(server):
            process.returncode = 0  # it outlives us: nobody waits for it, and Popen need not warn of that
            return server
        time.sleep(0.05)
    raise Unreachable(f"No tracking server is running and none could be started; see {log}.", lasting=True)


def _checked(url: str, name: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidParameterValue(
            f"{name} is {url!r}, which only mlflow itself can open; give the http(s) address of a server."
        )
    return url.rstrip("/")


def _is_private(status: os.stat_result) -> bool:
    """Whether a file is a plain one that only its owner, this user, can read or write."""
    if not stat.S_ISREG(status.st_mode):
        return False
    return not _POSIX or (status.st_uid == os.getuid() and not status.st_mode & 0o077)


def _is_alive(pid: int) -> bool:
    """Whether a process is there. Not asked on Windows, where the question would interrupt it."""
    if not _POSIX:
        return True
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


def _nearness(server: Server, folder: Path) -> int:
    """How deep a root folder lies, if ``folder`` is inside it; 0 if not."""
    root = Path(server.root_dir or "/nowhere").resolve()
    return len(root.parts) if folder.resolve().is_relative_to(root) else 0


def _credentials(server: Server) -> Credentials:
    if server.token is None:
        found = credentials.from_environment()
    else:
        found = credentials.bearer(server.token) if server.token else Credentials()
    return replace(found, certificate=server.certificate) if server.certificate else found


def _answers(server: Server) -> bool:
    quick = RequestsTransport(server.url, _credentials(server), {"MLFLOW_HTTP_REQUEST_TIMEOUT": "3"})
    try:
        with quick.send(HttpRequest("GET", "health")) as reply:
            return reply.status == 200
    except Unreachable:
        return False
