"""``jupyter tracking db``."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from jupyter_tracking_server.cli import main


@pytest.fixture
def uri(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/tracking.db"


def test_a_database_is_made_and_its_version_printed(uri: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["db", "current", "--backend-store-uri", uri]) == 0
    assert capsys.readouterr().out == "no schema yet\n"
    assert main(["db", "upgrade", "--backend-store-uri", uri]) == 0
    version = capsys.readouterr().out.strip()
    assert version
    assert main(["db", "upgrade", "--backend-store-uri", uri]) == 0
    assert main(["db", "current", "--backend-store-uri", uri]) == 0
    assert capsys.readouterr().out.split() == [version, version]


def test_on_postgresql_too(postgres_uri: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["db", "upgrade", "--backend-store-uri", postgres_uri]) == 0
    assert main(["db", "current", "--backend-store-uri", postgres_uri]) == 0
    first, second = capsys.readouterr().out.split()
    assert first == second
    assert main(["db", "backup", "x", "--backend-store-uri", postgres_uri]) == 2
    assert "pg_dump" in capsys.readouterr().err


def test_a_backup_is_a_database(uri: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["db", "upgrade", "--backend-store-uri", uri]) == 0
    copy = tmp_path / "copy.db"
    assert main(["db", "backup", str(copy), "--backend-store-uri", uri]) == 0
    database = sqlite3.connect(copy)
    assert database.execute("SELECT name FROM experiments").fetchall() == [("Default",)]
    database.close()
    capsys.readouterr()
    assert main(["db", "backup", str(copy), "--backend-store-uri", uri]) == 2
    assert "there already" in capsys.readouterr().err


def test_another_kind_of_database_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["db", "current", "--backend-store-uri", "mysql://u:secret@h/d"]) == 2
    printed = capsys.readouterr().err
    assert "sqlite" in printed
    assert "secret" not in printed
