"""Steps of the client script: experiments, runs, metrics, params and tags."""

from __future__ import annotations

import contextlib
import math

import mlflow
from mlflow.entities import Metric, Param, RunTag, ViewType

from tests.compat.scene import Scene, refused, same

LONGEST_PAGE = 25_000
"""How many points the Python client asks for in one page of a metric's history."""


def experiments(scene: Scene) -> None:
    """Create, read by id and name, tag, rename, delete and restore; the codes that clients branch on."""
    client = scene.client
    name = f"größe/α {scene.experiment_id} ☃"
    made = client.create_experiment(name, tags={"team": "ß"})
    refused("RESOURCE_ALREADY_EXISTS", lambda: client.create_experiment(name))
    found = client.get_experiment(made)
    same((found.name, found.lifecycle_stage, found.tags), (name, "active", {"team": "ß"}))
    same(client.get_experiment_by_name(name).experiment_id, made)
    same(client.get_experiment_by_name(name + "?"), None)
    refused("RESOURCE_DOES_NOT_EXIST", lambda: client.get_experiment("987654321"))

    client.set_experiment_tag(made, "stage", "dev")
    client.rename_experiment(made, name + " 2")
    found = client.get_experiment(made)
    same((found.name, found.tags), (name + " 2", {"team": "ß", "stage": "dev"}))
    same(found.last_update_time >= found.creation_time > 0, True)
    same([e.experiment_id for e in client.search_experiments(filter_string=f"name = '{name} 2'")], [made])
    same(
        [e.experiment_id for e in client.search_experiments(filter_string="name LIKE 'größe/%'")][:1], [made]
    )

    run = client.create_run(made).info.run_id
    client.delete_experiment(made)
    same(client.get_experiment(made).lifecycle_stage, "deleted")
    same(client.get_run(run).info.lifecycle_stage, "deleted")
    deleted = client.search_experiments(view_type=ViewType.DELETED_ONLY, filter_string=f"name = '{name} 2'")
    same([e.experiment_id for e in deleted], [made])
    refused("RESOURCE_DOES_NOT_EXIST", lambda: client.delete_experiment(made))
    client.restore_experiment(made)
    same(client.get_experiment(made).lifecycle_stage, "active")
    same(client.get_run(run).info.lifecycle_stage, "active")


def fluent_run(scene: Scene) -> None:
    """The first cells of every notebook: a run with params, metrics by step, tags, and its end."""
    with mlflow.start_run(run_name="läuft", description="why", tags={"a": "1"}) as active:
        run_id = active.info.run_id
        mlflow.log_param("lr", 0.1)
        mlflow.log_params({"layers": [64, 32], "leer": "", "text": "ä\n\t'\"☃" * 20})
        for step in range(5):
            mlflow.log_metric("loss", 1.0 / (step + 1), step=step)
        mlflow.log_metrics({"acc": 0.5, "deep/metric name-1.x": 1e-300}, step=3)
        mlflow.log_metric("broken", math.nan)
        mlflow.set_tags({"b": "2", "c": "ç"})
        mlflow.set_tag("b", "3")
        mlflow.delete_tag("c")
        same(mlflow.get_run(run_id).info.status, "RUNNING")
    run = mlflow.get_run(run_id)
    same((run.info.run_id, run.info.run_name, run.info.status), (run_id, "läuft", "FINISHED"))
    same((run.info.experiment_id, run.info.lifecycle_stage), (scene.experiment_id, "active"))
    same(run.info.end_time >= run.info.start_time > 0, True)
    text = "ä\n\t'\"☃" * 20
    same(run.data.params, {"lr": "0.1", "layers": "[64, 32]", "leer": "", "text": text})
    same(math.isnan(run.data.metrics.pop("broken")), True)
    same(run.data.metrics, {"loss": 0.2, "acc": 0.5, "deep/metric name-1.x": 1e-300})
    own = {key: value for key, value in run.data.tags.items() if not key.startswith("mlflow.")}
    same(own, {"a": "1", "b": "3"})
    same((run.data.tags["mlflow.runName"], run.data.tags["mlflow.note.content"]), ("läuft", "why"))
    same([(m.step, m.value) for m in scene.client.get_metric_history(run_id, "loss")], [
        (0, 1.0), (1, 0.5), (2, 1.0 / 3), (3, 0.25), (4, 0.2),
    ])  # fmt: skip
    refused("RESOURCE_DOES_NOT_EXIST", lambda: mlflow.get_run("0" * 32))


def run_states(scene: Scene) -> None:
    """A failing block, a nested run, a resumed run, a rename."""
    with contextlib.suppress(ZeroDivisionError), mlflow.start_run() as failing:
        print(1 / 0)
    same(mlflow.get_run(failing.info.run_id).info.status, "FAILED")

    with (
        mlflow.start_run(run_name="parent") as parent,
        mlflow.start_run(run_name="child", nested=True) as child,
    ):
        mlflow.log_metric("m", 1.0)
    same(mlflow.get_run(child.info.run_id).data.tags["mlflow.parentRunId"], parent.info.run_id)
    same(mlflow.get_parent_run(child.info.run_id).info.run_id, parent.info.run_id)
    children = scene.client.search_runs(
        [scene.experiment_id], f"tags.mlflow.parentRunId = '{parent.info.run_id}'"
    )
    same([run.info.run_id for run in children], [child.info.run_id])

    with mlflow.start_run(run_id=parent.info.run_id):
        same(mlflow.get_run(parent.info.run_id).info.status, "RUNNING")
        mlflow.log_metric("late", 2.0)
    resumed = mlflow.get_run(parent.info.run_id)
    same((resumed.info.status, resumed.data.metrics), ("FINISHED", {"late": 2.0}))

    scene.client.update_run(parent.info.run_id, status="KILLED", name="renamed")
    renamed = scene.client.get_run(parent.info.run_id)
    same((renamed.info.status, renamed.info.run_name), ("KILLED", "renamed"))
    same(renamed.data.tags["mlflow.runName"], "renamed")
    scene.client.set_tag(parent.info.run_id, "mlflow.runName", "again")
    same(scene.client.get_run(parent.info.run_id).info.run_name, "again")
    found = scene.client.search_runs([scene.experiment_id], "run_name = 'again'")
    same([run.info.run_id for run in found], [parent.info.run_id])


