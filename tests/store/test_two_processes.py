"""Two servers on one store: they write, make names and fold at the same time."""

from __future__ import annotations

import multiprocessing
from collections import Counter

from jupyter_tracking_server.store import runs
from jupyter_tracking_server.store.database import Database
from jupyter_tracking_server.store.entries import Entries, MetricPoint
from jupyter_tracking_server.store.fold import FoldPolicy
from jupyter_tracking_server.store.writer import Writer

from .scene import anyone, in_chunks, in_tail, new_run, whole

BATCHES, SIZE = 40, 50


def serve(uri: str, run_id: str, number: int) -> None:
    database = Database(uri)
    database.migrate("root")
    faults: list[BaseException] = []
    policy = FoldPolicy(after_points=300, least_points=50, slice_points=120, quiet_seconds=0.01)
    writer = Writer(database, on_fault=faults.append, policy=policy)
    writer.start()
    for batch in range(BATCHES):
        points = [
            MetricPoint(f"m{step % 4}-{batch}", step / 4, 10_000 * number + step, step)
            for step in range(batch * SIZE, (batch + 1) * SIZE)
        ]
        writer.log(Entries(run_id, points, [(f"p{batch}", "v")], [(f"t{batch}", "v")]), anyone).result()
    writer.stop()
    database.close()
    assert faults == []


def test_two_processes_share_a_store(uri: str, database: Database) -> None:
    run_id = new_run(database)
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=serve, args=(uri, run_id, number)) for number in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    with database.read() as tx:
        stored = Counter(in_tail(tx) + in_chunks(tx))
        ((names, distinct),) = tx.driver("SELECT count(*), count(DISTINCT text) FROM keys")
        assert runs.experiments_of(tx, [run_id]) == {run_id: 0}
    steps = range(BATCHES * SIZE)
    assert stored == {(step, 10_000 * n + step, repr(step / 4)): 1 for n in range(2) for step in steps}
    assert names == distinct
    data = whole(database, run_id).data
    assert (len(data.metrics), len(data.params), len(data.tags)) == (4 * BATCHES, BATCHES, BATCHES + 1)
    assert {metric.timestamp - metric.step for metric in data.metrics} == {10_000}
