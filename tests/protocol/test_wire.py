"""Decoding: what official clients send is understood, what is malformed is refused, nothing becomes 0."""

from __future__ import annotations

import contextlib
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_tracking.protocol.enums import RunStatus, ViewType
from jupyter_tracking.protocol.errors import BadRequest, InvalidParameterValue, TrackingError
from jupyter_tracking.protocol.logged_models import GetLoggedModel, SetLoggedModelTags
from jupyter_tracking.protocol.metrics import GetMetricHistoryBulk, LogMetric, Metric, MetricEntry
from jupyter_tracking.protocol.runs import LogBatch, SearchRuns, UpdateRun
from jupyter_tracking.protocol.wire import (
    decode_json,
    decode_query,
    encode,
    encode_query,
    from_double,
    to_double,
)

POINT: dict[str, Any] = {"run_id": "r", "key": "k", "value": 1.5, "timestamp": 7, "step": 3}


def body(**changes: object) -> bytes:
    return json.dumps({**POINT, **changes}).encode()


@pytest.mark.parametrize(
    ("changes", "field", "expected"),
    [
        ({"timestamp": "1.7e+12"}, "timestamp", 1_700_000_000_000),
        ({"timestamp": 1.7e12}, "timestamp", 1_700_000_000_000),
        ({"timestamp": "1700000000001"}, "timestamp", 1_700_000_000_001),
        ({"step": "1e+05"}, "step", 100_000),
        ({"step": -4}, "step", -4),
        ({"step": None}, "step", 0),
        ({"step": -(2**63)}, "step", -(2**63)),
        ({"value": "2.5"}, "value", 2.5),
        ({"value": 3}, "value", 3.0),
        ({"value": True}, "value", 1.0),
        ({"value": "Infinity"}, "value", math.inf),
        ({"value": "-inf"}, "value", -math.inf),
        ({"value": -math.inf}, "value", -math.inf),
        ({"value": 5e-324}, "value", 5e-324),
        ({"key": "naïve metrics/λ"}, "key", "naïve metrics/λ"),
        ({"run_id": 12}, "run_id", "12"),
        ({"unknown": {"a": [1]}}, "key", "k"),
    ],
)
def test_a_point_is_understood(changes: dict[str, object], field: str, expected: object) -> None:
    request = decode_json(LogMetric, body(**changes))
    found = getattr(request, field)
    assert (from_double(found) if field == "value" else found) == expected


@pytest.mark.parametrize("text", ['"NaN"', "NaN", '"nan"'])
def test_nan_is_understood_in_each_spelling(text: str) -> None:
    request = decode_json(LogMetric, b'{"run_id":"r","key":"k","timestamp":1,"value":%s}' % text.encode())
    assert math.isnan(from_double(request.value))


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"value": "abc"}, "value"),
        ({"value": None}, "value"),
        ({"value": [1]}, "value"),
        ({"value": "1_000"}, "value"),
        ({"value": 10**400}, "value"),
        ({"value": "1e400"}, "value"),
        ({"timestamp": 2**63}, "timestamp"),
        ({"timestamp": -1}, "timestamp"),
        ({"timestamp": 1.5}, "timestamp"),
        ({"timestamp": "nan"}, "timestamp"),
        ({"timestamp": True}, "timestamp"),
        ({"step": 2.7}, "step"),
        ({"step": -(2**63) - 1}, "step"),
        ({"key": ""}, "key"),
        ({"key": "k" * 251}, "key"),
        ({"key": "a\0b"}, "key"),
        ({"key": "\ud800"}, "key"),
        ({"key": ["k"]}, "key"),
        ({"run_id": None}, "run_id"),
        ({"datasetName": "a", "dataset_name": "b"}, "dataset_name"),
    ],
)
def test_a_malformed_field_is_refused_by_name(changes: dict[str, object], named: str) -> None:
    with pytest.raises(InvalidParameterValue, match=rf"'{named}'"):
        decode_json(LogMetric, body(**changes))


def test_an_overflowing_literal_is_refused() -> None:
    with pytest.raises(InvalidParameterValue, match="1e400"):
        decode_json(LogMetric, b'{"run_id":"r","key":"k","timestamp":1,"value":1e400}')


def test_a_nested_field_is_named_with_its_place() -> None:
    sent = json.dumps({"run_id": "r", "metrics": [{**POINT}, {"key": "k", "timestamp": 1}]}).encode()
    with pytest.raises(InvalidParameterValue, match=r"required parameter 'metrics\[1\]\.value'"):
        decode_json(LogBatch, sent)


def test_older_and_camel_names_are_understood() -> None:
    sent = {"runUuid": "x", "run_uuid": "r", "key": "k", "value": 1, "timestamp": 1, "datasetName": "d"}
    request = decode_json(LogMetric, json.dumps(sent).encode())
    assert (request.run_id, request.dataset_name) == ("r", "d")


