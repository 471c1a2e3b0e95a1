"""The counters, read back with Prometheus' own parser."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from jupyter_tracking_server.metrics import Histogram, Metrics


def samples(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Each sample by its name and labels."""
    families = text_string_to_metric_families(metrics.exposition().decode())
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def test_a_value_is_counted_in_its_bucket_and_all_above() -> None:
    histogram = Histogram((1, 10))
    for value in (0.5, 1, 2, 11):
        histogram.observe(value)
    assert histogram.buckets() == [("1", 2), ("10", 3), ("+Inf", 4)]
    assert histogram.sum == 14.5


def test_what_was_counted_is_written_out() -> None:
    metrics = Metrics()
    metrics.active = lambda: 3
    metrics.waiting = lambda: 7
    metrics.request("get_run", "GET", 200, 0.002)
    metrics.request("get_run", "GET", 200, 0.2)
    metrics.request("get_run", "GET", 404, 0.001)
    metrics.moved("in", 100)
    metrics.moved("out", 5)
    metrics.transfer("in", 1)
    metrics.transfer("in", 1)
    metrics.transfer("in", -1)
    metrics.store_error("StoreUnavailable")
    metrics.committed(1)
    metrics.committed(200)
    found = samples(metrics)
    labels = (("endpoint", "get_run"), ("method", "GET"), ("status", "200"))
    assert found["jupyter_tracking_requests_total", labels] == 2
    of_run = ("endpoint", "get_run")
    assert found["jupyter_tracking_request_seconds_bucket", (of_run, ("le", "0.0025"))] == 2
    assert found["jupyter_tracking_request_seconds_count", (of_run,)] == 3
    assert found["jupyter_tracking_artifact_bytes_total", (("direction", "in"),)] == 100
    assert found["jupyter_tracking_artifact_bytes_total", (("direction", "out"),)] == 5
    assert found["jupyter_tracking_transfers_in_progress", (("direction", "in"),)] == 1
    assert found["jupyter_tracking_store_errors_total", (("error", "StoreUnavailable"),)] == 1
    assert found["jupyter_tracking_commit_requests_bucket", (("le", "1"),)] == 1
    assert found["jupyter_tracking_commit_requests_count", ()] == 2
    assert found["jupyter_tracking_requests_in_progress", ()] == 3
    assert found["jupyter_tracking_database_queue", ()] == 7
    assert found["process_resident_memory_bytes", ()] > 0
