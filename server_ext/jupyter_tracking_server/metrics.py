"""What the server counts, for Prometheus.

The counters are plain numbers, since a request may cost no more than a few additions; the library that
writes them out is imported when somebody asks. Labels come from the list of calls and the table of routes,
never from what a client sends, so there is a bounded number of them.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from prometheus_client import Metric

__all__ = ["CONTENT_TYPE", "Direction", "Histogram", "Metrics"]

Direction = Literal["in", "out"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
LATENCIES = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
"""Bounds in seconds; the last ones are for artifacts."""
BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
"""Bounds of requests that one commit makes durable."""


class Histogram:
    """How many values fell between bounds.

    Args:
        bounds: upper ones, ascending; what is above the last is counted, too.
    """

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        """Count a value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self.sum += value

    def buckets(self) -> list[tuple[str, float]]:
        """Each bound, as Prometheus writes it, and how many values are not above it."""
        names = [*(f"{bound:g}" for bound in self._bounds), "+Inf"]
        total, found = 0, []
        for name, count in zip(names, self._counts, strict=True):
            total += count
            found.append((name, float(total)))
        return found


class Metrics:
    """The counters of one server. All but ``committed`` belong to the event loop.

    Attributes:
        active: says how many requests are being served.
        waiting: says how many requests wait for the database.
    """

    def __init__(self) -> None:
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._latencies: dict[str, Histogram] = {}
        self._bytes: Counter[Direction] = Counter({"in": 0, "out": 0})
        self._transfers: Counter[Direction] = Counter({"in": 0, "out": 0})
        self._store_errors: Counter[str] = Counter()
        self._commits = Histogram(BATCHES)
        self._commits_lock = threading.Lock()
        self.active: Callable[[], int] = lambda: 0
        self.waiting: Callable[[], int] = lambda: 0

    def request(self, endpoint: str, method: str, status: int, seconds: float) -> None:
        """Count a request that is over."""
        self._requests[endpoint, method, status] += 1
        latencies = self._latencies.get(endpoint)
        if latencies is None:
            latencies = self._latencies[endpoint] = Histogram(LATENCIES)
        latencies.observe(seconds)

    def moved(self, direction: Direction, count: int) -> None:
        """Count bytes of artifacts."""
        self._bytes[direction] += count

    def transfer(self, direction: Direction, change: Literal[1, -1]) -> None:
        """Count a transfer that begins, or ends."""
        self._transfers[direction] += change

    def store_error(self, kind: str) -> None:
        """Count an error that the artifact store caused, by its class."""
        self._store_errors[kind] += 1

    def committed(self, requests: int) -> None:
        """Count a commit by the requests that it made durable; any thread may."""
        with self._commits_lock:
            self._commits.observe(requests)

    def exposition(self) -> bytes:
        """All of it in the text format of Prometheus, with the process's own figures."""
        # Imported here: most servers are never asked.
        from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest  # noqa: PLC0415
        from prometheus_client.registry import Collector  # noqa: PLC0415

        class OfThisServer(Collector):
            def collect(_self) -> Iterator[Metric]:  # noqa: N805 - self is the outer one
                return self._families()

        registry = CollectorRegistry()
        registry.register(OfThisServer())
        ProcessCollector(registry=registry)
        return bytes(generate_latest(registry))

    def _families(self) -> Iterator[Metric]:
        from prometheus_client.core import (  # noqa: PLC0415 - as in exposition
            CounterMetricFamily,
            GaugeMetricFamily,
            HistogramMetricFamily,
        )

        requests = CounterMetricFamily(
            "jupyter_tracking_requests", "Requests served", labels=["endpoint", "method", "status"]
        )
        for (endpoint, method, status), count in self._requests.items():
            requests.add_metric([endpoint, method, str(status)], count)
        yield requests
        latencies = HistogramMetricFamily(
            "jupyter_tracking_request_seconds", "Seconds from head to last byte", labels=["endpoint"]
        )
        for endpoint, histogram in self._latencies.items():
            latencies.add_metric([endpoint], buckets=histogram.buckets(), sum_value=histogram.sum)
        yield latencies
        moved = CounterMetricFamily(
            "jupyter_tracking_artifact_bytes", "Bytes of artifacts moved", labels=["direction"]
        )
        transfers = GaugeMetricFamily(
            "jupyter_tracking_transfers_in_progress", "Artifacts on their way", labels=["direction"]
        )
        for direction in self._bytes:
            moved.add_metric([direction], self._bytes[direction])
            transfers.add_metric([direction], self._transfers[direction])
        yield moved
        yield transfers
        errors = CounterMetricFamily(
            "jupyter_tracking_store_errors", "Faults of the artifact store", labels=["error"]
        )
        for kind, count in self._store_errors.items():
            errors.add_metric([kind], count)
        yield errors
        commits = HistogramMetricFamily("jupyter_tracking_commit_requests", "Requests that one commit holds")
        with self._commits_lock:
            commits.add_metric([], buckets=self._commits.buckets(), sum_value=self._commits.sum)
        yield commits
        yield GaugeMetricFamily(
            "jupyter_tracking_requests_in_progress", "Requests being served", value=self.active()
        )
        yield GaugeMetricFamily(
            "jupyter_tracking_database_queue", "Requests that wait for the database", value=self.waiting()
        )
