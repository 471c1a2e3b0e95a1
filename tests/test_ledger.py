"""How entries of the ledger wait for a database that is slow or away; nothing of them is lost."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from jupyter_tracking.protocol.errors import TemporarilyUnavailable
from jupyter_tracking_server import ledger
from jupyter_tracking_server.ledger import Ledger
from jupyter_tracking_server.observer import row
from jupyter_tracking_server.store import audit
from jupyter_tracking_server.store.audit import Entry, Wanted
from jupyter_tracking_server.store.database import Database, Transaction


def entry(number: int, text: str = "{}") -> Entry:
    return Entry(number, "jane", "token", "c", "127.0.0.1", "create_run", "POST", text, "ok", 200, 1, 2)


class Door:
    """A database that can be away, or slow."""

    def __init__(self, folder: Path) -> None:
        self._database = Database(f"sqlite:///{folder / 'tracking.db'}")
        self._database.migrate("mlflow-artifacts:")
        self.away = False
        self.asked = 0
        self.open = asyncio.Event()
        self.open.set()

    async def write(self, work: Callable[[Transaction], None]) -> None:
        self.asked += 1
        await self.open.wait()
        if self.away:
            raise TemporarilyUnavailable("The tracking database is away; try again.")
        with self._database.write() as tx:
            work(tx)

    def stored(self) -> list[int]:
        """The times of the entries, in the order of their ids."""
        with self._database.read() as tx:
            return [one.at for _, one in audit.first_ids(tx, 0, 2**60, 100_000)]

    def close(self) -> None:
        self._database.close()


def with_ledger(folder: Path, act: Callable[[Door, Ledger], Awaitable[None]]) -> list[int]:
    """What is stored after something was done with a ledger, which is closed then."""

    async def run() -> list[int]:
        door = Door(folder)
        kept = Ledger(door.write)
        try:
            await act(door, kept)
            door.open.set()
            await kept.close()
            return door.stored()
        finally:
            door.close()

    return asyncio.run(run())


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        await asyncio.sleep(0.005)


def test_entries_are_stored_together_and_in_order(tmp_path: Path) -> None:
    async def act(door: Door, kept: Ledger) -> None:
        for number in range(100):
            kept.add(entry(number))
        await until(lambda: len(door.stored()) == 100)
        assert door.asked == 1
        for number in range(100, 1200):
            kept.add(entry(number))
        await until(lambda: len(door.stored()) == 1200)

    assert with_ledger(tmp_path, act) == list(range(1200))


def test_what_waits_is_stored_at_the_end(tmp_path: Path) -> None:
    async def act(door: Door, kept: Ledger) -> None:
        for number in range(3):
            kept.add(entry(number))
        assert door.asked == 0

    assert with_ledger(tmp_path, act) == [0, 1, 2]


def test_while_the_database_is_away_entries_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "AGAIN", 0.01)

    async def act(door: Door, kept: Ledger) -> None:
        door.away = True
        for number in range(700):
            kept.add(entry(number))
        await until(lambda: door.asked >= 3)
        kept.add(entry(700))
        door.away = False
        await until(lambda: len(door.stored()) == 701)

    assert with_ledger(tmp_path, act) == list(range(701))


def test_what_the_database_never_takes_goes_to_the_error_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def act(door: Door, kept: Ledger) -> None:
        door.away = True
        kept.add(entry(1, '{"run_id":"lost"}'))

    assert with_ledger(tmp_path, act) == []
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert r"{\"run_id\":\"lost\"}" in record.getMessage()


def test_what_cannot_be_stored_does_not_hold_up_the_rest(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def act(door: Door, kept: Ledger) -> None:
        kept.add(entry(1)._replace(user_id=None))  # type: ignore[arg-type]  # a defect
        await until(lambda: door.asked == 1)
        kept.add(entry(2))

    assert with_ledger(tmp_path, act) == [2]
    assert '"at":1' in caplog.text


def test_a_full_ledger_slows_down_but_not_for_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "FULL", 10)
    monkeypatch.setattr(ledger, "BRAKE", 0.05)

    async def act(door: Door, kept: Ledger) -> None:
        await kept.brake()
        door.open.clear()
        for number in range(ledger.TOGETHER + 10):
            kept.add(entry(number))
        await until(lambda: kept.is_full and door.asked == 1)
        began = asyncio.get_running_loop().time()
        await kept.brake()
        assert asyncio.get_running_loop().time() - began >= 0.04
        door.open.set()
        await until(lambda: not kept.is_full)

    assert len(with_ledger(tmp_path, act)) == ledger.TOGETHER + 10


RUN = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    ("subject", "named"),
    [
        ({"experiment_id": "3"}, ("3", None)),
        ({"run_id": RUN, "path": "4/x"}, (None, RUN)),
        ({"run_id": "a/b%"}, (None, "a/b%")),
        ({"path": f"3/{RUN}/artifacts/a.txt"}, ("3", RUN)),
        ({"path": f"3/{RUN}/artifacts"}, ("3", RUN)),
        ({"artifact_path": f"3/{RUN}/artifacts", "path": "4/a.txt"}, ("3", RUN)),
        ({"path": f"team/artifacts/{RUN}/artifacts/a"}, (None, RUN)),
        ({"path": f"3/models/m-{RUN}/artifacts/a"}, ("3", None)),
        ({"path": f"3/{RUN}"}, ("3", None)),
        ({"path": "3"}, ("3", None)),
        ({"path": f"3a/{RUN}x/artifacts"}, (None, None)),
        ({"model_id": f"m-{RUN}", "path": "3/a"}, (None, None)),
        ({"username": "jane"}, (None, None)),
        ({}, (None, None)),
    ],
)
def test_an_entry_is_found_by_what_its_subject_names(
    subject: dict[str, str], named: tuple[str | None, str | None]
) -> None:
    found = row({"endpoint": "e", "subject": subject, "outcome": "ok"})
    assert (found.experiment_id, found.run_id) == named


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (Wanted(run_id="x"), "ix_audit_run_id"),
        (Wanted(experiment_id="x"), "ix_audit_experiment_id"),
        (Wanted(user="x"), "ix_audit_user_id"),
    ],
)
def test_a_search_reads_no_more_than_it_finds(tmp_path: Path, wanted: Wanted, index: str) -> None:
    database = Database(f"sqlite:///{tmp_path / 'tracking.db'}")
    database.migrate("mlflow-artifacts:")
    asked: list[str] = []
    with database.read() as tx:
        tx.connection.connection.driver_connection.set_trace_callback(asked.append)  # type: ignore[union-attr]  # sqlite3's own
        audit.page(tx, wanted, (5, 5), 10)
        (plan,) = tx.driver(f"EXPLAIN QUERY PLAN {asked[0]}")
    assert f"USING INDEX {index} " in plan[3]
    database.close()


def test_more_than_can_wait_goes_to_the_error_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(ledger, "MOST", 5)

    async def act(door: Door, kept: Ledger) -> None:
        del door
        for number in range(8):
            kept.add(entry(number))

    assert with_ledger(tmp_path, act) == [3, 4, 5, 6, 7]
    assert sum('"at":' in record.getMessage() for record in caplog.records) == 3
