"""Parts on the disk: a rename for the usual case, and a dying process, a full disk, late writers."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_tracking_server.artifact_stores.base import Part
from jupyter_tracking_server.artifact_stores.errors import InvalidPart, NoSuchUpload, StoreFull
from jupyter_tracking_server.artifact_stores.file import FileStore
from jupyter_tracking_server.artifact_stores.file_tree import UPLOADS

from .transfers import MEBIBYTE, get, noise, on_loop, pattern, put, put_part

KEY = ("1", "run", "model.bin")
SIZE = 2 * MEBIBYTE


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
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(place)]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("this user cannot mount a file system; the limit on file sizes is tested all the same")
    yield place
    subprocess.run(["umount", place], check=True)


async def put_parts(store: FileStore, upload: str, contents: dict[int, bytes]) -> dict[int, Part]:
    return {
        number: await put_part(store, KEY, upload, number, content) for number, content in contents.items()
    }


def data_file(root: Path, upload: str, size: int = SIZE) -> Path:
    """Where parts are gathered of which the largest has this size."""
    return root / UPLOADS / upload / "shared" / str(size)


@pytest.mark.parametrize("order", [[1, 2, 3, 4], [4, 3, 2, 1], [3, 4, 1, 2]])
@pytest.mark.parametrize("last", [b"the end", noise(4, SIZE - 1), noise(4, SIZE)])
@on_loop
async def test_parts_of_one_size_are_never_copied(
    store: FileStore, root: Path, order: list[int], last: bytes
) -> None:
    contents = {number: noise(number, SIZE) for number in (1, 2, 3)} | {4: last}
    upload = await store.begin(KEY)
    sent = await put_parts(store, upload, {number: contents[number] for number in order})
    gathered = data_file(root, upload).stat().st_ino
    await store.complete(KEY, upload, [sent[number] for number in (1, 2, 3, 4)])
    assert root.joinpath(*KEY).stat().st_ino == gathered
    assert await get(store, KEY) == b"".join(contents[number] for number in (1, 2, 3, 4))


@on_loop
async def test_a_part_that_was_cut_comes_to_its_place_again(store: FileStore, root: Path) -> None:
    upload = await store.begin(KEY)
    async with await store.create_part(KEY, upload, 2, SIZE) as part:
        await part.write(bytes(SIZE))
    sent = await put_parts(store, upload, {1: noise(1, SIZE), 2: noise(2, SIZE)})
    gathered = data_file(root, upload).stat().st_ino
    await store.complete(KEY, upload, list(sent.values()))
    assert root.joinpath(*KEY).stat().st_ino == gathered
    assert await get(store, KEY) == noise(1, SIZE) + noise(2, SIZE)


@pytest.mark.parametrize("failure", [errno.EXDEV, errno.ENOSYS, errno.EOPNOTSUPP])
@on_loop
async def test_parts_are_copied_where_the_disk_does_not_help(
    store: FileStore, monkeypatch: pytest.MonkeyPatch, failure: int
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(failure, "no")

    monkeypatch.setattr("os.copy_file_range", refuse)
    contents = {1: noise(1, SIZE), 2: noise(2, SIZE + 1), 3: noise(3, 3)}
    upload = await store.begin(KEY)
    sent = await put_parts(store, upload, contents)
    await store.complete(KEY, upload, list(sent.values()))
    assert await get(store, KEY) == b"".join(contents.values())


@on_loop
async def test_parts_come_together_where_there_are_no_locks(
    store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "no")

    monkeypatch.setattr(fcntl, "flock", refuse)
    contents = {1: noise(1, SIZE), 2: noise(2, SIZE), 3: b"end"}
    upload = await store.begin(KEY)
    sent = await put_parts(store, upload, contents)
    await store.complete(KEY, upload, list(sent.values()))
    assert await get(store, KEY) == b"".join(contents.values())


@on_loop
async def test_a_late_writer_does_not_reach_the_artifact(store: FileStore) -> None:
    upload = await store.begin(KEY)
    async with await store.create_part(KEY, upload, 1, SIZE) as late:
        await late.write(bytes(SIZE - 1000))
        sent = await put_parts(store, upload, {1: noise(1, SIZE), 2: noise(2, SIZE)})
        await store.complete(KEY, upload, list(sent.values()))
        await late.write(bytes(1000))
        with pytest.raises(NoSuchUpload):
            await late.finish()
    assert await get(store, KEY) == noise(1, SIZE) + noise(2, SIZE)


@pytest.mark.parametrize("end", ["abort", "sweep"])
@on_loop
async def test_a_part_of_an_upload_that_is_gone_is_dropped(store: FileStore, end: str) -> None:
    upload = await store.begin(KEY)
    async with await store.create_part(KEY, upload, 1, SIZE) as part:
        await part.write(pattern(SIZE))
        if end == "abort":
            await store.abort(KEY, upload)
        else:
            assert await store.sweep(0) == 1
        with pytest.raises(NoSuchUpload):
            await part.finish(SIZE)


@on_loop
async def test_a_data_file_that_was_cut_makes_no_short_artifact(store: FileStore, root: Path) -> None:
    upload = await store.begin(KEY)
    sent = await put_parts(store, upload, {1: noise(1, SIZE), 2: noise(2, SIZE)})
    os.truncate(data_file(root, upload), SIZE + 5)
    with pytest.raises(InvalidPart):
        await store.complete(KEY, upload, list(sent.values()))
    assert not root.joinpath(*KEY).exists()
    await store.abort(KEY, upload)


@on_loop
async def test_a_record_that_was_cut_is_a_missing_part(store: FileStore, root: Path) -> None:
    upload = await store.begin(KEY)
    sent = await put_parts(store, upload, {1: noise(1, SIZE), 2: noise(2, SIZE)})
    os.truncate(root / UPLOADS / upload / "part-2", 0)
    assert await store.parts(KEY, upload) == [sent[1]]
    sent[2] = await put_part(store, KEY, upload, 2, noise(2, SIZE))
    await store.complete(KEY, upload, list(sent.values()))
    assert await get(store, KEY) == noise(1, SIZE) + noise(2, SIZE)


@on_loop
async def test_a_full_disk_keeps_the_parts_that_came(small_disk: Path) -> None:
    store = FileStore(small_disk / "artifacts")
    await put(store, ("old",), b"old")
    upload = await store.begin(KEY)
    sent = await put_parts(store, upload, {number: noise(number, 5 * MEBIBYTE) for number in (1, 2)})
    with pytest.raises(StoreFull):
        await put_part(store, KEY, upload, 4, noise(4, 6 * MEBIBYTE))
    with pytest.raises(StoreFull):
        await put_part(store, KEY, upload, 3, noise(3, 8 * MEBIBYTE))
    assert await store.parts(KEY, upload) == list(sent.values())
    assert await get(store, ("old",)) == b"old"
    await store.complete(KEY, upload, list(sent.values()))
    assert await get(store, KEY) == noise(1, 5 * MEBIBYTE) + noise(2, 5 * MEBIBYTE)
    await put(store, ("room",), bytes(4 * MEBIBYTE))
    await store.close()


@on_loop
async def test_a_disk_that_fills_up_while_completing_leaves_the_upload_open(small_disk: Path) -> None:
    store = FileStore(small_disk / "artifacts")
    contents = {1: noise(1, 5 * MEBIBYTE), 2: noise(2, 5 * MEBIBYTE + 1)}
    await put(store, ("ballast",), bytes(5 * MEBIBYTE))
    upload = await store.begin(KEY)
    sent = await put_parts(store, upload, contents)
    with pytest.raises(StoreFull):
        await store.complete(KEY, upload, list(sent.values()))
    assert not (small_disk / "artifacts").joinpath(*KEY).exists()
    assert await store.parts(KEY, upload) == list(sent.values())
    await store.delete(("ballast",))
    await store.complete(KEY, upload, list(sent.values()))
    assert await get(store, KEY) == contents[1] + contents[2]
    assert list((small_disk / "artifacts" / UPLOADS).iterdir()) == []
    await store.close()


@on_loop
async def test_a_part_behind_the_largest_file_is_refused_as_a_full_disk(store: FileStore) -> None:
    upload = await store.begin(KEY)
    first = await put_part(store, KEY, upload, 1, noise(1, SIZE))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (SIZE + MEBIBYTE // 2, hard))
    try:
        with pytest.raises(StoreFull, match="full"):
            await put_part(store, KEY, upload, 2, noise(2, SIZE))
        assert await store.parts(KEY, upload) == [first]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    second = await put_part(store, KEY, upload, 2, noise(2, SIZE))
    await store.complete(KEY, upload, [first, second])
    assert await get(store, KEY) == noise(1, SIZE) + noise(2, SIZE)


def test_a_process_killed_in_a_part_leaves_the_others_and_the_place(store: FileStore, root: Path) -> None:
    upload = asyncio.run(store.begin(KEY))
    script = (
        "import asyncio, sys; from pathlib import Path\n"
        "from jupyter_tracking_server.artifact_stores.file import FileStore\n"
        "from tests.artifact_stores.test_file_parts import KEY, SIZE\n"
        "from tests.artifact_stores.transfers import noise, put_part\n"
        "async def main():\n"
        "    store, upload = FileStore(Path(sys.argv[1])), sys.argv[2]\n"
        "    await put_part(store, KEY, upload, 1, noise(1, SIZE))\n"
        "    part = await store.create_part(KEY, upload, 2, SIZE)\n"
        "    await part.write(bytes(SIZE // 2)); await part.write(bytes(SIZE // 2))\n"
        "    print('writing', flush=True); await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    command = [sys.executable, "-c", script, str(root), upload]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"writing\n"
        process.send_signal(signal.SIGKILL)

    async def take_up() -> None:
        [first] = await store.parts(KEY, upload)
        assert (first.number, first.size) == (1, SIZE)
        sent = await put_parts(store, upload, {2: noise(2, SIZE), 3: b"end"})
        gathered = data_file(root, upload).stat().st_ino
        await store.complete(KEY, upload, [first, *sent.values()])
        assert root.joinpath(*KEY).stat().st_ino == gathered
        assert await get(store, KEY) == noise(1, SIZE) + noise(2, SIZE) + b"end"

    asyncio.run(take_up())
