"""``jupyter tracking audit``: reading the ledger, exporting it, and removing what was exported."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from jupyter_tracking_server import ledger_file
from jupyter_tracking_server.cli import main
from jupyter_tracking_server.observer import row
from jupyter_tracking_server.store import audit
from jupyter_tracking_server.store.audit import Entry
from jupyter_tracking_server.store.database import Database

NOW = int(time.time() * 1000)
DAY = 86_400_000


RUN, OTHER_RUN = "1" * 32, "2" * 32


def entry(
    days: float, user: str = "jane", path: str = f"3/{RUN}/artifacts/a.txt", outcome: str = "ok"
) -> Entry:
    line = {"user": user, "how": "token", "peer": "::1", "endpoint": "artifact", "method": "GET"}
    return row({**line, "subject": {"path": path}, "outcome": outcome, "status": 200}, int(NOW - days * DAY))


@pytest.fixture(params=["sqlite", "postgresql"])
def uri(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'tracking.db'}"
    found: str = request.getfixturevalue("postgres_uri")
    return found


class Shell:
    """The command on a database, and what it prints."""

    def __init__(self, uri: str, capsys: pytest.CaptureFixture[str]) -> None:
        self._uri, self._capsys = uri, capsys

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code, standard output and error."""
        code = main(["audit", *arguments, "--backend-store-uri", self._uri])
        printed = self._capsys.readouterr()
        return code, printed.out, printed.err

    def users(self, *arguments: str) -> list[str]:
        """The users of the entries that are printed as JSON."""
        code, out, _ = self.run("--json", *arguments)
        assert code == 0
        return [json.loads(line)["user"] for line in out.splitlines()]


def fill(uri: str, entries: Sequence[Entry]) -> None:
    database = Database(uri)
    database.migrate("mlflow-artifacts:")
    with database.write() as tx:
        audit.add(tx, entries)
    database.close()


@pytest.fixture
def shell(uri: str, capsys: pytest.CaptureFixture[str]) -> Shell:
    fill(
        uri,
        [
            entry(40, "old"),
            entry(3, "joe", f"4/{OTHER_RUN}/artifacts", "refused"),
            entry(20, "late"),
            entry(1, "jim", "bad\x1b[2Jname\n"),
            entry(2, "100%"),
        ],
    )
    return Shell(uri, capsys)


def test_the_newest_come_first_and_only_what_is_wanted(shell: Shell) -> None:
    assert shell.users() == ["jim", "100%", "joe", "late", "old"]
    assert shell.users("--limit", "2") == ["jim", "100%"]
    assert shell.users("--user", "100%") == ["100%"]
    assert shell.users("--user", "%") == []
    assert shell.users("--since", "60h", "--until", "36h") == ["100%"]
    assert shell.users("--since", "2000-01-31", "--until", "30d") == ["old"]
    assert shell.users("--outcome", "refused") == ["joe"]
    assert shell.users("--run-id", RUN) == ["100%", "late", "old"]
    assert shell.users("--run-id", OTHER_RUN) == ["joe"]
    assert shell.users("--run-id", "_" * 32) == []
    assert shell.users("--experiment-id", "4") == ["joe"]
    assert shell.users("--endpoint", "delete_run") == []


def test_people_get_a_table_that_nobody_can_forge(shell: Shell) -> None:
    code, out, _ = shell.run()
    lines = out.splitlines()
    assert (code, len(lines)) == (0, 5)
    assert "\x1b" not in out
    assert lines[0].split()[1:5] == ["jim", "ok", "artifact", "::1"]
    assert lines[2].endswith(f"path=4/{OTHER_RUN}/artifacts")


def test_what_is_old_is_exported_and_then_removed(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_file, "SLICE", 1)
    file = tmp_path / "old.jsonl"
    assert shell.run("export", str(file), "--before", "10d")[:2] == (0, f"Wrote 2 entries to {file}.\n")
    *entries, seal = (json.loads(line) for line in file.read_text().splitlines())
    assert [one["user"] for one in entries] == ["old", "late"]
    assert seal["entries"] == 2
    assert file.stat().st_mode & 0o777 == 0o600
    # Once more would hide the first file.
    code, _, err = shell.run("export", str(file), "--before", "10d")
    assert code == 2
    assert "File exists" in err
    assert len(shell.users()) == 5
    assert shell.run("prune", "--exported", str(file))[:2] == (
        0,
        f"Removed 2 entries; {file} is what is left of them, so keep it.\n",
    )
    assert shell.users("--endpoint", "artifact") == ["jim", "100%", "joe"]
    code, out, _ = shell.run("--json", "--endpoint", "prune_audit")
    told = json.loads(out)
    assert told["how"] == "command"
    assert told["subject"] == {"file": "old.jsonl", "entries": "2", "sha256": seal["sha256"]}
    assert shell.run("prune", "--exported", str(file))[1].startswith("Removed 0 entries")


@pytest.mark.parametrize("harm", ["changed", "cut", "seal lost", "empty", "another"])
def test_what_is_no_whole_export_removes_nothing(shell: Shell, tmp_path: Path, harm: str) -> None:
    file = tmp_path / "old.jsonl"
    assert shell.run("export", str(file), "--before", "10d")[0] == 0
    lines = file.read_bytes().splitlines(keepends=True)
    harmed = {
        "changed": [lines[0].replace(b"old", b"new"), *lines[1:]],
        "cut": [*lines[1:]],
        "seal lost": lines[:-1],
        "empty": [],
        "another": [b'{"a":1}\n'],
    }
    file.write_bytes(b"".join(harmed[harm]))
    code, _, err = shell.run("prune", "--exported", str(file))
    assert code == 2
    assert "nothing was removed" in err
    assert len(shell.users()) == 5


def test_the_export_of_another_database_removes_nothing(shell: Shell, tmp_path: Path) -> None:
    other = f"sqlite:///{tmp_path / 'other.db'}"
    fill(other, [entry(40, "somebody"), entry(40, "else")])
    file = tmp_path / "other.jsonl"
    assert main(["audit", "export", str(file), "--before", "10d", "--backend-store-uri", other]) == 0
    code, _, err = shell.run("prune", "--exported", str(file))
    assert code == 2
    assert "differs from that of the database" in err
    assert shell.users("--endpoint", "artifact") == ["jim", "100%", "joe", "late", "old"]


def test_words_that_are_no_time_or_file(
    shell: Shell, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        shell.run("--since", "yesterday")
    assert "neither an age" in capsys.readouterr().err
    code, _, err = shell.run("prune", "--exported", str(tmp_path / "none"))
    assert code == 2
    assert "cannot be read" in err
