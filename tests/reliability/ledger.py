"""A ledger of log-batch calls: what was sent, what was acknowledged, and the check of what is there.

Words: a *writer* is a thread that logs batch after batch into runs of its own; a *batch* has points of one
series, a metric, params and tags of its own, so that any torn part shows; *acknowledged* means answered
with 200.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import requests

from tests.servers import Server

API = "/api/2.0/mlflow/"
POINTS = 300
BATCHES_A_RUN = 12
SERIES = "loss"
EPOCH = 1_700_000_000_000

Connect = Callable[[], requests.Session]
"""How a writer comes to its client; a plain one tries nothing again."""


@dataclass
class Batch:
    """The `index`-th batch of a run and whether the server acknowledged it."""

    run_id: str
    index: int
    acknowledged: bool = False

    @property
    def steps(self) -> range:
        """The steps of its part of the run's series."""
        return range(self.index * POINTS, (self.index + 1) * POINTS)

    @property
    def points(self) -> list[tuple[int, int, float]]:
        """Its part of the run's series: (step, timestamp, value)."""
        return [(step, EPOCH + step, step / 7) for step in self.steps]

    @property
    def params(self) -> dict[str, str]:
        """Its params; no other batch has these keys."""
        return {f"p{self.index}.{i}": f"value {self.index}" for i in range(3)}

    @property
    def tags(self) -> dict[str, str]:
        """Its tags; no other batch has these keys."""
        return {f"t{self.index}.{i}": f"Wert {self.index} ☃" for i in range(2)}

    @property
    def metrics(self) -> dict[str, float]:
        """Its metrics besides the series; no other batch has these keys."""
        return {f"m{self.index}": self.index / 3}

    def body(self) -> dict[str, Any]:
        """The log-batch request."""
        series = [{"key": SERIES, "step": s, "timestamp": t, "value": v} for s, t, v in self.points]
        single = [{"key": k, "step": 0, "timestamp": EPOCH, "value": v} for k, v in self.metrics.items()]
        return {
            "run_id": self.run_id,
            "metrics": series + single,
            "params": [{"key": key, "value": value} for key, value in self.params.items()],
            "tags": [{"key": key, "value": value} for key, value in self.tags.items()],
        }


