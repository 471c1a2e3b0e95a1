"""``jupyter tracking doctor``: what it says of good and bad set-ups, and its exit code."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from jupyter_tracking_server.store import experiments
from jupyter_tracking_server.store.database import Database
from tests.servers import Server, free_port, jupyter_environment, start_standalone


def doctor(folder: Path, *flags: str, variables: Mapping[str, str] | None = None) -> tuple[int, list[str]]:
    """Exit code and lines; a line of standard error is one too many."""
    ended = subprocess.run(
        [sys.executable, "-m", "jupyter_tracking_server", "doctor", *flags],
        env={**jupyter_environment(folder), **(variables or {})},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "Traceback" not in ended.stderr, ended.stderr
    return ended.returncode, ended.stdout.splitlines()


def places(folder: Path, backend: str | None = None) -> tuple[str, ...]:
    backend = backend or f"sqlite:///{folder / 'tracking.db'}"
    return "--backend-store-uri", backend, "--artifacts-destination", str(folder / "artifacts")


def line(lines: list[str], words: str) -> str:
    """The one line with these words."""
    (found,) = [item for item in lines if words in item]
    return found


def filled(folder: Path, *locations: str) -> None:
    """A database with an experiment at each of these locations."""
    database = Database(f"sqlite:///{folder / 'tracking.db'}")
    database.migrate("mlflow-artifacts:")
    with database.write() as tx:
        for number, location in enumerate(locations):
            experiments.create(tx, experiments.NewExperiment(f"e{number}", "mlflow-artifacts:", 1, location))
    database.close()


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_good_set_up_is_good(database: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    backend = request.getfixturevalue("postgres_uri") if database == "postgresql" else None
    with start_standalone(tmp_path, backend=backend) as server:
        token = {"MLFLOW_TRACKING_TOKEN": server.token or ""}
        code, lines = doctor(tmp_path, *places(tmp_path, backend), "--url", server.url, variables=token)
    # PostgreSQL runs without fsync in tests, which the doctor sees.
    found = [item for item in lines if not item.startswith("OK")]
    if database == "sqlite":
        assert found == []
    else:
        assert [item.split()[0] for item in found] == ["look", "→"]
        assert "fsync=off" in found[0]
        line(lines, "Its clock and this machine's differ by 0.")
    assert code == 0
    line(lines, "writes, reads a range, lists and deletes")
    line(lines, "1 experiments (0 runs) are proxied: all clients reach their artifacts through the server.")
    line(lines, f"The server at {server.url} is healthy.")
    line(lines, "It lets this client in.")
    # The probe is gone.
    assert [path.name for path in (tmp_path / "artifacts").iterdir()] in ([], [".uploads"])


def test_before_the_first_start_nothing_is_made(tmp_path: Path) -> None:
    code, lines = doctor(tmp_path, *places(tmp_path))
    assert code == 0
    assert line(lines, "There is no database").startswith("look")
    assert not (tmp_path / "tracking.db").exists()


def test_a_schema_that_is_not_there_yet_is_no_fault(tmp_path: Path, postgres_uri: str) -> None:
    code, lines = doctor(tmp_path, *places(tmp_path, postgres_uri))
    assert code == 0
    assert line(lines, "It has no tables yet.").startswith("look")


@pytest.mark.parametrize(
    ("flags", "words", "cure"),
    [
        (
            ("--artifacts-destination", "gopher://x"),
            "gopher",
            "Change --artifacts-destination, or mend what the line names.",
        ),
        (
            ("--artifacts-destination", "/proc/nowhere"),
            "/proc/nowhere",
            "Change --artifacts-destination, or mend what the line names.",
        ),
        (("--url", "tracking.example"), "is no address", "http://host:port/path"),
        (("--backend-store-uri", "mysql://u:secret@h/d"), "neither sqlite", "--backend-store-uri"),
    ],
)
def test_what_is_bad_is_told_with_a_cure(
    tmp_path: Path, flags: tuple[str, ...], words: str, cure: str
) -> None:
    filled(tmp_path)
    code, lines = doctor(tmp_path, *places(tmp_path), *flags)
    assert code == 1
    found = line(lines, words)
    assert found.startswith("BAD")
    assert cure in lines[lines.index(found) + 1]
    assert "secret" not in "".join(lines)


def test_a_database_that_is_away_is_bad_and_its_password_unsaid(tmp_path: Path) -> None:
    backend = f"postgresql://u:secret@127.0.0.1:{free_port()}/d"
    code, lines = doctor(tmp_path, *places(tmp_path, backend))
    assert code == 1
    assert line(lines, "database is away").startswith("BAD")
    assert "secret" not in "".join(lines)


def test_credentials_are_told_by_their_kind_alone(tmp_path: Path) -> None:
    port = free_port()
    variables = {
        "AWS_ACCESS_KEY_ID": "AKIATOLD",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_EC2_METADATA_DISABLED": "true",
        "MLFLOW_S3_ENDPOINT_URL": f"http://127.0.0.1:{port}",
    }
    flags = (*places(tmp_path)[:2], "--artifacts-destination", "s3://bucket")
    code, lines = doctor(tmp_path, *flags, variables=variables)
    assert code == 1
    assert line(lines, "AWS credentials are of the kind env.").startswith("OK")
    assert not {"AKIATOLD", "secret"} & set(" ".join(lines).replace(".", " ").split())
    _, lines = doctor(tmp_path, *flags, variables={"AWS_EC2_METADATA_DISABLED": "true"})
    assert [item[:3] for item in lines if "no AWS credentials" in item] == ["BAD"] * 2


def test_kinds_of_locations_are_counted_and_explained(tmp_path: Path) -> None:
    below = (tmp_path / "artifacts" / "direct").as_uri()
    filled(tmp_path, "", below, "s3://one/x", "s3://one/y", "s3://two/x")
    code, lines = doctor(tmp_path, *places(tmp_path))
    assert code == 0
    line(lines, "The server serves artifacts. New experiments get mlflow-artifacts:/<id>.")
    line(lines, "2 experiments (0 runs) are proxied: all clients")
    line(lines, "1 experiments (0 runs) are direct, below the store")
    found = line(lines, "3 experiments (0 runs) are direct, elsewhere: s3://one (2), s3://two (1)")
    assert found.startswith("look")
    assert "db relocate" in lines[lines.index(found) + 1]
    _, lines = doctor(tmp_path, *places(tmp_path), "--no-serve-artifacts")
    line(lines, f"New experiments get {(tmp_path / 'artifacts').as_uri()}/<id>.")
    assert line(lines, "this server runs without the proxy").startswith("look")


def test_another_destination_than_the_last_servers_is_bad(tmp_path: Path) -> None:
    with start_standalone(tmp_path):
        pass
    flags = (*places(tmp_path)[:2], "--artifacts-destination", str(tmp_path / "moved"))
    code, lines = doctor(tmp_path, *flags)
    assert code == 1
    found = line(lines, "The last server kept proxied artifacts at")
    assert (tmp_path / "artifacts").as_uri() in found


def test_behind_a_proxy_the_address_is_worth_a_look(tmp_path: Path) -> None:
    code, lines = doctor(tmp_path, *places(tmp_path), "--host", "0.0.0.0")
    found = line(lines, "Clients are told the address by which they came.")
    assert (code, found[:4]) == (0, "look")
    assert "--public-url" in lines[lines.index(found) + 1]
    _, lines = doctor(tmp_path, *places(tmp_path), "--public-url", "https://hub.example/tracking")
    assert line(lines, "Clients are told https://hub.example/tracking.").startswith("OK")


def test_a_server_is_looked_at_from_outside(tmp_path: Path, tracking_server: Server) -> None:
    flags = (*places(tmp_path), "--url")
    code, lines = doctor(tmp_path, *flags, tracking_server.url)
    assert code == 0
    assert line(lines, "It does not let this client in.").startswith("look")
    code, lines = doctor(tmp_path, *flags, f"{tracking_server.url}/prefix")
    assert code == 1
    assert "/prefix/health answers 404" in line(lines, "answers 404")
    code, lines = doctor(tmp_path, *flags, f"http://127.0.0.1:{free_port()}")
    assert code == 1
    assert line(lines, "does not answer").startswith("BAD")
