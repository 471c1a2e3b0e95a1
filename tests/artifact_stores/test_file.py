"""The local folder: the contract, and what only files have: links, pipes, leftovers, a full disk."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jupyter_tracking_server.artifact_stores.errors import BrokenRead, NoSuchArtifact, StoreFull
from jupyter_tracking_server.artifact_stores.file import FileStore
from jupyter_tracking_server.artifact_stores.file_tree import UPLOADS
from jupyter_tracking_server.artifact_stores.registry import UnusableDestination, open_store

from .contract import MEBIBYTE, ArtifactStoreContract, everything, get, on_loop, pattern, put


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "artifacts"


@pytest.fixture
def store(root: Path) -> Iterator[FileStore]:
    store = FileStore(root)
    yield store
    asyncio.run(store.close())
    assert list((root / UPLOADS).iterdir()) == []


@pytest.fixture
def open_another(root: Path) -> Callable[[], FileStore]:
    return lambda: FileStore(root)


class TestFileStore(ArtifactStoreContract):
    """A folder."""


class TestFileStoreWithoutSync(ArtifactStoreContract):
    """A folder that does not wait for the disk."""

    @pytest.fixture
    def store(self, root: Path) -> Iterator[FileStore]:
        store = FileStore(root, durable=False)
        yield store
        asyncio.run(store.close())
        assert list((root / UPLOADS).iterdir()) == []


@pytest.mark.parametrize("name", ["absolute", "relative", "folder"])
@on_loop
async def test_a_link_that_leads_out_is_not_there(
    store: FileStore, root: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "file").write_text("secret")
    (root / "1").mkdir()
    target = {
        "absolute": tmp_path / "secret" / "file",
        "relative": Path("../../secret/file"),
        "folder": tmp_path / "secret",
    }
    (root / "1" / "link").symlink_to(target[name])
    for key in [("1", "link"), ("1", "link", "file")]:
        with pytest.raises(NoSuchArtifact):
            await store.read(key)
    assert await everything(store, ("1",)) == []
    assert await everything(store, ("1", "link")) == []
    with pytest.raises(NoSuchArtifact):
        await put(store, ("1", "link", "new"), b"x")
    assert not await store.delete(("1", "link", "file"))
    if name != "folder":
        # An upload takes the link's place; it does not go through it.
        await put(store, ("1", "link"), b"mine")
        assert await get(store, ("1", "link")) == b"mine"
    else:
        assert await store.delete(("1", "link"))
    assert [path.name for path in (tmp_path / "secret").iterdir()] == ["file"]
    assert (tmp_path / "secret" / "file").read_text() == "secret"


@on_loop
async def test_a_link_inside_is_followed_and_deleted_as_a_link(store: FileStore, root: Path) -> None:
    await put(store, ("1", "real", "file"), b"x")
    (root / "1" / "link").symlink_to("real")
    assert await get(store, ("1", "link", "file")) == b"x"
    assert [tuple(entry) for entry in await everything(store, ("1",))] == [("link", None), ("real", None)]
    assert await store.delete(("1", "link"))
    assert await get(store, ("1", "real", "file")) == b"x"


@on_loop
async def test_the_root_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    store = FileStore(tmp_path / "link")
    await put(store, ("a", "b"), b"x")
    await store.close()
    assert (tmp_path / "real" / "a" / "b").read_bytes() == b"x"


@on_loop
async def test_links_in_a_circle_and_pipes_are_not_there(store: FileStore, root: Path) -> None:
    (root / "circle").symlink_to("circle")
    os.mkfifo(root / "pipe")
    for name in ("circle", "pipe"):
        with pytest.raises(NoSuchArtifact):
            await store.read((name,))
    assert await everything(store, ()) == []


@on_loop
async def test_names_that_are_no_text_are_not_listed(store: FileStore, root: Path) -> None:
    (root / os.fsdecode(b"caf\xe9")).write_bytes(b"x")
    await put(store, ("good",), b"x")
    assert [entry.name for entry in await everything(store, ())] == ["good"]


@on_loop
async def test_the_folder_of_uploads_cannot_be_reached(store: FileStore, root: Path) -> None:
    (root / UPLOADS / "part").write_bytes(b"x")
    for key in [(UPLOADS,), (UPLOADS, "part")]:
        with pytest.raises(NoSuchArtifact):
            await store.read(key)
        with pytest.raises(NoSuchArtifact):
            await put(store, key, b"y")
        assert await everything(store, key) == []
        assert not await store.delete(key)
    assert (root / UPLOADS / "part").read_bytes() == b"x"
    (root / UPLOADS / "part").unlink()


@on_loop
async def test_old_leftovers_are_swept_and_young_ones_kept(root: Path) -> None:
    store = FileStore(root)
    upload = await store.begin(("a",))
    (root / UPLOADS / "old folder" / "deep").mkdir(parents=True)
    for name in ("old", "young", "old folder/deep/file", f"{upload}/old"):
        (root / UPLOADS / name).write_bytes(b"x")
    old = time.time() - 3660
    for path in (root / UPLOADS).rglob("*"):
        if path.name != "young":
            os.utime(path, (old, old))
    # A folder does not change when its files do.
    (root / UPLOADS / upload / "old").write_bytes(b"still there")
    assert await store.sweep(3600) == 2
    assert sorted(path.name for path in (root / UPLOADS).iterdir()) == sorted([upload, "young"])
    assert await store.sweep(0) == 2
    await store.close()
    assert list((root / UPLOADS).iterdir()) == []


@pytest.mark.parametrize("size", [MEBIBYTE // 2, 8 * MEBIBYTE])
@on_loop
async def test_a_full_disk_stores_nothing_and_reads_go_on(store: FileStore, size: int) -> None:
    await put(store, ("old",), b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # A limit on the size of files fails in the same call as a disk that is full.
    resource.setrlimit(resource.RLIMIT_FSIZE, (MEBIBYTE // 4, hard))
    try:
        with pytest.raises(StoreFull, match="full"):
            await put(store, ("old",), pattern(size))
        assert await get(store, ("old",)) == b"old"
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [entry.name for entry in await everything(store, ())] == ["old"]


@on_loop
async def test_a_file_cut_while_it_is_read_breaks_the_read(store: FileStore, root: Path) -> None:
    await put(store, ("a",), pattern(4 * MEBIBYTE))
    async with await store.read(("a",)) as download:
        chunks = aiter(download)
        await anext(chunks)
        os.truncate(root / "a", MEBIBYTE // 2)
        with pytest.raises(BrokenRead):
            assert [chunk async for chunk in chunks] == []


def test_a_killed_process_leaves_the_old_file_whole(root: Path, tmp_path: Path) -> None:
    root.mkdir()
    (root / "a").write_bytes(b"old")
    script = (
        "import asyncio, sys; from pathlib import Path\n"
        "from jupyter_tracking_server.artifact_stores.file import FileStore\n"
        "async def main():\n"
        "    upload = await FileStore(Path(sys.argv[1])).create(('a',))\n"
        "    for _ in range(4): await upload.write(bytes(1 << 20))\n"
        "    print('writing', flush=True); await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(root)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"writing\n"
        process.send_signal(signal.SIGKILL)
    assert (root / "a").read_bytes() == b"old"
    assert sorted(path.name for path in root.iterdir()) == [UPLOADS, "a"]


@pytest.mark.parametrize("form", ["{path}", "file://{path}", "file://localhost{path}", "FILE:{path}"])
@on_loop
async def test_a_destination_is_a_path_or_a_file_url(tmp_path: Path, form: str) -> None:
    store = open_store(form.format(path=tmp_path / "new" / "folder"))
    await put(store, ("a",), b"x")
    await store.close()
    assert (tmp_path / "new" / "folder" / "a").read_bytes() == b"x"


@on_loop
async def test_a_file_url_is_decoded_once(tmp_path: Path) -> None:
    store = open_store(f"file://{tmp_path}/a%20b%2541")
    await put(store, ("a",), b"x")
    await store.close()
    assert (tmp_path / "a b%41" / "a").read_bytes() == b"x"


@pytest.mark.parametrize(
    ("destination", "message"),
    [
        ("ftp://host/path", "ftp:// … ; use a path or one of: "),
        ("file://host/path", "does not name a folder of this machine"),
        ("file:///path?query", "does not name a folder of this machine"),
        ("/dev/null/folder", "cannot be used"),
    ],
)
def test_a_destination_that_cannot_be_used_is_refused(destination: str, message: str) -> None:
    with pytest.raises(UnusableDestination, match=message):
        open_store(destination)


@pytest.mark.parametrize(("path", "url"), [("a b", "a%20b"), ("a/../c%41/", "c%2541"), ("link", "link")])
def test_its_url_is_the_path_as_it_was_given(tmp_path: Path, path: str, url: str) -> None:
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "real").mkdir()
    store = FileStore(tmp_path / path)
    asyncio.run(store.close())
    assert store.url == f"{tmp_path.as_uri()}/{url}"
