"""Search of logged models. Metric conditions may be narrowed to points on given datasets."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import ColumnElement, FromClause, and_, case, exists, literal_column, or_, select, true

from jupyter_tracking.protocol import limits
from jupyter_tracking.protocol.errors import InvalidParameterValue
from jupyter_tracking.protocol.limits import experiment_number
from jupyter_tracking.protocol.logged_models import (
    DatasetFilter,
    FoundLoggedModels,
    ModelOrder,
    SearchLoggedModels,
)

from ..search.clauses import Clause, clauses
from ..search.fields import LOGGED_MODELS, Entity
from ..search.order import Order, with_ties
from ..search.pages import Pages, page_size
from ..search.to_sql import MISSING, PRESENT, Condition, SortKey, Translator, entity_names
from . import logged_models as model_rows
from .codes import ACTIVE
from .database import Transaction
from .page_secret import page_secret
from .tables import logged_model_metrics, logged_models
from .way import Way

__all__ = ["search"]

DEFAULT_RESULTS = 100
_METRICS = LOGGED_MODELS.entities["metrics"]


def search(
    tx: Transaction,
    request: SearchLoggedModels,
    visible: Callable[[ColumnElement[int]], ColumnElement[bool]] | None = None,
) -> FoundLoggedModels:
    """A page of logged models; ``visible`` says of an experiment's id whether the caller may read it.

    Raises:
        InvalidParameterValue: filter, order, page token, an id or the number of results is not valid.
    """
    size = page_size(min(request.max_results, limits.SEARCH_MAX_RESULTS) or DEFAULT_RESULTS)
    experiments = [experiment_number(text) for text in request.experiment_ids]
    wanted = clauses(LOGGED_MODELS, request.filter)
    given = [(_order(item), item) for item in request.order_by]
    order = with_ties(LOGGED_MODELS, [item for item, _ in given])
    pages = Pages(page_secret(tx), _scope(request))
    cursor = pages.cursor(request.page_token)
    keys = tx.keys.find(tx, entity_names(wanted, order))
    on_datasets = _on_datasets(request.datasets)
    translator = Translator(
        LOGGED_MODELS, tx.dialect, keys, {_METRICS.name: on_datasets} if on_datasets else {}
    )
    conditions = translator.conditions(wanted)
    if not experiments or conditions is None:
        return FoundLoggedModels()
    conditions += [logged_models.c.experiment.in_(experiments), logged_models.c.lifecycle == ACTIVE]
    if on_datasets and not _has_metric(wanted):
        conditions.append(_measured(on_datasets))
    if visible is not None:
        conditions.append(visible(logged_models.c.experiment))
    terms: list[SortKey] = []
    for index, item in enumerate(order):
        if isinstance(item.field, Entity):
            terms += _metric_sort_keys(keys, item, given[index][1])
        else:
            terms += translator.attribute_sort_keys(item)
    found = Way(logged_models.c.mid, logged_models, conditions, terms).page(tx, cursor, size + 1)
    shown, token = pages.cut(found, size)
    return FoundLoggedModels(model_rows.load(tx, shown), token)


def _scope(request: SearchLoggedModels) -> tuple[str, ...]:
    order = [str((o.field_name, o.ascending, o.dataset_name, o.dataset_digest)) for o in request.order_by]
    datasets = [str((d.dataset_name, d.dataset_digest)) for d in request.datasets]
    return ("logged models", request.filter, *order, "on", *datasets, "in", *request.experiment_ids)


def _order(item: ModelOrder) -> Order:
    """A field's name stands alone here, so whatever follows ``metrics.`` is the key, quoted or not."""
    name = item.field_name.removeprefix("attributes.")
    if name in LOGGED_MODELS.attributes:
        return Order(LOGGED_MODELS.attributes[name], "", not item.ascending)
    entity, _, key = item.field_name.partition(".")
    if entity != _METRICS.name:
        raise InvalidParameterValue(
            f"Invalid order by field name: {item.field_name[:100]}. "
            f"Valid names are metrics.<key> and {', '.join(LOGGED_MODELS.attributes)}."
        )
    quoted = len(key) > 1 and key[0] == key[-1] and key[0] in '`"'
    return Order(_METRICS, key[1:-1] if quoted else key, not item.ascending)


def _has_metric(wanted: Sequence[Clause]) -> bool:
    return any(clause.field is _METRICS for clause in wanted)


def _on_datasets(datasets: Sequence[DatasetFilter]) -> Callable[[FromClause], Condition] | None:
    if not datasets:
        return None
    return lambda points: or_(
        *(_on_dataset(points, dataset.dataset_name, dataset.dataset_digest) for dataset in datasets)
    )


def _on_dataset(points: FromClause, name: str | None, digest: str | None) -> Condition:
    tests: list[Condition] = []
    if name:
        tests.append(points.c.dataset_name == name)
    if digest:
        tests.append(points.c.dataset_digest == digest)
    return and_(true(), *tests)


def _measured(on_datasets: Callable[[FromClause], Condition]) -> Condition:
    points = logged_model_metrics.alias()
    return exists(
        select(literal_column("1"))
        .where(points.c.mid == logged_models.c.mid, on_datasets(points))
        .correlate(logged_models)
    )


def _metric_sort_keys(keys: dict[str, int], item: Order, asked: ModelOrder) -> list[SortKey]:
    """The newest value of a metric, perhaps on one dataset; models without one come last."""
    if item.key not in keys:
        return [SortKey(None, constant=MISSING), SortKey(None)]
    points = logged_model_metrics.alias()
    newest = (
        select(points.c.value)
        .where(points.c.mid == logged_models.c.mid, points.c.key == keys[item.key])
        .where(_on_dataset(points, asked.dataset_name, asked.dataset_digest))
        .order_by(points.c.timestamp.desc(), points.c.step.desc(), points.c.run_id)
        .limit(1)
        .correlate(logged_models)
        .scalar_subquery()
    )
    return [SortKey(case((newest.is_(None), MISSING), else_=PRESENT)), SortKey(newest, item.descending)]
