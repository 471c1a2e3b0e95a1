"""Rows of what is known of stored artifacts, on each kind of database."""

from __future__ import annotations

from jupyter_tracking_server.store import artifact_files
from jupyter_tracking_server.store.artifact_files import KnownFile
from jupyter_tracking_server.store.database import Database

LONG = "ü" * 4000
ROOT = f"1/{LONG}/artifacts"
PATHS = ("a", "a/b", "a/ü/c", "a0", "aa", "a-b", "b", LONG)


def file(size: int) -> KnownFile:
    return KnownFile(size, '"etag"', "0" * 64, 1_700_000_000_000, "jane")


def known(database: Database, root: str = ROOT) -> set[str]:
    with database.read() as tx:
        return {path for path in PATHS if artifact_files.find(tx, root, path) is not None}


def fill(database: Database) -> None:
    with database.write() as tx:
        for root in (ROOT, "2"):
            artifact_files.put(tx, [(root, path, file(1)) for path in PATHS])


def test_the_latest_is_what_is_known(database: Database) -> None:
    fill(database)
    with database.write() as tx:
        artifact_files.put(tx, [(ROOT, "a", file(2)), ("3", "a", file(3))])
    with database.read() as tx:
        assert artifact_files.find(tx, ROOT, "a") == file(2)
        assert artifact_files.find(tx, "2", "a") == file(1)
        assert artifact_files.find(tx, "3", "a") == file(3)
        assert artifact_files.find(tx, ROOT, "none") is None


def test_a_folder_is_forgotten_with_what_is_in_it(database: Database) -> None:
    fill(database)
    with database.write() as tx:
        artifact_files.drop(tx, ROOT, "a")
    assert known(database) == {"a0", "aa", "a-b", "b", LONG}
    assert known(database, "2") == set(PATHS)


def test_a_root_is_forgotten_whole(database: Database) -> None:
    fill(database)
    with database.write() as tx:
        artifact_files.drop(tx, ROOT)
    assert known(database) == set()
    assert known(database, "2") == set(PATHS)
