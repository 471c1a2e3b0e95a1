"""What users hold, on each kind of database, while several write at once."""

from __future__ import annotations

import secrets
from concurrent.futures import Future
from functools import partial

import pytest

from jupyter_tracking.protocol.errors import InvalidParameterValue
from jupyter_tracking_server.store import artifact_files, memberships, runs, usage
from jupyter_tracking_server.store.artifact_files import KnownFile
from jupyter_tracking_server.store.database import Database, Transaction
from jupyter_tracking_server.store.usage import Held
from jupyter_tracking_server.store.writer import Writer


def file(user: str, size: int) -> KnownFile:
    return KnownFile(size, '"etag"', "0" * 64, 1, user)


def put(tx: Transaction, path: str, user: str, size: int) -> None:
    artifact_files.put(tx, [("root", path, file(user, size))])


def make_run(tx: Transaction, user: str) -> None:
    run_id = secrets.token_hex(16)
    runs.create(tx, runs.NewRun(run_id, 0, "name", user, 1, f"mlflow-artifacts:/0/{run_id}/artifacts"))


def held(database: Database) -> dict[str, Held]:
    with database.read() as tx:
        return usage.all_held(tx)


def corrections(database: Database) -> dict[str, tuple[Held, Held]]:
    with database.write() as tx:
        return usage.recount(tx)


def fail_after(tx: Transaction) -> None:
    put(tx, "a", "joe", 5)
    make_run(tx, "joe")
    raise InvalidParameterValue("no")


def test_what_is_undone_does_not_count(database: Database, writer: Writer) -> None:
    done = [
        writer.submit(partial(put, path="a", user="jane", size=10)),
        writer.submit(partial(make_run, user="jane")),
    ]
    failing = writer.submit(fail_after)
    for future in done:
        future.result(60)
    with pytest.raises(InvalidParameterValue):
        failing.result(60)
    with database.write() as tx:
        make_run(tx, "jane")
        # What is not committed yet counts for those who ask in the same transaction.
        assert usage.of_user(tx, "jane") == Held(10, 2)
        assert usage.of_user(tx, "joe") == Held(0, 0)
    assert held(database) == {"jane": Held(10, 2)}


def test_a_group_holds_what_its_members_do(database: Database) -> None:
    with database.write() as tx:
        for user in ("jane", "joe", "jim"):
            memberships.replace(tx, user, frozenset({"lab"}) if user != "jim" else frozenset())
            put(tx, user, user, 10)
    with database.write() as tx:
        make_run(tx, "joe")
        assert usage.of_group(tx, "lab") == Held(20, 1)
        assert usage.of_group(tx, "none") == Held(0, 0)


def test_those_who_store_the_same_at_once_are_counted_once(database: Database, writer: Writer) -> None:
    users = ("jane", "joe", "jim")
    waiting: list[Future[None]] = []
    for number in range(300):
        user = users[number % 3]
        waiting.append(writer.submit(partial(put, path=f"p{number % 7}", user=user, size=number)))
        waiting.append(writer.submit(partial(make_run, user=user)))
        if number % 11 == 0:
            waiting.append(writer.submit(partial(artifact_files.drop, root="root", path=f"p{number % 5}")))
    for future in waiting:
        future.result(60)
    found = held(database)
    assert {user: one.runs for user, one in found.items()} == dict.fromkeys(users, 100)
    assert corrections(database) == {}
    assert held(database) == found


def test_a_recount_beside_writers_is_right(database: Database, writer: Writer) -> None:
    waiting = [writer.submit(partial(make_run, user="jane")) for _ in range(100)]
    corrections(database)
    waiting += [writer.submit(partial(make_run, user="jane")) for _ in range(100)]
    for future in waiting:
        future.result(60)
    assert corrections(database) == {}
    assert held(database) == {"jane": Held(0, 200)}


def test_a_recount_says_what_was_wrong(database: Database) -> None:
    with database.write() as tx:
        put(tx, "a", "jane", 10)
    with database.write() as tx:
        tx.driver("UPDATE usage SET bytes = 99")
        tx.driver("INSERT INTO usage (user_id, bytes, runs) VALUES ('gone', 1, 1)")
    assert corrections(database) == {
        "gone": (Held(1, 1), Held(0, 0)),
        "jane": (Held(99, 0), Held(10, 0)),
    }
    assert held(database) == {"jane": Held(10, 0)}
