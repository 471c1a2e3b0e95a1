"""Archives beyond what 32 bits hold, as sparse files: only what is around the bytes is written."""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path

import pytest

from jupyter_tracking_server.http.archive_formats import Format, Tar, Zip

GIBIBYTE = 2**30
WHEN = 1_700_000_000.0


def write(path: Path, making: Format, files: dict[str, int | bytes]) -> None:
    """Pack files; of one given by its size, the bytes are a hole."""
    with path.open("wb") as out:
        for name, content in files.items():
            size = content if isinstance(content, int) else len(content)
            out.write(making.begin(name, size, WHEN))
            if isinstance(content, int):
                out.seek(size, 1)
            else:
                making.add(content)
                out.write(content)
            out.write(making.end())
        for piece in making.close():
            out.write(piece)


@pytest.mark.parametrize("size", [2**32 - 2, 2**32 - 1, 5 * GIBIBYTE])
def test_a_zip_holds_large_files_and_what_is_behind_them(tmp_path: Path, size: int) -> None:
    path = tmp_path / "large.zip"
    write(path, Zip(), {"first": b"one", "large": size, "größe": b"two", "large too": size, "last": b""})
    with zipfile.ZipFile(path) as packed:
        sizes = {info.filename: info.file_size for info in packed.infolist()}
        assert sizes == {"first": 3, "large": size, "größe": 3, "large too": size, "last": 0}
        assert (packed.read("first"), packed.read("größe"), packed.read("last")) == (b"one", b"two", b"")
        assert packed.getinfo("first").date_time == (2023, 11, 14, 22, 13, 20)
        with packed.open("large") as file:
            assert file.read(1000) == bytes(1000)


def test_a_zip_holds_more_files_than_16_bits_count(tmp_path: Path) -> None:
    path = tmp_path / "many.zip"
    names = [f"{number:06}" for number in range(70_000)]
    write(path, Zip(), dict.fromkeys(names, b""))
    with zipfile.ZipFile(path) as packed:
        assert packed.namelist() == names


@pytest.mark.parametrize("modified", [0.0, -1e9, 1e11])
def test_times_that_a_zip_cannot_hold_are_replaced(tmp_path: Path, modified: float) -> None:
    making = Zip()
    path = tmp_path / "old.zip"
    pieces = [making.begin("a", 0, modified), making.end(), *making.close()]
    path.write_bytes(b"".join(pieces))
    with zipfile.ZipFile(path) as packed:
        assert packed.getinfo("a").date_time == (1980, 1, 1, 0, 0, 0)


def test_a_tar_holds_large_files_and_long_names(tmp_path: Path) -> None:
    path, long = tmp_path / "large.tar", "ü" * 200 + "/" + "n" * 300
    write(path, Tar(), {"large": 9 * GIBIBYTE, long: b"two", "empty": b""})
    with tarfile.open(path) as archive:
        assert {member.name: member.size for member in archive} == {
            "large": 9 * GIBIBYTE,
            long: 3,
            "empty": 0,
        }
        file = archive.extractfile(long)
        assert file is not None
        assert file.read() == b"two"
        assert archive.getmember(long).mtime == WHEN
