"""Steps of the client script: search of runs by filter, order and page."""

from __future__ import annotations

import math
from functools import partial

import mlflow

from tests.compat.scene import Scene, refused, same

RUNS = 13


def filters(scene: Scene) -> None:
    """One filter of each kind, and conjunctions, against runs whose values are known."""
    client, ids = scene.client, _make_runs(scene)
    cases: list[tuple[str, list[int]]] = [
        ("metrics.acc > 0.75", [8, 9, 10, 11]),
        ("metrics.acc >= 0.1 and metrics.acc < 0.3", [1, 2]),
        ("metrics.`deep/m 1` = 4", [2]),
        ("params.kind = 'even'", [0, 2, 4, 6, 8, 10, 12]),
        ("params.kind != 'even' AND metrics.acc <= 0.5", [1, 3, 5]),
        ("params.name LIKE 'Name 1%'", [1, 10, 11, 12]),
        ("params.name LIKE 'name 1%'", []),
        ("params.name ILIKE 'name 1%'", [1, 10, 11, 12]),
        ("tags.colour = 'grün'", [0, 3, 6, 9, 12]),
        ('tags."my tag" = "it\'s"', [5]),
        ("attributes.status = 'FINISHED'", [0, 4, 8, 12]),
        ("status = 'RUNNING' and params.kind = 'odd'", [1, 3, 5, 7, 9, 11]),
        ("run_name = 'run 7'", [7]),
        (f"attributes.run_id IN ('{ids[3]}', '{ids[4]}')", [3, 4]),
        ("attributes.start_time > 1700000000010", [11, 12]),
        ("metrics.none > 0", []),
        ("tags.`my tag` IS NOT NULL", [5]),
        ("params.none IS NULL AND metrics.acc < 0.15", [0, 1]),
        ("", list(range(RUNS))),
    ]
    for text, expected in cases:
        found = client.search_runs([scene.experiment_id], text, max_results=100)
        same((text, sorted(ids.index(run.info.run_id) for run in found)), (text, expected))
    same(len(client.search_runs([], "")), 0)
    for wrong in ("metrics.acc > 'x'", "params.kind = 1", "nonsense", "acc > 1 OR acc < 0", "foo.bar = 'x'"):
        refused("INVALID_PARAMETER_VALUE", partial(client.search_runs, [scene.experiment_id], wrong))


def order_and_pages(scene: Scene) -> None:
    """Each kind of order, missing and NaN values last, and pages which together are the whole."""
    client, ids = scene.client, _make_runs(scene)
    client.log_metric(ids[4], "loss", math.nan)
    client.log_metric(ids[2], "loss", 2.0)
    client.log_metric(ids[9], "loss", -1.0)
    rest = [i for i in reversed(range(RUNS)) if i not in {2, 4, 9}]
    cases = [
        (["metrics.loss ASC"], [9, 2, 4, *rest]),
        (["metrics.loss DESC"], [2, 9, 4, *rest]),
        (["params.kind DESC", "metrics.acc"], [*range(1, 12, 2), *range(0, 11, 2), 12]),
        (["attributes.start_time ASC"], list(range(RUNS))),
        ([], list(reversed(range(RUNS)))),
    ]
    for order, expected in cases:
        pages: list[list[int]] = []
        token = None
        while token is not None or not pages:
            page = client.search_runs([scene.experiment_id], order_by=order, max_results=5, page_token=token)
            pages.append([ids.index(run.info.run_id) for run in page])
            token = page.token or None
        same((order, [len(page) for page in pages]), (order, [5, 5, 3]))
        same((order, [index for page in pages for index in page]), (order, expected))


def fluent_search(scene: Scene) -> None:
    """`mlflow.search_runs` as a list, whole runs compared; and experiments in pages."""
    _make_runs(scene)
    found = mlflow.search_runs(
        filter_string="params.kind = 'odd'", order_by=["metrics.acc DESC"], output_format="list"
    )
    same([run.info.run_name for run in found], [f"run {i}" for i in range(11, 0, -2)])
    same(found[0].data.metrics, {"acc": 1.1, "deep/m 1": 22.0})
    same(found[0].data.params, {"kind": "odd", "name": "Name 11"})
    same(found[0].data.tags["colour"], "blau")

    prefix = f"paged {scene.experiment_id}"
    made = [scene.client.create_experiment(f"{prefix} {i}", tags={"n": str(i)}) for i in range(5)]
    pages: list[list[str]] = []
    token = None
    while token is not None or not pages:
        page = scene.client.search_experiments(
            filter_string=f"name LIKE '{prefix}%'", order_by=["name DESC"], max_results=2, page_token=token
        )
        pages.append([experiment.experiment_id for experiment in page])
        token = page.token or None
    same(pages, [[made[4], made[3]], [made[2], made[1]], [made[0]]])
    tagged = scene.client.search_experiments(filter_string=f"name LIKE '{prefix}%' AND tags.n = '3'")
    same([experiment.experiment_id for experiment in tagged], [made[3]])


def _make_runs(scene: Scene) -> list[str]:
    """Make runs with start times in a row, the last without metric `acc`; return their ids in that order."""
    ids = []
    for i in range(RUNS):
        run = scene.client.create_run(
            scene.experiment_id,
            start_time=1_700_000_000_000 + i,
            tags={"colour": "grün" if i % 3 == 0 else "blau", **({"my tag": "it's"} if i == 5 else {})},
            run_name=f"run {i}",
        )
        run_id = run.info.run_id
        if i < RUNS - 1:
            scene.client.log_metric(run_id, "acc", i / 10)
        scene.client.log_metric(run_id, "deep/m 1", 2.0 * i)
        scene.client.log_param(run_id, "kind", "odd" if i % 2 else "even")
        scene.client.log_param(run_id, "name", f"Name {i}")
        if i % 4 == 0:
            scene.client.set_terminated(run_id)
        ids.append(run_id)
    return ids


STEPS = [filters, order_and_pages, fluent_search]
