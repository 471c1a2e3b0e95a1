"""``jupyter tracking quota``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jupyter_tracking_server.cli import main
from jupyter_tracking_server.store import memberships, usage
from jupyter_tracking_server.store.database import Database


@pytest.fixture(params=["sqlite", "postgresql"])
def uri(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    made: str = (
        f"sqlite:///{tmp_path / 'tracking.db'}"
        if request.param == "sqlite"
        else request.getfixturevalue("postgres_uri")
    )
    database = Database(made)
    database.migrate("mlflow-artifacts:")
    with database.write() as tx:
        tx.tally.add("jane", 1_200_000, 3)
        memberships.replace(tx, "jane", frozenset({"lab"}))
    database.close()
    return made


class Shell:
    """The command on a database, and what it prints."""

    def __init__(self, uri: str, capsys: pytest.CaptureFixture[str]) -> None:
        self._uri, self._capsys = uri, capsys

    def run(self, *arguments: str) -> tuple[int, str]:
        """Exit code, and what is printed on either way."""
        code = main([*arguments, "--backend-store-uri", self._uri])
        printed = self._capsys.readouterr()
        return code, printed.out + printed.err


@pytest.fixture
def shell(uri: str, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(uri, capsys)


def test_quotas_are_set_shown_and_removed(shell: Shell) -> None:
    said = shell.run("quota", "set", "--user", "jane", "--bytes", "5GB", "--runs", "100")
    assert said == (0, "The user jane may hold 5.0 GB and 100 runs.\n")
    said = shell.run("quota", "set", "--group", "lab", "--runs", "7")
    assert said == (0, "The group lab may hold any number of bytes and 7 runs.\n")
    said = shell.run("quota", "set", "--everyone", "--bytes", "1GiB")
    assert said == (0, "Each user may hold 1.1 GB and any number of runs.\n")
    code, printed = shell.run("quota", "list")
    assert code == 0
    first, *rows = printed.splitlines()
    assert first == "Each user without a quota of their own: 1.1 GB and any number of runs."
    assert [line.split() for line in rows] == [
        ["name", "bytes", "of", "runs", "of"],
        ["user", "jane", "1.2", "MB", "5.0", "GB", "3", "100"],
        ["group", "lab", "1.2", "MB", "any", "3", "7"],
    ]
    code, printed = shell.run("quota", "list", "--json")
    assert [json.loads(line)["max_runs"] for line in printed.splitlines()] == [100, 7]
    assert shell.run("quota", "remove", "--user", "jane") == (0, "The user jane has no quota any more.\n")
    code, printed = shell.run("quota", "remove", "--user", "jane")
    assert code == 2
    assert "The user jane has no quota" in printed
    code, printed = shell.run("audit", "--json")
    told = [json.loads(line) for line in printed.splitlines()]
    assert [one["endpoint"] for one in told] == ["remove_quota", "set_quota", "set_quota", "set_quota"]
    assert told[-1]["subject"] == {
        "kind": "user",
        "name": "jane",
        "max_bytes": "5000000000",
        "max_runs": "100",
    }


def test_a_recount_corrects_the_sums(shell: Shell, uri: str) -> None:
    # There is nothing that jane could hold.
    assert shell.run("quota", "recount") == (
        0,
        "jane: 1200000 bytes, 3 runs → 0 bytes, 0 runs\nCorrected what 1 users hold.\n",
    )
    assert shell.run("quota", "recount") == (0, "All sums were right.\n")
    database = Database(uri)
    with database.read() as tx:
        assert usage.all_held(tx) == {}
    database.close()


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["set", "--user", "jane"], "--bytes"),
        (["set", "--user", "", "--runs", "1"], "1 to 255"),
        (["set", "--user", "jane", "--bytes", "lots"], "not a size"),
        (["set", "--user", "jane", "--runs", "-1"], "expected one argument|no number"),
        (["set", "--runs", "1"], "required"),
        (["set", "--user", "jane", "--everyone", "--runs", "1"], "not allowed"),
    ],
)
def test_words_that_make_no_quota(
    uri: str, arguments: list[str], word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code: object = main(["quota", *arguments, "--backend-store-uri", uri])
    except SystemExit as error:
        code = error.code
    assert code == 2
    err = capsys.readouterr().err
    assert any(part in err for part in word.split("|")), err
