"""Search of runs: the way through the indexes that is cheap, and the page that it finds.

Three ways lead to the same page. A *scan* reads the runs of the experiments, which an index holds by
start time. A *walk* reads the index (key, value, rid) of the metric, param or tag that the request orders
by, and stops when the page is full. A *start* takes the few runs that meet one clause, and sorts them.
SQLite knows nothing of how values are spread, so it is told the way: counts that end early say whether
some clause leaves few runs. PostgreSQL gets scans and walks, whose joins its planner orders by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import ColumnElement, FromClause, Select, and_, exists, func, literal_column, not_, select

from jupyter_tracking.protocol.enums import ViewType
from jupyter_tracking.protocol.limits import experiment_number
from jupyter_tracking.protocol.runs import FoundRuns, SearchRuns

from ..search.clauses import Clause, clauses
from ..search.fields import RUNS, Attribute, Entity
from ..search.order import Order, orders
from ..search.pages import Cursor, Pages, page_size
from ..search.to_sql import (
    MISSING,
    NOT_A_NUMBER,
    PRESENT,
    Condition,
    SortKey,
    Translator,
    entity_names,
    entity_sort_keys,
    joined,
)
from . import runs as run_rows
from .codes import ACTIVE, DELETED
from .database import Transaction
from .page_secret import page_secret
from .tables import metadata, runs
from .way import Found, Way

__all__ = ["search"]

Visible = Callable[[ColumnElement[int]], ColumnElement[bool]]

FEW = 2000
"""Runs from which on it is cheaper to walk an index until the page is full than to fetch all and sort."""

PROBES = 8
"""Clauses that are counted at most."""


def search(tx: Transaction, request: SearchRuns, visible: Visible | None = None) -> FoundRuns:
    """A page of runs; ``visible`` says of an experiment's id whether the caller may read it.

    Raises:
        InvalidParameterValue: filter, order, page token, an id or the number of results is not valid.
    """
    size = page_size(request.max_results)
    experiments = [experiment_number(text) for text in request.experiment_ids]
    wanted = clauses(RUNS, request.filter)
    order = orders(RUNS, request.order_by)
    view = request.run_view_type
    scope = ("runs", request.filter, view.value, *request.order_by, "in", *request.experiment_ids)
    pages = Pages(page_secret(tx), scope)
    cursor = pages.cursor(request.page_token)
    translator = Translator(RUNS, tx.dialect, tx.keys.find(tx, entity_names(wanted, order)))
    conditions = translator.conditions(wanted)
    if not experiments or conditions is None:
        return FoundRuns()
    if visible is not None:
        conditions.append(visible(runs.c.experiment))
    question = _Question(tx, translator, experiments, view, wanted, conditions, order)
    shown, token = pages.cut(question.answer(cursor, size + 1), size)
    return FoundRuns(run_rows.load(tx, shown), token)


@dataclass(frozen=True)
class _Question:
    """What is asked, ready to be put to the database in one way or another."""

    tx: Transaction
    translator: Translator
    experiments: Sequence[int]
    view: ViewType
    wanted: Sequence[Clause]
    conditions: Sequence[Condition]
    order: Sequence[Order]

    def answer(self, cursor: Cursor | None, limit: int) -> Found:
        """The first rows after the cursor, at most ``limit``."""
        start = self._start() if self.tx.dialect == "sqlite" else None
        first = self.order[0]
        if start is not None or isinstance(first.field, Attribute) or first.key not in self.translator.keys:
            return self._scan(start).page(self.tx, cursor, limit)
        found: Found = []
        for rank in (PRESENT, NOT_A_NUMBER, MISSING) if first.field.kind == "number" else (PRESENT, MISSING):
            passed = cursor is not None and cast("int", cursor[0]) > rank
            if not passed and len(found) < limit:
                found += self._walk(first, first.field, rank).page(self.tx, cursor, limit - len(found))
        return found

    def _scan(self, start: _Start | None) -> Way:
        source, keys = self._sorted_by(runs, self.order)
        if start is None:
            return Way(runs.c.rid, source, [*self._within(), *self.conditions], keys)
        within = self._within(hidden=start.rows is not None)
        chosen = [] if start.rows is None else [runs.c.rid.in_(start.rows)]
        return Way(runs.c.rid, source, [*chosen, *within, *self.conditions], keys)

    def _walk(self, first: Order, field: Entity, rank: int) -> Way:
        """The runs whose first order field has that rank."""
        key = self.translator.keys[first.key]
        fixed = [SortKey(None, constant=rank), SortKey(None)]
        if rank == MISSING:
            values = metadata.tables[field.table]
            present = exists(
                select(literal_column("1"))
                .where(values.c.rid == runs.c.rid, values.c.key == key)
                .correlate(runs)
            )
            source, keys = self._sorted_by(runs, self.order[1:])
            missing = not_(present)
            return Way(runs.c.rid, source, [*self._within(), missing, *self.conditions], [*fixed, *keys])
        walked = joined(field.table, 0)
        source, keys = self._sorted_by(walked.join(runs, walked.c.rid == runs.c.rid), self.order[1:])
        conditions: list[Condition] = [walked.c.key == key]
        if rank == PRESENT:
            fixed[1] = entity_sort_keys(walked, field, first.descending)[1]
        if field.kind == "number":
            conditions.append(walked.c.value.is_(None) if rank else walked.c.value.is_not(None))
        within = self._within(hidden=self.tx.dialect == "sqlite")
        return Way(runs.c.rid, source, [*conditions, *within, *self.conditions], [*fixed, *keys])

    def _sorted_by(self, source: FromClause, order: Sequence[Order]) -> tuple[FromClause, list[SortKey]]:
        """The terms of an order, and the source joined to what they need."""
        keys: list[SortKey] = []
        for place, item in enumerate(order, start=len(self.order) - len(order)):
            if isinstance(item.field, Attribute):
                keys += self.translator.attribute_sort_keys(item)
            elif item.key not in self.translator.keys:
                keys += [SortKey(None, constant=MISSING), SortKey(None)]
            else:
                values = joined(item.field.table, place)
                here = and_(values.c.rid == runs.c.rid, values.c.key == self.translator.keys[item.key])
                source = source.outerjoin(values, here)
                keys += entity_sort_keys(values, item.field, item.descending)
        return source, keys

    def _within(self, hidden: bool = False) -> list[Condition]:
        """In the experiments, at the lifecycle stage; ``hidden`` from the choice of an index."""
        experiment: ColumnElement[int] = (
            runs.c.experiment + literal_column("0") if hidden else runs.c.experiment
        )
        several = len(self.experiments) > 1
        found = [experiment.in_(self.experiments) if several else experiment == self.experiments[0]]
        if self.view is not ViewType.ALL:
            found.append(runs.c.lifecycle == (ACTIVE if self.view is ViewType.ACTIVE_ONLY else DELETED))
        return found

    def _start(self) -> _Start | None:
        """A way to few runs, if there is one: a clause that few meet, or experiments that have few."""
        starts = [
            _Start(self.translator.rows(clause))
            for clause in self.wanted
            if isinstance(clause.field, Entity) and clause.field.indexed and _is_range(clause)
        ][:PROBES]
        if isinstance(self.order[0].field, Entity):
            starts.append(_Start(None))
        if not starts:
            return None
        in_experiments = select(runs.c.rid).where(*self._within())
        counts = self.tx.rows(
            select(
                *(
                    select(func.count())
                    .select_from(
                        (in_experiments if start.rows is None else start.rows).limit(FEW + 1).subquery()
                    )
                    .scalar_subquery()
                    for start in starts
                )
            )
        )[0]
        fewest = min(range(len(starts)), key=counts.__getitem__)
        return starts[fewest] if counts[fewest] <= FEW else None


@dataclass(frozen=True)
class _Start:
    """Where few runs are: those of ``rows``, or without it all of the experiments."""

    rows: Select[Any] | None


def _is_range(clause: Clause) -> bool:
    """Whether the rows that meet a clause stand together in the index."""
    numeric = isinstance(clause.field, Entity) and clause.field.kind == "number"
    return clause.operator != "!=" if numeric else clause.operator == "="