def batches(scene: Scene) -> None:
    """`log_batch`: everything at once, twice the same, and a conflict that must change nothing."""
    client, run_id = scene.client, scene.new_run("batch")
    metrics = [Metric(f"m{i % 100}", float(i), 1_700_000_000_000 + i, i // 100) for i in range(800)]
    params = [Param(f"p{i}", f"value {i}") for i in range(100)]
    tags = [RunTag(f"t{i}", f"Wert {i}") for i in range(100)]
    for _ in range(2):
        client.log_batch(run_id, metrics, params, tags)
    data = client.get_run(run_id).data
    same(data.metrics, {f"m{i}": float(700 + i) for i in range(100)})
    same(data.params, {f"p{i}": f"value {i}" for i in range(100)})
    same(
        {key: data.tags[key] for key in (f"t{i}" for i in range(100))},
        {f"t{i}": f"Wert {i}" for i in range(100)},
    )
    history = client.get_metric_history(run_id, "m7")
    same(
        [(m.key, m.value, m.timestamp, m.step) for m in history],
        [("m7", float(i), 1_700_000_000_000 + i, i // 100) for i in range(7, 800, 100)],
    )
    other = [Param("p0", "another"), Param("new", "1")]
    refused("INVALID_PARAMETER_VALUE", lambda: client.log_batch(run_id, [], other, []))
    same(client.get_run(run_id).data.params, data.params)
    client.log_param(run_id, "p0", "value 0")
    refused("INVALID_PARAMETER_VALUE", lambda: client.log_param(run_id, "p0", "another"))


def metric_history(scene: Scene) -> None:
    """Order by time, latest by step, special values, async logging, and more points than one page."""
    client, run_id = scene.client, scene.new_run("history")
    points = [(5.0, 300, 1), (4.0, 100, 7), (3.0, 200, -2), (2.0, 100, 7), (-0.5, 100, 3)]
    for value, timestamp, step in points:
        client.log_metric(run_id, "m", value, timestamp=timestamp, step=step)
    same(
        [(m.value, m.timestamp, m.step) for m in client.get_metric_history(run_id, "m")],
        sorted(points, key=lambda point: (point[1], point[2], point[0])),
    )
    same(client.get_run(run_id).data.metrics, {"m": 4.0})
    same(client.get_metric_history(run_id, "unknown"), [])
    for step, value in enumerate((math.inf, -math.inf, math.nan, 5e-324, 0.1 + 0.2)):
        client.log_metric(run_id, "special", value, timestamp=1, step=step)
    special = [m.value for m in client.get_metric_history(run_id, "special")]
    same((special[0] > 1e308, special[1] < -1e308, math.isnan(special[2])), (True, True, True))
    same(special[3:], [5e-324, 0.1 + 0.2])

    with mlflow.start_run(run_id=run_id):
        for step in range(50):
            mlflow.log_metric("async", step / 7, step=step, synchronous=False)
        mlflow.flush_async_logging()
    same([m.value for m in client.get_metric_history(run_id, "async")], [step / 7 for step in range(50)])

    count = LONGEST_PAGE + 500
    for begin in range(0, count, 1000):
        steps = range(begin, min(begin + 1000, count))
        client.log_batch(run_id, [Metric("long", step * 0.5, 1000 + step, step) for step in steps])
    long = client.get_metric_history(run_id, "long")
    same([(m.step, m.value) for m in long], [(step, step * 0.5) for step in range(count)])


def deletion(scene: Scene) -> None:
    """Delete and restore a run: what each view shows, and that a deleted run takes no more points."""
    client = scene.client
    kept, gone = scene.new_run("kept", m=1.0), scene.new_run("gone", m=2.0)

    def seen(view: int) -> set[str]:
        return {run.info.run_id for run in client.search_runs([scene.experiment_id], run_view_type=view)}

    client.delete_run(gone)
    same(client.get_run(gone).info.lifecycle_stage, "deleted")
    same(seen(ViewType.ACTIVE_ONLY), {kept})
    same(seen(ViewType.DELETED_ONLY), {gone})
    same(seen(ViewType.ALL), {kept, gone})
    refused("INVALID_PARAMETER_VALUE", lambda: client.log_metric(gone, "m", 3.0))
    client.restore_run(gone)
    same(seen(ViewType.ACTIVE_ONLY), {kept, gone})
    client.log_metric(gone, "m", 3.0, step=1)
    same(client.get_run(gone).data.metrics, {"m": 3.0})
    refused("RESOURCE_DOES_NOT_EXIST", lambda: client.delete_tag(gone, "never set"))


STEPS = [experiments, fluent_run, run_states, batches, metric_history, deletion]
