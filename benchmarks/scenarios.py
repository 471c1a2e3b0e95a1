"""What is measured: each scenario's requests, the data that they need, and the goal that it has.

A *goal* is the least ratio ours/peer (rates) or peer/ours (milliseconds, bytes) by database and peer;
they are the floors of the project's performance design.
"""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import urlencode

from benchmarks import load
from tests.servers import Server

API = "/api/2.0/mlflow/"
NOW = 1_700_000_000_000
HISTORY_POINTS = 100_000
BATCH = 1000
SEED_CONNECTIONS = 4
"""More at once makes stock mlflow's connection pool on SQLite refuse some."""

Goals = Mapping[tuple[str, str], float]


@dataclass(frozen=True)
class Scenario:
    """One kind of request.

    Attributes:
        unit: `req/s`, `metrics/s` (rates at that many connections) or `ms` (median latency).
        requests: an endless stream of requests against a seeded server.
        goals: (database, peer) → least ratio.
    """

    name: str
    unit: str
    connections: int
    requests: Callable[[Seeded], Iterator[bytes]]
    goals: Goals = field(default_factory=dict)

    def value(self, result: load.Result) -> float:
        """The figure for the table, in the scenario's unit."""
        if self.unit == "ms":
            return result.percentile(0.5)
        return result.rate * (BATCH if self.unit == "metrics/s" else 1)


class Seeded:
    """A server with the same data in each: N runs of 10 metrics and 10 params, and one long history."""

    def __init__(self, server: Server, runs: int) -> None:
        self.server = server
        chance = random.Random(1)
        (made,) = self._send([("experiments/create", {"name": "search"})])
        self.experiment_id: str = made["experiment_id"]
        self.runs = self.new_runs(runs, self.experiment_id)
        bodies = [("runs/log-batch", _run_data(chance, run_id)) for run_id in self.runs]
        self._send(bodies)
        (self.history_run,) = self.new_runs(1)
        self._send([("runs/log-batch", body) for body in _history_data(self.history_run)])

    def new_runs(self, count: int, experiment_id: str = "0") -> list[str]:
        """Create runs named `run 0`, `run 1`, … with start times in a row; return their ids in order."""
        bodies = [
            {"experiment_id": experiment_id, "run_name": f"run {i}", "start_time": NOW + i}
            for i in range(count)
        ]
        made = self._send([("runs/create", body) for body in bodies])
        runs = sorted((reply["run"]["info"] for reply in made), key=lambda info: int(info["start_time"]))
        return [info["run_id"] for info in runs]

    def names_found(self, scenario: Scenario) -> list[str]:
        """The names of the runs that a search scenario finds, so that answers can be compared."""
        one = itertools.islice(scenario.requests(self), 1)
        (body,) = load.run(self.server.url, one, connections=1, bodies=True).bodies
        return [run["info"]["run_name"] for run in json.loads(body)["runs"]]

    def _send(self, calls: list[tuple[str, dict[str, Any]]]) -> list[dict[str, Any]]:
        """Make all these calls, in any order; the answers come as they come."""
        messages = (post(call, json.dumps(body).encode()) for call, body in calls)
        result = load.run(self.server.url, messages, connections=SEED_CONNECTIONS, bodies=True)
        if result.errors:
            raise RuntimeError(f"{result.errors} errors while seeding: {result.first_error}")
        return [json.loads(body) for body in result.bodies]


def post(call: str, body: bytes) -> bytes:
    """A POST below the API's root."""
    return load.request("POST", API + call, body)


def get(call: str, **query: str | int) -> Iterator[bytes]:
    """The same GET for ever."""
    return itertools.repeat(load.request("GET", f"{call}?{urlencode(query)}"))


def log_metric(seeded: Seeded) -> Iterator[bytes]:
    """One point of one series after another, in turn into 16 new runs."""
    runs = seeded.new_runs(16)
    for i in itertools.count():
        point = f'"key": "loss", "value": {i / 7}, "timestamp": {NOW + i}, "step": {i // 16}'
        yield post("runs/log-metric", f'{{"run_id": "{runs[i % 16]}", {point}}}'.encode())


