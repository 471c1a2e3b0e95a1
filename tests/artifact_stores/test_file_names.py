"""A folder of very many files, page by page."""

from __future__ import annotations

import os
import time
import tracemalloc
from pathlib import Path

import pytest

from jupyter_tracking_server.artifact_stores.base import Entry
from jupyter_tracking_server.artifact_stores.file import FileStore
from jupyter_tracking_server.artifact_stores.file_names import Names

from .transfers import on_loop

MANY = 100_000


def fill(folder: Path, count: int) -> list[str]:
    """Empty files, in a folder that last changed a while ago; their names in order."""
    folder.mkdir(parents=True)
    names = [f"checkpoint-{number:06}.bin" for number in range(count)]
    place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    for name in names:
        os.mknod(name, dir_fd=place)
    os.close(place)
    long_ago(folder)
    return names


def long_ago(folder: Path) -> None:
    before = time.time() - 3600
    os.utime(folder, (before, before))


@pytest.mark.slow
@on_loop
async def test_a_hundred_thousand_files_are_listed_in_little_memory(tmp_path: Path) -> None:
    names = fill(tmp_path / "many", MANY)
    store = FileStore(tmp_path)
    cursor, found = "", 0
    while not found or cursor:
        page = await store.entries(("many",), cursor)
        assert page.entries == [Entry(name, 0) for name in names[found : found + 1000]]
        found, cursor = found + len(page.entries), page.cursor
    assert found == MANY
    tracemalloc.start()
    await store.entries(("many",))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * 2**20
    await store.delete(("many",))
    await store.close()


def walk(names: Names, folder: Path, count: int) -> list[str]:
    """All names, page after page."""
    found: list[str] = []
    more = True
    while more:
        some, more = names.after(folder, found[-1] if found else "", count)
        assert len(some) <= count
        found += some
    return found


@pytest.mark.parametrize("stretch", [3, 10, 29, 30, 31, 1000])
@pytest.mark.parametrize("count", [1, 3, 7, 30, 31])
def test_each_name_comes_once(tmp_path: Path, stretch: int, count: int) -> None:
    expected = fill(tmp_path / "f", 30)
    assert walk(Names(max(stretch, count)), tmp_path / "f", count) == expected


@pytest.mark.parametrize("settled", [True, False])
def test_a_folder_that_changes_between_pages_shows_it(tmp_path: Path, settled: bool) -> None:
    expected = fill(tmp_path / "f", 100)
    if not settled:
        os.utime(tmp_path / "f")
    names = Names(stretch=50)
    assert names.after(tmp_path / "f", "", 10) == (expected[:10], True)
    (tmp_path / "f" / "checkpoint-000012.new").touch()
    (tmp_path / "f" / expected[11]).unlink()
    changed = sorted({*expected, "checkpoint-000012.new"} - {expected[11]})
    assert names.after(tmp_path / "f", expected[9], 10) == (changed[10:20], True)
    long_ago(tmp_path / "f")
    assert walk(names, tmp_path / "f", 9) == changed


def test_many_folders_at_once_are_not_mixed_up(tmp_path: Path) -> None:
    names = Names(stretch=6)
    expected = {tmp_path / f"{number}": [f"{number}-{file:02}" for file in range(20)] for number in range(12)}
    for folder, files in expected.items():
        folder.mkdir()
        for file in files:
            (folder / file).touch()
        long_ago(folder)
    for start in range(0, 20, 4):
        for folder, files in expected.items():
            cursor = files[start - 1] if start else ""
            assert names.after(folder, cursor, 4) == (files[start : start + 4], start < 16)