def test_camel_names_inside_a_canonical_body_are_not_passed_over() -> None:
    sent = {"experiment_ids": ["1"], "maxResults": 5, "orderBy": ["a"]}
    request = decode_json(SearchRuns, json.dumps(sent).encode())
    assert (request.max_results, request.order_by) == (5, ["a"])


@pytest.mark.parametrize("empty", [b"", b"null", b"not json", b"\xff\xfe", b"{"])
def test_an_unreadable_body_counts_as_empty(empty: bytes) -> None:
    with pytest.raises(InvalidParameterValue, match="Missing value for required parameter 'run_id'"):
        decode_json(LogMetric, empty)
    assert decode_json(SearchRuns, empty) == SearchRuns()


def test_a_twice_encoded_body_is_understood() -> None:
    assert decode_json(LogMetric, json.dumps(json.dumps(POINT)).encode()).key == "k"


@pytest.mark.parametrize("deep", [b"[" * 100_000, b'{"a":' * 200 + b"1" + b"}" * 200, b'{"a":' * 100_000])
def test_a_deep_body_is_refused(deep: bytes) -> None:
    with pytest.raises((BadRequest, InvalidParameterValue)):
        decode_json(LogMetric, deep)


@pytest.mark.parametrize("sent", [b"[]", b"1", b'"x"', b"true"])
def test_a_body_that_is_no_object_is_refused_or_empty(sent: bytes) -> None:
    with pytest.raises(TrackingError):
        decode_json(LogMetric, sent)


@pytest.mark.parametrize(
    ("sent", "expected"), [(3, RunStatus.FINISHED), ("KILLED", RunStatus.KILLED), ("4", RunStatus.FAILED)]
)
def test_an_enum_may_be_a_name_or_a_number(sent: object, expected: RunStatus) -> None:
    assert decode_json(UpdateRun, json.dumps({"run_id": "r", "status": sent}).encode()).status is expected


@pytest.mark.parametrize("sent", ["finished", 9, True, 1.5, [], "9"])
def test_an_unknown_enum_is_refused(sent: object) -> None:
    with pytest.raises(
        InvalidParameterValue, match=r"'status'.*RUNNING, SCHEDULED, FINISHED, FAILED, KILLED"
    ):
        decode_json(UpdateRun, json.dumps({"run_id": "r", "status": sent}).encode())


def test_a_query_repeats_lists_and_refuses_repeated_single_fields() -> None:
    found = decode_query(
        GetMetricHistoryBulk, {"run_id": ["a", "b"], "metric_key": ["m"], "max_results": ["5"]}
    )
    assert found == GetMetricHistoryBulk(run_id=["a", "b"], metric_key="m", max_results=5)
    with pytest.raises(InvalidParameterValue, match="'metric_key' is given 2 times"):
        decode_query(GetMetricHistoryBulk, {"run_id": ["a"], "metric_key": ["m", "n"]})


@pytest.mark.parametrize(("text", "expected"), [("true", True), ("False", False), ("TRUE", True)])
def test_a_query_says_true_in_any_case(text: str, expected: bool) -> None:
    assert (
        decode_query(GetLoggedModel, {"allow_deleted": [text]}, {"model_id": "m"}).allow_deleted is expected
    )


def test_path_segments_complete_the_body_and_win() -> None:
    request = decode_json(
        SetLoggedModelTags, b'{"model_id":"other","tags":[{"key":"a"}]}', {"model_id": "m-1"}
    )
    assert (request.model_id, request.tags[0].value) == ("m-1", "")


def test_replies_leave_out_what_is_unset_and_keep_zeros() -> None:
    assert (
        encode(Metric("k", to_double(math.nan), 0, 0)) == b'{"key":"k","value":"NaN","timestamp":0,"step":0}'
    )


def test_a_view_type_round_trips_through_a_query() -> None:
    request = SearchRuns(experiment_ids=["1", "2"], run_view_type=ViewType.ALL, filter="a = 'b & c'")
    query: dict[str, list[str]] = {}
    for name, value in encode_query(request):
        query.setdefault(name, []).append(value)
    assert decode_query(SearchRuns, query) == request


@given(
    st.floats(),
    st.integers(-(2**63), 2**63 - 1),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
)
def test_what_a_client_encodes_the_server_decodes(value: float, step: int, name: str) -> None:
    sent = LogBatch("r", [MetricEntry("k", to_double(value), 1, step, dataset_name=name.replace("\0", ""))])
    assert decode_json(LogBatch, encode(sent)) == sent


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5),
        lambda leaf: (
            st.lists(leaf)
            | st.dictionaries(
                st.sampled_from(["run_id", "metrics", "params", "tags", "key", "value", "timestamp", "step"]),
                leaf,
            )
        ),
    )
)
def test_any_json_is_decoded_or_refused_as_the_protocol_says(value: object) -> None:
    with contextlib.suppress(InvalidParameterValue, BadRequest):
        assert decode_json(LogBatch, json.dumps(value).encode()).run_id
