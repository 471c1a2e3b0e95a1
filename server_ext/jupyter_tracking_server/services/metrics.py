"""Rules of metric histories."""

from __future__ import annotations

from jupyter_tracking.protocol import metrics as wire
from jupyter_tracking.protocol.errors import InvalidParameterValue
from jupyter_tracking.protocol.limits import HISTORY_BULK_POINTS, HISTORY_INTERVAL_POINTS

from ..context import Context
from ..store import history as store
from ..store import runs


def get_metric_history(context: Context, request: wire.GetMetricHistory) -> wire.MetricHistory:
    """All points of one metric, or a page of them; none for an unknown run or key, as upstream."""
    _check_positive(request.max_results)
    if not _readable(context, [request.run_id]):
        return wire.MetricHistory()
    points, token = store.history(
        context.tx, request.run_id, request.metric_key, request.page_token or None, request.max_results
    )
    return wire.MetricHistory(points, token)


def get_metric_history_bulk(context: Context, request: wire.GetMetricHistoryBulk) -> wire.MetricHistory:
    """Points of one metric of several runs, cut at ``max_results`` in all."""
    _check_positive(request.max_results)
    limit = min(request.max_results or HISTORY_BULK_POINTS, HISTORY_BULK_POINTS)
    run_ids = _readable(context, sorted(set(request.run_id)))
    return wire.MetricHistory(store.history_bulk(context.tx, run_ids, request.metric_key, limit))


def get_metric_history_bulk_interval(
    context: Context, request: wire.GetMetricHistoryBulkInterval
) -> wire.MetricHistory:
    """Evenly sampled points of one metric of several runs, ``max_results`` of each run at most."""
    start, end = request.start_step, request.end_step
    if (start is None) != (end is None):
        raise InvalidParameterValue(
            "If either start step or end step are specified, both must be specified: "
            "give 'start_step' and 'end_step', or neither."
        )
    if start is not None and end is not None and start > end:
        raise InvalidParameterValue(f"'start_step' ({start}) must not be greater than 'end_step' ({end}).")
    limit = HISTORY_INTERVAL_POINTS if request.max_results is None else request.max_results
    if not 1 <= limit <= HISTORY_INTERVAL_POINTS:
        raise InvalidParameterValue(
            f"Invalid value {limit} for parameter 'max_results' supplied. "
            f"It must be between 1 and {HISTORY_INTERVAL_POINTS}."
        )
    run_ids = _readable(context, list(dict.fromkeys(request.run_ids)))
    steps = None if start is None or end is None else (start, end)
    return wire.MetricHistory(store.history_interval(context.tx, run_ids, request.metric_key, steps, limit))


def _check_positive(max_results: int | None) -> None:
    if max_results is not None and max_results <= 0:
        raise InvalidParameterValue(
            f"Invalid value {max_results} for parameter 'max_results' supplied. "
            "It must be a positive integer."
        )


def _readable(context: Context, run_ids: list[str]) -> list[str]:
    owners = runs.experiments_of(context.tx, run_ids)
    return [run_id for run_id in run_ids if run_id in owners and context.may("read", owners[run_id])]
