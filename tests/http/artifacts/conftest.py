"""A server, and a run in it whose artifacts a test may treat as it likes."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests

from tests.servers import Server, start_standalone

MEBIBYTE = 2**20
PROXY = "/api/2.0/mlflow-artifacts/artifacts/"


class Artifacts:
    """A server, one run in it, and its artifacts as a client reaches them."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server = server
        self.folder = folder
        self.session = requests.Session()
        self.session.headers.update(server.headers)
        self.experiment = self.call("experiments/create", name=f"e{time.monotonic_ns()}")["experiment_id"]
        self.run = self.call("runs/create", experiment_id=self.experiment)["run"]["info"]["run_id"]
        self.root = f"{self.experiment}/{self.run}/artifacts"

    def call(self, path: str, **body: object) -> Any:
        reply = self.session.post(f"{self.server.url}/api/2.0/mlflow/{path}", json=body, timeout=30)
        assert reply.status_code == 200, reply.text
        return reply.json()

    def url(self, name: str, proxy: str = PROXY) -> str:
        return f"{self.server.url}{proxy}{quote(f'{self.root}/{name}')}"

    def path(self, name: str) -> Path:
        return self.folder / self.root / name

    def put(self, name: str, content: bytes) -> None:
        reply = self.session.put(self.url(name), data=content, timeout=30)
        assert (reply.status_code, reply.text) == (200, "{}")

    def files(self) -> set[str]:
        """Everything that the store holds, uploads too."""
        return {str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file()}


def wait_until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)


def pattern(size: int) -> bytes:
    return b"".join(number.to_bytes(8, "big") for number in range(-(-size // 8)))[:size]


def open_files(server: Server) -> list[str]:
    """What the server has open below its artifacts."""
    found = []
    for link in Path(f"/proc/{server.pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found.append(str(link.readlink()))
    return [name for name in found if "/artifacts/" in name]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with start_standalone(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture
def artifacts(server: Server) -> Iterator[Artifacts]:
    found = Artifacts(server, server.log.parent / "artifacts")
    yield found
    found.session.close()
