"""Jupyter Servers that stand for a service elsewhere, and what their kernels see."""

from __future__ import annotations

import contextlib
import json
import os
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.servers import START_TIMEOUT, Server, ServerDiedError, log_tail, start_embedded


@dataclass(frozen=True)
class Relay(Server):
    """A Jupyter Server; ``token`` is the one that its kernels get, ``jupyter_token`` Jupyter's own."""

    jupyter_token: str = ""

    def __enter__(self) -> Relay:
        return self


def start_relay(
    folder: Path,
    service: str,
    *,
    variables: Mapping[str, str] | None = None,
    options: Sequence[str] = (),
) -> Relay:
    """Start a Jupyter Server that relays to a service.

    Args:
        folder: holds the user's home and Jupyter's folders.
        service: its tracking URI.
        variables: by which Jupyter proves to it who asks.
        options: further flags of `jupyter server`.
    """
    environment = {"JUPYTER_TRACKING_SERVICE_URI": service, **(variables or {})}
    server = start_embedded(folder, variables=environment, options=options)
    try:
        token, jupyter_token = _kernel_token(server, folder), server.token or ""
        return Relay(server.url, server.process, server.log, token, jupyter_token)
    except BaseException:
        server.kill()
        raise


def _kernel_token(server: Server, folder: Path) -> str:
    path = folder / "runtime" / f"jptracking-{server.pid}.json"
    deadline = time.monotonic() + START_TIMEOUT
    while not path.exists():
        if time.monotonic() > deadline:
            raise ServerDiedError(f"no runtime file\n{log_tail(server.log)}")
        time.sleep(0.02)
    token: str = json.loads(path.read_text())["token"]
    return token


@contextlib.contextmanager
def kernel_of(server: Relay) -> Iterator[dict[str, str]]:
    """A kernel that the server starts, for the length of a `with` block; its environment at its start."""
    root = server.url.removesuffix("tracking")
    headers = {"Authorization": f"Bearer {server.jupyter_token}", "Content-Type": "application/json"}
    start = urllib.request.Request(f"{root}api/kernels", b"{}", headers, method="POST")
    with urllib.request.urlopen(start, timeout=60) as reply:
        kernel = json.load(reply)["id"]
    try:
        yield _environment_of(kernel, server.pid)
    finally:
        stop = urllib.request.Request(f"{root}api/kernels/{kernel}", headers=headers, method="DELETE")
        urllib.request.urlopen(stop, timeout=60).close()


def _environment_of(kernel: str, parent: int) -> dict[str, str]:
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdigit() and kernel in (entry / "cmdline").read_text():
                    found = environment_at_start(int(entry.name))
                    if found.get("JPY_PARENT_PID") == str(parent):
                        return found
        time.sleep(0.02)
    raise ServerDiedError("the kernel is not there")


def environment_at_start(pid: int) -> dict[str, str]:
    """What ``/proc`` shows of a process's environment."""
    text = os.fsdecode(Path(f"/proc/{pid}/environ").read_bytes())
    return dict(entry.split("=", 1) for entry in text.split("\0") if "=" in entry)