class Ledger:
    """All batches sent by all writers, and every answer that was not 200."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.failures: list[str] = []
        self.acknowledged = 0
        self._changed = threading.Condition()

    def sent(self, run_id: str, index: int) -> Batch:
        """Note a batch that is about to be sent."""
        batch = Batch(run_id, index)
        with self._changed:
            self.batches.append(batch)
        return batch

    def answered(self, batch: Batch) -> None:
        """Note that a batch was acknowledged."""
        with self._changed:
            batch.acknowledged = True
            self.acknowledged += 1
            self._changed.notify_all()

    def failed(self, why: str) -> None:
        """Note an answer other than 200, or none at all."""
        with self._changed:
            self.failures.append(why)
            self._changed.notify_all()

    def wait_for_acknowledged(self, count: int, timeout: float = 120.0) -> None:
        """Wait until so many batches in all were acknowledged, or some writer failed.

        Raises:
            TimeoutError: neither came in time.
        """
        failures = len(self.failures)

        def reached() -> bool:
            return self.acknowledged >= count or len(self.failures) > failures

        with self._changed:
            if not self._changed.wait_for(reached, timeout):
                raise TimeoutError(f"{self.acknowledged} acknowledged, failures: {self.failures[:3]}")

    @contextmanager
    def writers(self, servers: Iterable[Server], connect: Connect = requests.Session) -> Iterator[None]:
        """One writer for each server given (which may be given several times) during a `with` block."""
        stop = threading.Event()
        threads = [threading.Thread(target=self._write, args=(server, stop, connect)) for server in servers]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            for thread in threads:
                thread.join()

    def _write(self, server: Server, stop: threading.Event, connect: Connect) -> None:
        """Log batches, a new run after every few (the end of a run is another write), until told to stop."""
        with connect() as http:
            try:
                while not stop.is_set():
                    run_id = create_run(http, server)
                    for index in range(BATCHES_A_RUN):
                        if stop.is_set():
                            return
                        batch = self.sent(run_id, index)
                        post(http, server, "runs/log-batch", batch.body())
                        self.answered(batch)
                    post(http, server, "runs/update", {"run_id": run_id, "status": "FINISHED"})
            except requests.RequestException as error:
                self.failed(f"{type(error).__name__}: {error}")

    def resend_unacknowledged(self, server: Server) -> int:
        """Send again what was not acknowledged, as a client's retry does; return how many that were."""
        lost = [batch for batch in self.batches if not batch.acknowledged]
        with requests.Session() as http:
            for batch in lost:
                post(http, server, "runs/log-batch", batch.body())
                self.answered(batch)
        return len(lost)

    def check(self, server: Server) -> None:
        """Demand that each acknowledged batch is whole, each other whole or absent, and nothing is twice."""
        runs: defaultdict[str, list[Batch]] = defaultdict(list)
        for batch in self.batches:
            runs[batch.run_id].append(batch)
        with requests.Session() as http:
            for run_id, batches in runs.items():
                self._check_run(get(http, server, "runs/get", run_id=run_id)["run"]["data"], batches)
                history = get(http, server, "metrics/get-history", run_id=run_id, metric_key=SERIES)
                self._check_history(history.get("metrics", []), batches)

    @staticmethod
    def _check_run(data: dict[str, Any], batches: Sequence[Batch]) -> None:
        """Params, tags and single metrics: each batch's all there or none; nothing that nobody sent."""
        params, tags, metrics = (
            {item["key"]: item["value"] for item in data.get(name, ())}
            for name in ("params", "tags", "metrics")
        )
        known: set[str] = {SERIES}
        for batch in batches:
            wanted = [*batch.params.items(), *batch.tags.items(), *batch.metrics.items()]
            stored = {**params, **tags, **metrics}
            present = [stored.get(key) == value for key, value in wanted]
            assert all(present) or (not any(present) and not batch.acknowledged), f"torn or lost: {batch}"
            known.update(key for key, _ in wanted)
        own_tags = {key for key in tags if not key.startswith("mlflow.")}
        assert {*params, *own_tags, *metrics} <= known

    @staticmethod
    def _check_history(metrics: Sequence[dict[str, Any]], batches: Sequence[Batch]) -> None:
        """The series: no point twice, none missing of an acknowledged batch, no part of any batch alone."""
        found = [(point["step"], point["timestamp"], point["value"]) for point in metrics]
        there = {step for step, _, _ in found}
        expected = [point for batch in batches if batch.steps[0] in there for point in batch.points]
        assert found == expected, f"{len(found)} points instead of {len(expected)}"
        lost = [batch for batch in batches if batch.acknowledged and batch.steps[0] not in there]
        assert not lost


def create_run(http: requests.Session, server: Server) -> str:
    """Create a run in the default experiment and return its id."""
    reply = post(http, server, "runs/create", {"experiment_id": "0", "start_time": EPOCH})
    run_id: str = reply["run"]["info"]["run_id"]
    return run_id


def post(http: requests.Session, server: Server, call: str, body: dict[str, Any]) -> dict[str, Any]:
    """Make a call and return its answer.

    Raises:
        requests.RequestException: the answer was not 200, or there was none.
    """
    return _answer(http.post(server.url + API + call, json=body, headers=server.headers, timeout=60))


def get(http: requests.Session, server: Server, call: str, **query: str) -> dict[str, Any]:
    """Make a reading call and return its answer; raises as `post` does."""
    return _answer(http.get(server.url + API + call, params=query, headers=server.headers, timeout=60))


def _answer(reply: requests.Response) -> dict[str, Any]:
    if reply.status_code != 200:
        raise requests.HTTPError(f"{reply.status_code} {reply.text[:500]}", response=reply)
    found: dict[str, Any] = reply.json()
    return found
