"""A process that is killed at any of its steps on the disk, in an upload in parts and in a single one.

Each step is an audit event of Python's: opening, renaming, cutting or removing a file, making a folder,
taking a lock. A child is killed right before its n-th, for each n there is.
"""

from __future__ import annotations

import asyncio
import itertools
import subprocess
import sys
from pathlib import Path

import pytest

from jupyter_tracking_server.artifact_stores.base import ArtifactStore
from jupyter_tracking_server.artifact_stores.errors import NoSuchArtifact, NoSuchUpload
from jupyter_tracking_server.artifact_stores.file import FileStore
from jupyter_tracking_server.artifact_stores.file_tree import UPLOADS

from .transfers import everything, get, noise, put, put_part

KEY = ("1", "run", "model.bin")
SIZE = 70_000
CHILD = """
import os, signal, sys
from pathlib import Path
from jupyter_tracking_server.artifact_stores.base import Part
from jupyter_tracking_server.artifact_stores.file_parts import FileParts
from jupyter_tracking_server.artifact_stores.file_transfer import WholeFile
from jupyter_tracking_server.artifact_stores.file_tree import FileTree
from tests.artifact_stores.test_file_kills import KEY, SIZE, noise

STEPS = {"open", "os.rename", "os.truncate", "os.utime", "os.mkdir", "os.remove", "os.rmdir", "fcntl.flock"}
root, what = Path(sys.argv[1]), sys.argv[2]
tree = FileTree(root, durable=True)
parts = FileParts(tree)

def work(upload):
    if what == "single":
        file = WholeFile(tree, KEY)
        file.append(b"new")
        file.publish()
    elif what == "part":
        part = parts.create(KEY, upload, 2, SIZE)
        part.append(noise(2, SIZE))
        part.publish()
    else:
        parts.complete(KEY, upload, parts.parts(KEY, upload))

def killed_at(step, upload):
    def hook(event, _):
        nonlocal step
        if event in STEPS:
            step -= 1
            if step < 0:
                os.kill(os.getpid(), signal.SIGKILL)
    pid = os.fork()
    if not pid:
        sys.addaudithook(hook)
        work(upload)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL

for line in sys.stdin:
    step, upload = line.split()
    print(killed_at(int(step), upload), flush=True)
"""


class Child:
    """Does a piece of work and is killed in it, again and again."""

    def __init__(self, root: Path, what: str) -> None:
        command = [sys.executable, "-c", CHILD, str(root), what]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def killed_at(self, step: int, upload: str = "-") -> bool:
        """Whether the work had so many steps, and was killed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{step} {upload}\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline().strip()
        assert answer in {"True", "False"}
        return answer == "True"

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        with self._process as process:
            process.terminate()


async def read(store: ArtifactStore) -> bytes | None:
    try:
        return await get(store, KEY)
    except NoSuchArtifact:
        return None


@pytest.mark.parametrize("old", [None, b"old"])
def test_killed_in_a_single_upload(tmp_path: Path, old: bytes | None) -> None:
    async def check(child: Child) -> int:
        store = FileStore(tmp_path)
        for step in itertools.count():
            await store.delete(KEY)
            if old:
                await put(store, KEY, old)
            killed = child.killed_at(step)
            assert await read(store) in ([old, b"new"] if killed else [b"new"])
            await store.sweep(0)
            assert list((tmp_path / UPLOADS).iterdir()) == []
            if not killed:
                break
        await store.close()
        return step

    with Child(tmp_path, "single") as child:
        assert asyncio.run(check(child)) >= 3


@pytest.mark.parametrize("first", [1, 2], ids=["in place", "copied"])
def test_killed_in_completing(tmp_path: Path, first: int) -> None:
    contents = [noise(1, SIZE), noise(2, SIZE), b"end"]
    new = b"".join(contents)

    async def check(child: Child) -> int:
        store = FileStore(tmp_path)
        for step in itertools.count():
            await put(store, KEY, b"old")
            upload = await store.begin(KEY)
            sent = [
                await put_part(store, KEY, upload, number, content)
                for number, content in enumerate(contents, first)
            ]
            killed = child.killed_at(step, upload)
            found = await read(store)
            assert found in ([b"old", new] if killed else [new])
            if found == b"old":
                await store.complete(KEY, upload, sent)
                assert await read(store) == new
            await store.sweep(0)
            assert list((tmp_path / UPLOADS).iterdir()) == []
            assert [entry.name for entry in await everything(store, KEY[:-1])] == [KEY[-1]]
            if not killed:
                break
        await store.close()
        return step

    with Child(tmp_path, "complete") as child:
        assert asyncio.run(check(child)) >= 10


@pytest.mark.parametrize("times", [0, 1, 2], ids=["first", "replacing", "replacing what replaced"])
def test_killed_in_a_part(tmp_path: Path, times: int) -> None:
    one, old, new = noise(1, SIZE), noise(9, SIZE), noise(2, SIZE)

    async def check(child: Child) -> int:
        store = FileStore(tmp_path)
        for step in itertools.count():
            upload = await store.begin(KEY)
            first = await put_part(store, KEY, upload, 1, one)
            for _ in range(times):
                await put_part(store, KEY, upload, 2, old)
            killed = child.killed_at(step, upload)
            parts = await store.parts(KEY, upload)
            assert parts[0] == first
            await store.complete(KEY, upload, parts)
            possible = [one + new] + [one + old] * (killed and times > 0) + [one] * (killed and times == 0)
            assert await read(store) in possible
            with pytest.raises(NoSuchUpload):
                await store.parts(KEY, upload)
            await store.sweep(0)
            assert list((tmp_path / UPLOADS).iterdir()) == []
            if not killed:
                break
        await store.close()
        return step

    with Child(tmp_path, "part") as child:
        assert asyncio.run(check(child)) >= 5
