"""SFTP on a real sshd: the contract, who is let in, and connections that get lost."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncssh
import pytest

from jupyter_tracking_server.artifact_stores.base import ArtifactStore, Part
from jupyter_tracking_server.artifact_stores.errors import BrokenRead, StoreUnavailable
from jupyter_tracking_server.artifact_stores.registry import UnusableDestination, open_store

from ..sshd import Sshd, sshd
from .contract import MEBIBYTE, ArtifactStoreContract, everything, get, noise, on_loop, pattern, put, put_part


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with sshd(tmp_path_factory.mktemp("sshd")) as server:
        yield server


@pytest.fixture
def server(running: Sshd, monkeypatch: pytest.MonkeyPatch) -> Sshd:
    monkeypatch.setenv("HOME", str(running.home))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return running


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "with space%" / "artifacts"


@pytest.fixture
def url(server: Sshd, root: Path) -> str:
    return server.url(Path(str(root).replace("%", "%25").replace(" ", "%20")))


@pytest.fixture
def store(url: str, root: Path) -> Iterator[ArtifactStore]:
    store = open_store(url)
    yield store
    asyncio.run(store.close())


class TestSftpStore(ArtifactStoreContract):
    """A folder behind sshd."""

    @pytest.fixture
    def open_another(self, store: ArtifactStore, url: str) -> Callable[[], ArtifactStore]:
        return lambda: open_store(url)


@on_loop
async def test_parts_are_put_together_on_the_server(store: ArtifactStore, root: Path) -> None:
    """Nothing is left of them, and their bytes need not come back here."""
    upload = await store.begin(("a",))
    contents = [noise(number, 20 * MEBIBYTE + number) for number in range(3)]
    parts: list[Part] = []
    for number, content in enumerate(contents, start=1):
        parts.append(await put_part(store, ("a",), upload, number, content))
    await store.complete(("a",), upload, parts)
    assert (root / "a").read_bytes() == b"".join(contents)
    assert list((root / ".uploads").iterdir()) == []
