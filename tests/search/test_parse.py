"""Filters and order_by items as text."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_tracking.protocol.errors import InvalidParameterValue
from jupyter_tracking_server.search.clauses import clauses
from jupyter_tracking_server.search.fields import EXPERIMENTS, LOGGED_MODELS, RUNS, Noun
from jupyter_tracking_server.search.order import orders
from jupyter_tracking_server.search.parse import parse_filter, parse_order

Parts = list[tuple[str | None, str, str, list[str]]]


def parts(text: str) -> Parts:
    return [
        (clause.name.entity, clause.name.key, clause.operator, [value.text for value in clause.values])
        for clause in parse_filter(text)
    ]


A = ("metrics", "a", ">", ["1"])
B = ("metrics", "b", ">", ["2"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("metrics.a > 1", [A]),
        ("metrics.a>1", [A]),
        ("metrics.a > 1 AND metrics.b > 2", [A, B]),
        ("metrics.a>1\n and\tmetrics.b>2", [A, B]),
        ("metrics.a > 1 AND", [A]),
        ("AND metrics.a > 1 AND AND metrics.b > 2", [A, B]),
        ("metrics.a >-1.5e-3", [("metrics", "a", ">", ["-1.5e-3"])]),
        ("metrics.a = .5", [("metrics", "a", "=", [".5"])]),
        ("tag.mlflow.user = 'x'", [("tag", "mlflow.user", "=", ["x"])]),
        ("params.`a b/c` = 'x'", [("params", "a b/c", "=", ["x"])]),
        ("params.\"a.b\" = 'x'", [("params", "a.b", "=", ["x"])]),
        ("`params`.`a` = 'x'", [("params", "a", "=", ["x"])]),
        ("`Run Name` = 'x'", [(None, "Run Name", "=", ["x"])]),
        (
            "params.order = 'x' AND params.and = 'y'",
            [("params", "order", "=", ["x"]), ("params", "and", "=", ["y"])],
        ),
        ("params.a = 'it''s'", [("params", "a", "=", ["it''s"])]),
        ('params.a = "it\'s"', [("params", "a", "=", ["it's"])]),
        ("params.a = 'C:\\' AND params.b = ''", [("params", "a", "=", ["C:\\"]), ("params", "b", "=", [""])]),
        (
            "params.a = 'x AND y' AND params.b='z'",
            [("params", "a", "=", ["x AND y"]), ("params", "b", "=", ["z"])],
        ),
        ("params.a = 'x'and params.b='y'", [("params", "a", "=", ["x"]), ("params", "b", "=", ["y"])]),
        ("params.a ilike 'x'", [("params", "a", "ILIKE", ["x"])]),
        ("params.a is  not\nnull", [("params", "a", "IS NOT NULL", [])]),
        ("run_id NOT  IN ('a',\"b\" , 'c',)", [(None, "run_id", "NOT IN", ["a", "b", "c"])]),
        ("metrics.é > 1", [("metrics", "é", ">", ["1"])]),
    ],
)
def test_filters(text: str, expected: Parts) -> None:
    assert parts(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (" ", "Invalid filter ' '. Could not be parsed."),
        ("metrics.a > 1 OR metrics.b > 1", "Invalid clause(s) in filter string: 'OR'"),
        ("metrics.a > 1;", "Invalid clause(s) in filter string: ';'"),
        ("(metrics.a > 1)", "Invalid clause(s) in filter string: ')'"),
        ("NOT metrics.a > 1", "Invalid clause(s) in filter string: 'metrics.a'"),
        ("metrics.a", "Invalid clause(s) in filter string: 'metrics.a'"),
        ("metrics.a >", "Invalid clause(s) in filter string: '>'"),
        ("= 1", "Invalid clause(s) in filter string: '='"),
        ("AND", "Invalid clause(s) in filter string: 'AND'"),
        ("params.a = 'x", "Invalid clause(s) in filter string: ''x'"),
        ("run_id IN 'a'", "Invalid clause(s) in filter string: ''a''"),
        ("metrics.a > 1 metrics.b > 2", "Invalid clause(s) in filter string: 'metrics.b'"),
        ("run_id IN ()", "expected a non-empty list of string values, but got empty list"),
        ("run_id IN (1)", "expected a non-empty list of string values, but got 1"),
        (f"run_id IN ({','.join(['0', *1000 * ['0']])})", "A list in the query has 1001 values"),
        ("params.a = 'x\0'", "holds a character that no stored text can have"),
        ("params.a = '\ud800'", "holds a character that no stored text can have"),
        ("a" * 32_769, "The filter has 32769 characters; it may have at most 32768."),
    ],
)
def test_malformed_filters(text: str, message: str) -> None:
    with pytest.raises(InvalidParameterValue) as error:
        parse_filter(text)
    assert message in error.value.message
    assert len(error.value.message) < 400


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("metrics.a-b > 1", "Invalid comparison clause. Expected 'Identifier' found 'metrics.a-b'"),
        ("metrics.a/b > 1", "Invalid comparison clause. Expected 'Identifier' found 'metrics.a/b'"),
        ("metrics.a > '1'", "Expected numeric value type for metric. Found '1'"),
        ("metrics.a > inf", "Expected numeric value type for metric. Found inf"),
        ("metrics.a > nan", "Expected numeric value type for metric. Found nan"),
        ("metrics.a > 0x10", "Expected numeric value type for metric. Found 0x10"),
        ("params.a = 1", "Expected a quoted string value for parameter (e.g. 'my-value'). Got value 1"),
        ("params.a = x", "Parameter value is either not quoted or unidentified quote types used"),
        ("user_id = 1", "Expected a quoted string value for attributes. Got value 1"),
        ("start_time > '1'", "Expected numeric value type for numeric attribute: start_time. Found '1'"),
        ("foo = 'x'", "Invalid attribute key 'foo' specified. Valid keys are '{'run_id', 'run_name', "),
        ("experiment_id = '1'", "Invalid attribute key 'experiment_id' specified."),
        (
            "Metrics.a > 1",
            "Invalid entity type 'Metrics'. Valid values are ['metric', 'parameter', 'tag', 'dataset', ",
        ),
        (
            "dataset.foo = 'x'",
            "Invalid dataset key 'foo' specified. Valid keys are '{'name', 'digest', 'context'}'",
        ),
        ("metrics.a == 1", "Invalid comparator '==' not one of '{'=', '!=', '<', '<=', '>', '>='}'"),
        ("metrics.a <> 1", "Invalid comparator '<>'"),
        ("params.a > 'x'", "Invalid comparator '>' not one of '{'=', '!=', 'LIKE', 'ILIKE', "),
        ("params.a NOT LIKE 'x'", "Invalid comparator 'NOT LIKE'"),
        ("status IN ('FINISHED')", "Invalid comparator 'IN'"),
        (
            "metrics.a IS NULL",
            "IS NULL / IS NOT NULL is only supported for parameters and tags, not for 'metrics.a'",
        ),
        (f"params.a LIKE '{'x' * 8001}'", "A LIKE pattern may have at most 8000 characters."),
    ],
)
def test_filters_that_say_what_runs_do_not_have(text: str, message: str) -> None:
    with pytest.raises(InvalidParameterValue) as error:
        clauses(RUNS, text)
    assert message in error.value.message


def test_logged_models_take_bare_words_and_keys() -> None:
    found = clauses(LOGGED_MODELS, "params.lr = 0.01 AND name = m0 AND metrics.a-b > 1")
    assert [(clause.key, clause.operand) for clause in found] == [("lr", "0.01"), ("", "m0"), ("a-b", 1.0)]


@pytest.mark.parametrize(
    ("text", "key", "direction"),
    [
        ("metrics.a", "a", None),
        ("metrics.a desc", "a", "DESC"),
        ("metrics.`a b`  ASC ", "a b", "ASC"),
        ("attribute.`Created` DESC", "Created", "DESC"),
        ("metrics.desc", "desc", None),
    ],
)
def test_orders(text: str, key: str, direction: str | None) -> None:
    ordering = parse_order(text)
    assert (ordering.name.key, ordering.direction) == (key, direction)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Invalid order_by clause ''. Could not be parsed."),
        ("metrics.a-b", "Invalid order_by clause 'metrics.a-b'. Could not be parsed."),
        ("metrics.a DESC x", "Invalid order_by clause 'metrics.a DESC x'. Could not be parsed."),
        ("metrics.a upwards", "Invalid ordering key in order_by clause 'metrics.a upwards'."),
        ("duration", "Invalid attribute key 'duration' specified."),
        ("foo.bar", "Invalid entity type 'foo'."),
    ],
)
def test_malformed_orders(text: str, message: str) -> None:
    with pytest.raises(InvalidParameterValue) as error:
        orders(RUNS, [text])
    assert message in error.value.message


NAMES = ["metrics", "params", "tag", "status", "name", "experiment_id", "a", "é"]
OPERATORS = ["AND", "OR", "NOT", "IN", "LIKE", "IS", "NULL", "=", "!=", ">", "==", "DESC"]
MARKS = [".", "`", '"', "'", "(", ")", ",", ";", "\\", "%", "-", "1", "1e5", " ", "\n", "\0"]
WORDS = st.sampled_from([*NAMES, *OPERATORS, *MARKS])
ANY_TEXT = st.text() | st.lists(WORDS, max_size=14).map("".join) | st.lists(WORDS, max_size=14).map(" ".join)


@settings(max_examples=1500, deadline=None)
@given(text=ANY_TEXT, noun=st.sampled_from([RUNS, EXPERIMENTS, LOGGED_MODELS]))
def test_any_text_is_understood_or_refused(text: str, noun: Noun) -> None:
    assert is_answered(lambda: clauses(noun, text))
    assert is_answered(lambda: orders(noun, [text]))


def is_answered(read: Callable[[], object]) -> bool:
    try:
        return isinstance(read(), tuple)
    except InvalidParameterValue as error:
        return 0 < len(error.message) < 2000
