"""Random runs, filters and orders: SQL and the model agree, on each database and by each way."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jupyter_tracking.protocol.enums import RunStatus
from jupyter_tracking.protocol.runs import SearchRuns
from jupyter_tracking_server.store import run_search
from jupyter_tracking_server.store.database import Database

from .run_model import ModelClause, ModelOrder, ModelRun, search, store

LONG = "l" * 199
KEYS = ["a", "b c/d", "never logged"]
TEXTS = st.sampled_from(
    ["", "x", "X", "xy", "it''s", "x%", "x_", "\\", "a\\b", "[x]", "*", "?", "É", "é", "😀", "\n"]
    + [LONG + tail for tail in ("l", "la", "lb", "b")]
)
PATTERNS = st.sampled_from(
    ["%", "x%", "X%", "_", "%_", "%l", "[x]", "*", "?", "\\", "%\\%", "é", "%B", "x_", "", "__"]
)
NUMBERS = st.sampled_from([0.0, 1.0, -1.5, 2.0**60, 1e-300, float("inf"), float("-inf"), float("nan")])
FINITE = st.sampled_from([0.0, 1.0, -1.5, 2.0**60, 1e-300, 0, 1, -2])
SMALL = st.integers(0, 3)
DATASETS = st.tuples(
    st.sampled_from(["d", "D"]), st.sampled_from(["1", "2"]), st.sampled_from([None, "train", "x"])
)


def some(values: st.SearchStrategy[object]) -> st.SearchStrategy[dict[str, object]]:
    return st.dictionaries(st.sampled_from(KEYS[:-1]), values, max_size=2)


RUNS = st.lists(
    st.builds(
        ModelRun,
        start_time=SMALL,
        end_time=st.none() | SMALL,
        name=TEXTS.filter(bool),
        user=st.sampled_from(["u", "v"]),
        status=st.sampled_from(RunStatus),
        deleted=st.integers(0, 9).map(lambda n: n == 0),
        metrics=some(NUMBERS),
        params=some(TEXTS),
        tags=some(TEXTS),
        datasets=st.lists(DATASETS, max_size=2, unique_by=lambda d: d[:2]),
        run_id=st.uuids().map(lambda u: u.hex),
    ),
    min_size=2,
    max_size=12,
    unique_by=lambda run: run.run_id,
)
EQUAL, LIKE = st.sampled_from(["=", "!="]), st.sampled_from(["LIKE", "ILIKE"])
SIX = st.sampled_from(["=", "!=", "<", "<=", ">", ">="])
KEY = st.sampled_from(KEYS)
KEYED_TEXT = st.sampled_from(["params", "tags"])
TEXT_ATTRIBUTE = st.sampled_from(["run_name", "user_id", "status"])
CLAUSES = st.one_of(
    st.builds(ModelClause, st.just("metrics"), KEY, SIX, FINITE),
    st.builds(ModelClause, KEYED_TEXT, KEY, EQUAL, TEXTS),
    st.builds(ModelClause, KEYED_TEXT, KEY, LIKE, PATTERNS),
    st.builds(ModelClause, KEYED_TEXT, KEY, st.sampled_from(["IS NULL", "IS NOT NULL"]), st.none()),
    st.builds(ModelClause, st.just("attributes"), TEXT_ATTRIBUTE, EQUAL, TEXTS | st.just("RUNNING")),
    st.builds(ModelClause, st.just("attributes"), TEXT_ATTRIBUTE, LIKE, PATTERNS | st.just("%ed")),
    st.builds(
        ModelClause, st.just("attributes"), st.sampled_from(["start_time", "end_time"]), SIX, SMALL | FINITE
    ),
    st.builds(
        ModelClause,
        st.just("datasets"),
        st.sampled_from(["name", "digest", "context"]),
        EQUAL,
        st.sampled_from(["d", "1", "train"]),
    ),
)
ATTRIBUTES = ["run_id", "run_name", "status", "user_id", "start_time", "end_time"]
ORDERS = st.lists(
    st.builds(ModelOrder, st.sampled_from(["metrics", "params", "tags"]), KEY, st.booleans())
    | st.builds(ModelOrder, st.just("attributes"), st.sampled_from(ATTRIBUTES), st.booleans()),
    max_size=3,
    unique_by=lambda order: (order.entity, order.key),
)


@pytest.fixture(params=["as it comes", "always by a walk"])
def ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twelve runs are few, and so never walked to, unless none count as few."""
    if request.param == "always by a walk":
        monkeypatch.setattr(run_search, "FEW", -1)


@pytest.mark.usefixtures("ways")
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(model=RUNS, clauses=st.lists(CLAUSES, max_size=2), order=ORDERS, size=st.integers(1, 5))
def test_pages_hold_what_the_model_finds(
    database: Database,
    model: list[ModelRun],
    clauses: list[ModelClause],
    order: list[ModelOrder],
    size: int,
) -> None:
    experiment = store(database, model)
    request = SearchRuns(
        experiment_ids=[experiment],
        filter=" AND ".join(clause.text() for clause in clauses),
        order_by=[item.text() for item in order],
        max_results=size,
    )
    pages = all_pages(database, request)
    expected = search(model, clauses, order)
    assert [run_id for page in pages for run_id in page] == expected
    assert [len(page) for page in pages[:-1]] == [size] * (len(pages) - 1)
    assert len(pages[-1]) > 0 or not expected


def all_pages(database: Database, request: SearchRuns) -> list[list[str]]:
    pages: list[list[str]] = []
    token: str | None = None
    while token is not None or not pages:
        with database.read() as tx:
            found = run_search.search(tx, msgspec.structs.replace(request, page_token=token))
        pages.append([run.info.run_id for run in found.runs])
        token = found.next_page_token
    return pages
