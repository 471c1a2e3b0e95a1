"""Metrics of runs: series of (step, timestamp, value) under a key.

The *latest* point of a series is the greatest by (step, timestamp, value), NaN counting as 0 there.
A point that is logged again exactly is a no-op.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from . import limits
from .call import Call, Empty
from .limits import Int32, Int64, Key, PageToken, RunId, Timestamp
from .wire import Double


class Metric(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A point as replies carry it. ``timestamp`` in milliseconds."""

    key: str
    value: Double
    timestamp: int
    step: int
    run_id: str | None = None
    model_id: str | None = None
    dataset_name: str | None = None
    dataset_digest: str | None = None


class MetricEntry(msgspec.Struct, frozen=True, gc=False):
    """A point as ``log-batch`` and ``logged-models`` requests carry it."""

    key: Key
    value: Double
    timestamp: Timestamp
    step: Int64 = 0
    model_id: str | None = None
    dataset_name: str | None = None
    dataset_digest: str | None = None


class LogMetric(msgspec.Struct, frozen=True, gc=False):
    """Log one point of a metric."""

    run_id: RunId
    key: Key
    value: Double
    timestamp: Timestamp
    step: Int64 = 0
    model_id: str | None = None
    dataset_name: str | None = None
    dataset_digest: str | None = None


class GetMetricHistory(msgspec.Struct, frozen=True):
    """All points of one metric of one run, by timestamp, step and value."""

    run_id: RunId
    metric_key: Key
    max_results: Int32 | None = None
    page_token: PageToken | None = None


class MetricHistory(msgspec.Struct, frozen=True, omit_defaults=True):
    """Points, and a token if more follow."""

    metrics: list[Metric] = []
    next_page_token: str | None = None


class GetMetricHistoryBulk(msgspec.Struct, frozen=True):
    """All points of one metric of several runs, by run, timestamp, step and value."""

    run_id: Annotated[list[RunId], Meta(min_length=1, max_length=limits.HISTORY_RUNS)]
    metric_key: Key
    max_results: Int32 | None = None


class GetMetricHistoryBulkInterval(msgspec.Struct, frozen=True):
    """Evenly sampled points of one metric of several runs, by step, timestamp and value."""

    run_ids: Annotated[list[RunId], Meta(min_length=1, max_length=limits.HISTORY_RUNS)]
    metric_key: Key
    start_step: Int64 | None = None
    end_step: Int64 | None = None
    max_results: Int32 | None = None


log_metric = Call("log_metric", ("POST",), "runs/log-metric", LogMetric, Empty, "write")
get_metric_history = Call(
    "get_metric_history", ("GET",), "metrics/get-history", GetMetricHistory, MetricHistory, "read"
)
get_metric_history_bulk = Call(
    "get_metric_history_bulk",
    ("GET",),
    "metrics/get-history-bulk",
    GetMetricHistoryBulk,
    MetricHistory,
    "read",
)
get_metric_history_bulk_interval = Call(
    "get_metric_history_bulk_interval",
    ("GET",),
    "metrics/get-history-bulk-interval",
    GetMetricHistoryBulkInterval,
    MetricHistory,
    "read",
)
