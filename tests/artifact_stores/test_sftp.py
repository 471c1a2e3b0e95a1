"""SFTP on a real sshd: the contract, who is let in, and connections that get lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import asyncssh
import pytest

from jupyter_tracking_server.artifact_stores.base import ArtifactStore
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
    def open_another(self, url: str) -> Callable[[], ArtifactStore]:
        return lambda: open_store(url)


@on_loop
async def test_parts_are_put_together_on_the_server(store: ArtifactStore, root: Path) -> None:
    upload = await store.begin(("a",))
    contents = [noise(number, 20 * MEBIBYTE + number) for number in range(3)]
    parts = [
        await put_part(store, ("a",), upload, number, content)
        for number, content in enumerate(contents, start=1)
    ]
    await store.complete(("a",), upload, parts)
    assert (root / "a").read_bytes() == b"".join(contents)
    assert list((root / ".uploads").iterdir()) == []


@on_loop
async def test_uploads_and_downloads_outlive_lost_connections(
    store: ArtifactStore, server: Sshd, root: Path
) -> None:
    content = noise(1, 32 * MEBIBYTE)
    async with await store.create(("a",)) as upload:
        for start in range(0, len(content), MEBIBYTE):
            if start in {8 * MEBIBYTE, 20 * MEBIBYTE}:
                server.cut()
            await upload.write(content[start : start + MEBIBYTE])
        await upload.finish(len(content))
    assert (root / "a").read_bytes() == content
    got = []
    async with await store.read(("a",)) as download:
        async for chunk in download:
            got.append(chunk)
            if len(got) in {3, 9}:
                server.cut()
    assert b"".join(got) == content


@on_loop
async def test_a_read_that_is_cut_does_not_go_on_in_another_file(
    store: ArtifactStore, server: Sshd, root: Path
) -> None:
    await put(store, ("a",), noise(1, 32 * MEBIBYTE))
    async with await store.read(("a",)) as download:
        chunks = aiter(download)
        await anext(chunks)
        (root / "a").unlink()
        (root / "a").write_bytes(noise(2, 32 * MEBIBYTE + 1))
        server.cut()
        with pytest.raises(BrokenRead):
            await _exhaust(chunks)


async def _exhaust(chunks: AsyncIterator[bytes]) -> None:
    async for _ in chunks:
        pass


@on_loop
async def test_a_server_that_was_started_again_is_found(store: ArtifactStore, server: Sshd) -> None:
    await put(store, ("a",), b"x")
    server.stop()
    with pytest.raises(StoreUnavailable):
        await store.info(("a",))
    with pytest.raises(StoreUnavailable):
        await put(store, ("b",), pattern(3 * MEBIBYTE))
    server.start()
    assert await get(store, ("a",)) == b"x"
    await put(store, ("b",), b"y")
    assert await everything(store, ()) == [("a", 1), ("b", 1)]


@on_loop
async def test_it_opens_no_more_than_a_few_connections(store: ArtifactStore, server: Sshd) -> None:
    await asyncio.gather(*(put(store, (f"{number}",), pattern(2 * MEBIBYTE)) for number in range(40)))
    assert len(await everything(store, ())) == 40
    assert 1 <= server.connections() <= 4


def test_a_host_alias_of_the_ssh_configuration_is_understood(server: Sshd, root: Path) -> None:
    configuration = server.home / ".ssh" / "config"
    configuration.write_text(f"Host lab\n  HostName 127.0.0.1\n  Port {server.port}\n", encoding="utf-8")
    try:
        asyncio.run(open_store(f"sftp://lab{root.parent.parent}/alias").close())
    finally:
        configuration.unlink()
    assert (root.parent.parent / "alias").is_dir()


@pytest.mark.parametrize("known", ["nothing", "another"])
def test_a_host_whose_key_is_not_known_is_refused(server: Sshd, url: str, known: str) -> None:
    another = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()
    server.know(*([another] if known == "another" else []))
    try:
        with pytest.raises(UnusableDestination, match=f"ssh-keyscan -p {server.port} 127.0.0.1 >>"):
            open_store(url)
    finally:
        server.know(server.host_key)


def test_a_configuration_that_trusts_any_host_is_not_followed(server: Sshd, url: str) -> None:
    configuration = server.home / ".ssh" / "config"
    configuration.write_text("StrictHostKeyChecking no\nUserKnownHostsFile none\n", encoding="utf-8")
    try:
        with pytest.raises(UnusableDestination, match="host key"):
            open_store(url)
    finally:
        configuration.unlink()


def test_an_account_without_a_key_is_refused(server: Sshd, url: str) -> None:
    key = server.home / ".ssh" / "id_ed25519"
    hidden = key.rename(key.with_name("hidden"))
    try:
        with pytest.raises(UnusableDestination, match="ssh-copy-id"):
            open_store(url)
    finally:
        hidden.rename(key)


def test_a_password_in_the_url_is_refused_and_not_repeated() -> None:
    with pytest.raises(UnusableDestination, match="ssh-keygen") as caught:
        open_store("sftp://jane:hush@127.0.0.1/srv")
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "sftp://host",
        "sftp://host/",
        "sftp:///srv",
        "sftp://host:port/srv",
        "sftp://host/srv?x=y",
        "sftp://h/../s",
    ],
)
def test_a_wrong_url_is_refused(url: str) -> None:
    with pytest.raises(UnusableDestination, match="looks like"):
        open_store(url)


def test_a_folder_that_cannot_be_made_is_said(server: Sshd, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UnusableDestination, match="cannot be used"):
        open_store(server.url(tmp_path / "file" / "below"))