def log_batch(seeded: Seeded) -> Iterator[bytes]:
    """A thousand new points in ten series, in turn into 16 new runs."""
    runs = seeded.new_runs(16)
    for i in itertools.count():
        yield post("runs/log-batch", b'{"run_id": "' + runs[i % 16].encode() + _batches()[i // 16 % 64])


def create_run(_seeded: Seeded) -> Iterator[bytes]:
    """New runs with the tags that the client sends."""
    client = {"mlflow.user": "jane", "mlflow.source.name": "train.ipynb", "mlflow.source.type": "LOCAL"}
    tags = [{"key": key, "value": value} for key, value in client.items()]
    body = {"experiment_id": "0", "start_time": NOW, "tags": tags, "run_name": "new"}
    return itertools.repeat(post("runs/create", json.dumps(body).encode()))


def search_plain(seeded: Seeded) -> Iterator[bytes]:
    """The newest 100 runs."""
    body = {"experiment_ids": [seeded.experiment_id], "max_results": 100}
    return itertools.repeat(post("runs/search", json.dumps(body).encode()))


def search_filtered(seeded: Seeded) -> Iterator[bytes]:
    """The best 100 of those that pass a filter on a metric and a param (a twentieth of all)."""
    body = {
        "experiment_ids": [seeded.experiment_id],
        "max_results": 100,
        "filter": "metrics.m1 > 0.5 AND params.p1 = 'v3'",
        "order_by": ["metrics.m2 DESC"],
    }
    return itertools.repeat(post("runs/search", json.dumps(body).encode()))


def get_run(seeded: Seeded) -> Iterator[bytes]:
    """One run after another."""
    messages = [load.request("GET", f"{API}runs/get?run_id={run_id}") for run_id in seeded.runs[:100]]
    return itertools.cycle(messages)


def search_experiments(_seeded: Seeded) -> Iterator[bytes]:
    """All experiments."""
    return itertools.repeat(post("experiments/search", b'{"max_results": 100}'))


def history(seeded: Seeded) -> Iterator[bytes]:
    """All points of the long series in one answer."""
    return get(f"{API}metrics/get-history", run_id=seeded.history_run, metric_key="long")


def history_sample(seeded: Seeded) -> Iterator[bytes]:
    """What a chart asks: 320 points of the long series."""
    call = "/ajax-api/2.0/mlflow/metrics/get-history-bulk-interval"
    return get(call, run_ids=seeded.history_run, metric_key="long", max_results=320)


SCENARIOS = [
    Scenario("log-metric, 1 connection", "req/s", 1, log_metric),
    Scenario("log-metric, 16", "req/s", 16, log_metric, {
        ("sqlite", "stock"): 40, ("sqlite", "fasttrackml"): 2,
        ("postgresql", "stock"): 6, ("postgresql", "fasttrackml"): 2,
    }),
    *(
        Scenario(f"log-batch of 1000, {connections}", "metrics/s", connections, log_batch, {
            ("sqlite", "stock"): 15, ("sqlite", "fasttrackml"): 6,
            ("postgresql", "stock"): 8, ("postgresql", "fasttrackml"): 2,
        })
        for connections in (1, 16)
    ),
    Scenario("runs/create, 16", "req/s", 16, create_run, {
        ("sqlite", "stock"): 30, ("sqlite", "fasttrackml"): 1.5,
    }),
    Scenario("search, page of 100, 1", "ms", 1, search_plain, {
        ("sqlite", "stock"): 20, ("sqlite", "fasttrackml"): 4,
        ("postgresql", "stock"): 20, ("postgresql", "fasttrackml"): 2,
    }),
    Scenario("search, page of 100, 16", "req/s", 16, search_plain),
    Scenario("search, filter and order, 1", "ms", 1, search_filtered, {
        ("sqlite", "stock"): 100, ("sqlite", "fasttrackml"): 6,
    }),
    Scenario("search, filter and order, 16", "req/s", 16, search_filtered),
    Scenario("runs/get, 16", "req/s", 16, get_run, {
        (database, peer): goal
        for database in ("sqlite", "postgresql")
        for peer, goal in (("stock", 30), ("fasttrackml", 1))
    }),
    Scenario("experiments/search, 16", "req/s", 16, search_experiments, {
        (database, peer): goal
        for database in ("sqlite", "postgresql")
        for peer, goal in (("stock", 30), ("fasttrackml", 1))
    }),
    Scenario("get-history of 100,000 points, 1", "ms", 1, history, {
        ("sqlite", "stock"): 40, ("sqlite", "fasttrackml"): 7,
        ("postgresql", "stock"): 40, ("postgresql", "fasttrackml"): 4,
    }),
    Scenario("bulk-interval, 320 of 100,000, 1", "ms", 1, history_sample, {
        ("sqlite", "stock"): 50, ("postgresql", "stock"): 50,
    }),
]  # fmt: skip


def _run_data(chance: random.Random, run_id: str) -> dict[str, Any]:
    metrics = [{"key": f"m{i}", "value": chance.random(), "timestamp": NOW, "step": 1} for i in range(10)]
    params = [{"key": f"p{i}", "value": f"v{chance.randrange(10)}"} for i in range(10)]
    return {"run_id": run_id, "metrics": metrics, "params": params}


def _history_data(run_id: str) -> Iterator[dict[str, Any]]:
    for begin in range(0, HISTORY_POINTS, BATCH):
        steps = range(begin, begin + BATCH)
        points = [{"key": "long", "value": s / 7, "timestamp": NOW + s, "step": s} for s in steps]
        yield {"run_id": run_id, "metrics": points}


@cache
def _batches() -> list[bytes]:
    """The ends of 64 log-batch bodies, after the run's id."""
    ends = []
    for number in range(64):
        steps = range(number * 100, number * 100 + 100)
        points = [
            {"key": f"metric {k}", "value": s / 7 + k, "timestamp": NOW + s, "step": s}
            for s in steps
            for k in range(10)
        ]
        ends.append(b'", "metrics": ' + json.dumps(points).encode() + b"}")
    return ends
