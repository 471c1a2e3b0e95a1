"""The collector on stores in memory: faults of the store, and which place is whose."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from jupyter_tracking.protocol.enums import LifecycleStage
from jupyter_tracking_server import collection
from jupyter_tracking_server.artifact_stores.errors import StoreUnavailable
from jupyter_tracking_server.artifact_stores.keys import Key
from jupyter_tracking_server.artifact_stores.memory import MemoryStore
from jupyter_tracking_server.config import Settings
from jupyter_tracking_server.server import Server
from jupyter_tracking_server.services.gc import Collector, Report, Tools
from jupyter_tracking_server.services.gc_places import Root
from jupyter_tracking_server.store import experiments, purge, runs
from jupyter_tracking_server.store.database import Database, Transaction
from jupyter_tracking_server.store.trash import Choice

T = TypeVar("T")


class Store(MemoryStore):
    """A store at a URL of its own, which may be away."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url
        self.away = False
        self.asked: list[Key] = []

    async def delete(self, key: Key) -> bool:
        if self.away:
            raise StoreUnavailable
        self.asked.append(key)
        return await super().delete(key)


class Shop:
    """A database with runs in the trash, and a collector on it."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def trashed_run(self, location: str = "") -> tuple[str, str]:
        """Id and location of a run of an experiment of its own."""
        run_id = secrets.token_hex(16)
        with self.database.write() as tx:
            new = experiments.NewExperiment(run_id, "mlflow-artifacts:", 1, location)
            number = experiments.create(tx, new)
            found = experiments.get(tx, number)
            assert found is not None
            uri = f"{found.artifact_location}/{run_id}/artifacts"
            runs.create(tx, runs.NewRun(run_id, number, "name", "jane", 1, uri))
            runs.set_lifecycle(tx, run_id, LifecycleStage.DELETED, 1000)
        return run_id, uri

    async def read(self, work: Callable[[Transaction], T]) -> T:
        with self.database.read() as tx:
            return work(tx)

    async def write(self, work: Callable[[Transaction], T]) -> T:
        with self.database.write() as tx:
            return work(tx)

    def collect(self, *roots: Root) -> Report:
        tools = Tools(self.read, self.write, roots, now=lambda: 2000)
        return asyncio.run(Collector(tools).collect(Choice(before=2000)))

    def purges(self) -> list[str]:
        """Locations of what is still to be removed."""
        with self.database.read() as tx:
            return [gone.location for gone in purge.pending(tx)]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    database = Database(f"sqlite:///{tmp_path / 'tracking.db'}")
    database.migrate("mlflow-artifacts:")
    yield Shop(database)
    database.close()


def fill(store: Store, key: Key) -> None:
    async def put() -> None:
        async with await store.create(key) as upload:
            await upload.write(b"x")
            await upload.finish()

    asyncio.run(put())


def test_a_store_that_is_away_is_asked_again_the_next_time(shop: Shop) -> None:
    run_id, location = shop.trashed_run()
    store = Store("s3://bucket/folder")
    fill(store, ("1", run_id, "artifacts", "a"))
    store.away = True
    report = shop.collect(Root(store, proxied=True))
    assert (report.removed["run"], report.folders) == (1, 0)
    assert report.failed == [f"{location}: The artifact store cannot be reached at the moment."]
    assert shop.purges() == [location]
    store.away = False
    report = shop.collect(Root(store, proxied=True))
    assert (report.removed["run"], report.folders, report.failed) == (0, 1, [])
    assert shop.purges() == []


def test_what_is_not_there_any_more_is_no_fault(shop: Shop) -> None:
    shop.trashed_run()
    report = shop.collect(Root(Store("s3://bucket"), proxied=True))
    assert (report.removed["run"], report.folders, report.failed, shop.purges()) == (1, 0, [], [])


@pytest.mark.parametrize(
    ("location", "asked"),
    [
        ("s3://bucket/folder/x", "proxied x"),
        ("s3://bucket/folder", "proxied"),
        ("mlflow-artifacts://host:5000/x", "proxied x"),
        ("http://host/api/2.0/mlflow-artifacts/artifacts/x", "proxied x"),
        ("gs://direct/x", "direct x"),
        ("s3://bucket/folders/x", ""),
        ("s3://bucket/x", ""),
        ("s3://bucket/folder/%2e%2e/x", "proxied %2e%2e x"),
        ("s3://bucket/folder//x", ""),
        ("s3://169.254.169.254/x", ""),
        ("http://169.254.169.254/x", ""),
        ("mlflow-artifacts:/.uploads", ""),
        ("file:///etc", ""),
    ],
)
def test_the_server_goes_only_below_its_roots(shop: Shop, location: str, asked: str) -> None:
    run_id, uri = shop.trashed_run(location)
    stores = {"proxied": Store("s3://bucket/folder"), "direct": Store("gs://direct")}
    report = shop.collect(Root(stores["proxied"], proxied=True), Root(stores["direct"]))
    name, *folders = asked.split() or [""]
    expected = {name: [(*folders, run_id, "artifacts")]} if name else {}
    assert {name: store.asked for name, store in stores.items() if store.asked} == expected
    assert report.left == ([] if asked else [uri])
    assert shop.purges() == []


def test_proxied_bytes_wait_for_a_server_that_has_their_store(shop: Shop) -> None:
    run_id, location = shop.trashed_run()
    report = shop.collect(Root(Store("s3://direct")))
    assert report.removed["run"] == 0
    assert report.failed == [f"{location}: the store of proxied artifacts is not open here"]
    with shop.database.read() as tx:
        assert runs.get(tx, run_id) is not None


def test_the_same_place_by_another_spelling_is_a_neighbour_too(shop: Shop) -> None:
    run_id, location = shop.trashed_run("file:///srv/artifacts/team")
    spelled = "".join(f"%{ord(character):02x}" for character in run_id)
    with shop.database.write() as tx:
        uri = f"mlflow-artifacts:/team/{spelled}/artifacts/inner"
        number = experiments.create(tx, experiments.NewExperiment("inner", "", 1, uri))
    store = Store("file:///srv/artifacts")
    report = shop.collect(Root(store, proxied=True))
    assert report.kept == [f"{location}: experiment {number} has its artifacts in there"]
    assert (store.asked, shop.purges()) == ([], [location])


def test_an_experiment_has_only_its_traces_and_only_below_its_own_number(shop: Shop) -> None:
    with shop.database.write() as tx:
        own = experiments.create(tx, experiments.NewExperiment("own", "mlflow-artifacts:", 1))
        other = experiments.create(tx, experiments.NewExperiment("other", "", 1, "mlflow-artifacts:/data"))
        for number in (own, other):
            experiments.set_lifecycle(tx, number, LifecycleStage.DELETED, 1000)
    store = Store("s3://bucket")
    report = shop.collect(Root(store, proxied=True))
    assert (report.removed["experiment"], report.left) == (2, [])
    assert store.asked == [(str(own), "traces")]


def test_a_server_removes_old_trash_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collection, "DELAY", 0.0)
    url = f"sqlite:///{tmp_path / 'tracking.db'}"
    database = Database(url)
    database.migrate("mlflow-artifacts:")
    shop = Shop(database)
    old, _ = shop.trashed_run()
    young, _ = shop.trashed_run()
    with database.write() as tx:
        runs.set_lifecycle(tx, young, LifecycleStage.ACTIVE, 0)
        runs.set_lifecycle(tx, young, LifecycleStage.DELETED, time.time_ns() // 1_000_000)
    settings = Settings(
        backend_store_uri=url, artifacts_destination=str(tmp_path / "artifacts"), gc_after="30d"
    )

    def is_there(run_id: str) -> bool:
        with database.read() as tx:
            return runs.get(tx, run_id) is not None

    async def serve() -> None:
        server = Server(settings)
        server.begin_chores()
        while is_there(old) or shop.purges():  # noqa: ASYNC110 - another thread brings it about
            await asyncio.sleep(0.01)
        await server.close()

    asyncio.run(asyncio.wait_for(serve(), 60))
    assert is_there(young)
    database.close()
