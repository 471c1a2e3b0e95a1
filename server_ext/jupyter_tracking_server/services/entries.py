"""Rules of what runs log: metrics, params and tags become ``Entries``, checked before they are written."""

from __future__ import annotations

import re
from collections.abc import Sequence

from jupyter_tracking.protocol.errors import InvalidParameterValue
from jupyter_tracking.protocol.limits import (
    BATCH_METRICS,
    BATCH_PARAMS,
    BATCH_TAGS,
    BATCH_TOTAL,
    PARAM_VALUE,
    TAG_VALUE,
    check_key,
)
from jupyter_tracking.protocol.metrics import LogMetric, MetricEntry
from jupyter_tracking.protocol.params import LogParam, ParamEntry
from jupyter_tracking.protocol.runs import LogBatch
from jupyter_tracking.protocol.tags import SetTag
from jupyter_tracking.protocol.wire import from_double

from ..store.entries import Entries, MetricPoint

USER_TAG = "mlflow.user"
_RUN_ID = re.compile(r"[a-zA-Z0-9][\w\-]{0,255}\Z")


def log_metric(request: LogMetric) -> Entries:
    """One point of a metric."""
    check_key(request.key, "name")
    return Entries(request.run_id, [_point(request)], [], [])


def log_param(request: LogParam) -> Entries:
    """One param; a value over the limit is cut, as clients expect."""
    check_key(request.key, "key")
    return Entries(request.run_id, [], [(request.key, request.value[:PARAM_VALUE])], [])


def set_tag(request: SetTag) -> Entries:
    """One tag; a value over the limit is cut, as clients expect."""
    check_key(request.key, "key")
    return Entries(request.run_id, [], [], [(request.key, request.value[:TAG_VALUE])])


def log_batch(request: LogBatch) -> Entries:
    """Metrics, params and tags of one run, all or nothing.

    Raises:
        InvalidParameterValue: too many of them, a malformed key, or a param key given twice.
    """
    if not _RUN_ID.match(request.run_id):
        raise InvalidParameterValue(f"Invalid run ID: '{request.run_id}'")
    _check_counts(request)
    for index, metric in enumerate(request.metrics):
        check_key(metric.key, f"metrics[{index}].name")
    for index, param in enumerate(request.params):
        check_key(param.key, f"params[{index}].key")
    for index, tag in enumerate(request.tags):
        check_key(tag.key, f"tags[{index}].key")
    _check_unique(request.params)
    return Entries(
        request.run_id,
        [_point(metric) for metric in request.metrics],
        [(param.key, param.value[:PARAM_VALUE]) for param in request.params],
        [(tag.key, tag.value[:TAG_VALUE]) for tag in request.tags],
    )


def _point(entry: LogMetric | MetricEntry) -> MetricPoint:
    return MetricPoint(
        entry.key,
        from_double(entry.value),
        entry.timestamp,
        entry.step,
        entry.model_id or None,
        entry.dataset_name or None,
        entry.dataset_digest or None,
    )


def _check_counts(request: LogBatch) -> None:
    metrics, params, tags = len(request.metrics), len(request.params), len(request.tags)
    counts = (
        ("metrics", metrics, BATCH_METRICS),
        ("params", params, BATCH_PARAMS),
        ("tags", tags, BATCH_TAGS),
        ("metrics, params, and tags", metrics + params + tags, BATCH_TOTAL),
    )
    for what, count, most in counts:
        if count > most:
            raise InvalidParameterValue(
                f"A batch logging request can contain at most {most} {what}. Got {count} {what}. "
                f"Please split up {what} across multiple requests and try again."
            )


def _check_unique(params: Sequence[ParamEntry]) -> None:
    keys = [param.key for param in params]
    if len(set(keys)) == len(keys):
        return
    twice = sorted({key for key in keys if keys.count(key) > 1})
    raise InvalidParameterValue(
        f"Duplicate parameter keys have been submitted: {twice}. "
        "Please ensure the request contains only one param value per param key."
    )


def own_user_tag(entries: Entries) -> None:
    """Leave out the tag with the user's name: where credentials have users, a run's says whose it is."""
    if any(key == USER_TAG for key, _ in entries.tags):
        entries.tags = [(key, value) for key, value in entries.tags if key != USER_TAG]
