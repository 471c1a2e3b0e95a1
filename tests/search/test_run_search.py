"""Search of runs: each rule by itself."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import msgspec
import pytest
from sqlalchemy import ColumnElement

from jupyter_tracking.protocol import limits
from jupyter_tracking.protocol.enums import RunStatus, ViewType
from jupyter_tracking.protocol.errors import InvalidParameterValue
from jupyter_tracking.protocol.runs import SearchRuns
from jupyter_tracking_server.store import run_search, runs
from jupyter_tracking_server.store.database import Database

from .run_model import ModelClause, ModelOrder, ModelRun, Scalar, search, store

LONG = "l" * 199
TEXTS = ["", "x", "X", "xy", "it''s", "x%", "x_", "\\", "a\\b", "[x]", "[", "*", "?", "É", "é", "😀", "\n"]
TEXTS += [LONG + tail for tail in ("l", "la", "lb", "b")]
PATTERNS = [
    "%",
    "x%",
    "X%",
    "_",
    "%_",
    "%l",
    "[x]",
    "[%",
    "*",
    "?",
    "\\",
    "%\\%",
    "é",
    "%B",
    "x_",
    "",
    "__",
    "\\%",
]
NUMBERS = [0.0, 1.0, -1.5, 2.0**60, 1e-300, math.inf, -math.inf, math.nan]


def found(
    database: Database,
    experiments: str | Sequence[str],
    text: str = "",
    *order: str,
    view: ViewType = ViewType.ACTIVE_ONLY,
) -> list[str]:
    """The names of the runs that a search finds."""
    ids = [experiments] if isinstance(experiments, str) else list(experiments)
    request = SearchRuns(ids, text, view, limits.SEARCH_MAX_RESULTS, list(order))
    with database.read() as tx:
        return [run.info.run_name for run in run_search.search(tx, request).runs]


def refused(database: Database, **request: object) -> str:
    with database.read() as tx, pytest.raises(InvalidParameterValue) as error:
        run_search.search(tx, SearchRuns(**{"experiment_ids": ["0"], **request}))  # type: ignore[arg-type]  # any field may be meant
    return error.value.message


def assert_agrees(database: Database, experiment: str, model: list[ModelRun], clause: ModelClause) -> None:
    request = SearchRuns([experiment], clause.text())
    with database.read() as tx:
        ids = [run.info.run_id for run in run_search.search(tx, request).runs]
    assert ids == search(model, [clause], []), clause


@pytest.mark.parametrize("entity", ["params", "tags", "attributes", "datasets"])
def test_every_text_against_every_operand(database: Database, entity: str) -> None:
    keys = {"params": "k", "tags": "k", "attributes": "run_name", "datasets": "name"}
    model = [
        ModelRun(
            start_time=0,
            name=text if entity == "attributes" else "n",
            params={"k": text},
            tags={"k": text},
            datasets=[(text or "none", "1", None)],
        )
        for text in TEXTS
    ]
    experiment = store(database, model)
    for comparator, operands in {"=": TEXTS, "!=": TEXTS, "LIKE": PATTERNS, "ILIKE": PATTERNS}.items():
        for operand in operands:
            assert_agrees(database, experiment, model, ModelClause(entity, keys[entity], comparator, operand))


@pytest.mark.parametrize("entity", ["metrics", "attributes"])
def test_every_number_against_every_operand(database: Database, entity: str) -> None:
    if entity == "metrics":
        model = [ModelRun(start_time=0, metrics={"k": number}) for number in NUMBERS]
        key, operands = "k", [number for number in NUMBERS if math.isfinite(number)] + [1e308, 10**30]
    else:
        times = [None, 0, 1, 2, 2**53, 2**53 + 1, 2**63 - 1]
        model = [ModelRun(start_time=0, end_time=time) for time in times]
        key, operands = "end_time", [0, 1, 1.5, 2.0, -1, 2**53, 2**53 + 1, 10**30, -1e30]
    experiment = store(database, model)
    for comparator in ("=", "!=", "<", "<=", ">", ">="):
        for operand in operands:
            assert_agrees(
                database, experiment, model, ModelClause(entity, key, comparator, cast("Scalar", operand))
            )


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("entity", ["metrics", "params", "tags"])
def test_runs_without_a_value_come_last(database: Database, entity: str, descending: bool) -> None:
    model = [ModelRun(start_time=i, metrics={"k": value}) for i, value in enumerate(NUMBERS)]
    model += [ModelRun(start_time=i, params={"k": text}, tags={"k": text}) for i, text in enumerate(TEXTS)]
    experiment = store(database, model)
    order = ModelOrder(entity, "k", descending)
    with database.read() as tx:
        page = run_search.search(tx, SearchRuns([experiment], order_by=[order.text()]))
    assert [run.info.run_id for run in page.runs] == search(model, [], [order])


def test_lists_of_values(database: Database) -> None:
    model = [ModelRun(start_time=i, name=f"n{i}", datasets=[(f"d{i}", "1", "train")]) for i in range(3)]
    experiment = store(database, model)
    first, second, _ = (run.run_id for run in model)
    assert found(database, experiment, f"run_id IN ('{first}', '{second}')") == ["n1", "n0"]
    assert found(database, experiment, f"run_id not in ('{first}')") == ["n2", "n1"]
    assert found(database, experiment, "datasets.name IN ('d0', \"d2\",)") == ["n2", "n0"]
    assert found(database, experiment, "dataset.context NOT IN ('test') AND dataset.digest = '1'") == [
        "n2",
        "n1",
        "n0",
    ]


def test_which_experiments_and_stages(database: Database) -> None:
    one = store(
        database, [ModelRun(start_time=2, name="a"), ModelRun(start_time=9, name="gone", deleted=True)]
    )
    two = store(database, [ModelRun(start_time=3, name="b", metrics={"k": 1.0})])
    assert found(database, [one, two, "999999"]) == ["b", "a"]
    assert found(database, [one, two], "", "metrics.k") == ["b", "a"]
    assert found(database, []) == []
    assert found(database, one, view=ViewType.DELETED_ONLY) == ["gone"]
    assert found(database, one, view=ViewType.ALL) == ["gone", "a"]


def test_what_the_caller_may_not_see_is_not_there(database: Database) -> None:
    one = store(database, [ModelRun(start_time=1, name="a", metrics={"k": 1.0})])
    two = store(database, [ModelRun(start_time=2, name="b", metrics={"k": 2.0})])

    def visible(experiment: ColumnElement[int]) -> ColumnElement[bool]:
        return experiment != int(two)

    for order in ([], ["metrics.k"], ["metrics.never"]):
        with database.read() as tx:
            page = run_search.search(tx, SearchRuns([one, two], order_by=order), visible)
        assert [run.info.run_name for run in page.runs] == ["a"]


def test_status_by_name(database: Database) -> None:
    model = [ModelRun(start_time=i, name=s.value, status=s) for i, s in enumerate(RunStatus)]
    experiment = store(database, model)
    assert found(database, experiment, "status = 'FAILED'") == ["FAILED"]
    assert found(database, experiment, "attr.status = 'failed'") == []
    assert found(database, experiment, "run.status ILIKE '%ED'") == [
        "KILLED",
        "FAILED",
        "FINISHED",
        "SCHEDULED",
    ]
    assert found(database, experiment, "", "status DESC")[0] == "SCHEDULED"


@pytest.mark.parametrize("name", ["run_name", "`run name`", "attribute.`Run Name`", 'attributes."Run name"'])
def test_spellings_of_the_run_name(database: Database, name: str) -> None:
    experiment = store(database, [ModelRun(start_time=1, name="Mine"), ModelRun(start_time=1, name="other")])
    assert found(database, experiment, f"{name} = 'Mine'") == ["Mine"]


def test_a_key_twice_is_two_conditions(database: Database) -> None:
    experiment = store(
        database, [ModelRun(start_time=1, metrics={"k": 2.0}, name="in"), ModelRun(start_time=1)]
    )
    assert found(database, experiment, "metrics.k > 1 AND metrics.k < 3 AND metric.k != 4") == ["in"]


def test_many_clauses_and_orders(database: Database) -> None:
    experiment = store(database, [ModelRun(start_time=i, metrics={"k": 2.0}, name=f"n{i}") for i in range(2)])
    clauses = " AND ".join(["metrics.k = 2"] * 256)
    orders = ["metrics.k", *(f"metrics.o{number}" for number in range(30)), "end_time"]
    with database.read() as tx:
        first = run_search.search(tx, SearchRuns([experiment], clauses, max_results=1, order_by=orders))
        request = msgspec.structs.replace(
            SearchRuns([experiment], clauses, max_results=1, order_by=orders),
            page_token=first.next_page_token,
        )
        second = run_search.search(tx, request)
    assert [run.info.run_name for run in (*first.runs, *second.runs)] == ["n1", "n0"]
    assert "256" in refused(database, filter=f"{clauses} AND metrics.k = 2")
    assert "32" in refused(database, order_by=[*orders, "params.k"])


def test_many_ids_and_values(database: Database) -> None:
    experiment = store(database, [ModelRun(start_time=1, name="in")])
    empty = "''"
    clause = f"run_id NOT IN ({','.join(1000 * [empty])})"
    ids = [experiment, *(str(10**9 + number) for number in range(limits.SEARCH_IDS - 1))]
    assert found(database, ids, " AND ".join([clause] * 10)) == ["in"]


@pytest.mark.parametrize("character", ["[", "*", "_", "%", "\\", "😀"])
def test_the_longest_pattern(database: Database, character: str) -> None:
    value = character * 8000
    experiment = store(database, [ModelRun(start_time=1, name="in", tags={"k": value})])
    assert found(database, experiment, f"tags.k LIKE '{value}'") == ["in"]
    assert found(database, experiment, f"tags.k ILIKE '{value[:-1]}x'") == []


def test_a_token_appears_only_if_a_run_is_left(database: Database) -> None:
    experiment = store(database, [ModelRun(start_time=i) for i in range(4)])
    with database.read() as tx:
        first = run_search.search(tx, SearchRuns([experiment], max_results=2))
        assert first.next_page_token is not None
        last = run_search.search(
            tx, SearchRuns([experiment], max_results=2, page_token=first.next_page_token)
        )
        assert len(last.runs) == 2
        assert last.next_page_token is None


def test_a_token_fits_in_a_request_whatever_it_holds(database: Database) -> None:
    wide = {f"k{number}": "😀" * 6000 for number in range(3)}
    experiment = store(database, [ModelRun(start_time=i, name="😀" * 8000, params=wide) for i in range(2)])
    order = [f"params.k{number}" for number in range(3)] + ["run_name"]
    with database.read() as tx:
        page = run_search.search(tx, SearchRuns([experiment], max_results=1, order_by=order))
    assert page.next_page_token is not None
    assert len(page.next_page_token) < 16_384


def test_rows_that_come_meanwhile_shift_nothing(database: Database) -> None:
    experiment = store(database, [ModelRun(start_time=i, name=f"n{i}") for i in range(4)])
    with database.read() as tx:
        first = run_search.search(tx, SearchRuns([experiment], max_results=2))
    with database.write() as tx:
        runs.create(tx, runs.NewRun(f"new-{experiment}", int(experiment), "new", "u", 99, "x:"))
    with database.read() as tx:
        request = SearchRuns([experiment], max_results=2, page_token=first.next_page_token)
        second = run_search.search(tx, request)
    assert [run.info.run_name for run in second.runs] == ["n1", "n0"]


@pytest.mark.parametrize(
    "other",
    [
        {"filter": "metrics.k > 0"},
        {"order_by": ["start_time DESC"]},
        {"run_view_type": ViewType.ALL},
        {"experiment_ids": ["0"]},
    ],
)
def test_a_token_of_another_search_is_refused(database: Database, other: dict[str, object]) -> None:
    experiment = store(database, [ModelRun(start_time=i) for i in range(2)])
    with database.read() as tx:
        token = run_search.search(tx, SearchRuns([experiment], max_results=1)).next_page_token
    message = refused(database, **{"experiment_ids": [experiment], "page_token": token, **other})
    assert message.startswith("Invalid page token, it belongs to a search with another")


@pytest.mark.parametrize(
    ("request_fields", "message"),
    [
        (
            {"max_results": 0},
            "Invalid value 0 for parameter 'max_results' supplied. It must be a positive integer",
        ),
        (
            {"max_results": -1},
            "Invalid value -1 for parameter 'max_results' supplied. It must be a positive integer",
        ),
        (
            {"max_results": 50_001},
            "Invalid value 50001 for parameter 'max_results' supplied. It must be at most 50000",
        ),
        ({"experiment_ids": ["x"]}, "Invalid experiment ID 'x'. Experiment ID must be a valid integer."),
        ({"order_by": ["dataset.name"]}, "Invalid order_by entity: dataset"),
        ({"page_token": "no base64!"}, "Invalid page token, could not base64-decode"),
        ({"page_token": "e30="}, "Invalid page token, it was not made by this server"),
    ],
)
def test_refusals(database: Database, request_fields: dict[str, object], message: str) -> None:
    assert refused(database, **request_fields) == message


def test_a_field_twice_in_one_order_is_refused(database: Database) -> None:
    assert "duplicate fields" in refused(database, order_by=["metrics.a", "metric.a DESC"])
    assert "duplicate fields" in refused(database, order_by=["start_time", "attributes.Created DESC"])
