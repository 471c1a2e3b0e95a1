"""Search of experiments: there are few, so the plainest statement will do."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import ColumnElement

from jupyter_tracking.protocol.enums import ViewType
from jupyter_tracking.protocol.experiments import FoundExperiments, SearchExperiments

from ..search.clauses import clauses
from ..search.fields import EXPERIMENTS
from ..search.order import orders
from ..search.pages import Pages, page_size
from ..search.to_sql import Translator, entity_names
from . import experiments as experiment_rows
from .codes import ACTIVE, DELETED
from .database import Transaction
from .page_secret import page_secret
from .tables import experiments
from .way import Way

__all__ = ["search"]


def search(
    tx: Transaction,
    request: SearchExperiments,
    visible: Callable[[ColumnElement[int]], ColumnElement[bool]] | None = None,
) -> FoundExperiments:
    """A page of experiments; ``visible`` says of an experiment's id whether the caller may read it.

    Raises:
        InvalidParameterValue: filter, order, page token or the number of results is not valid.
    """
    size = page_size(request.max_results)
    wanted = clauses(EXPERIMENTS, request.filter)
    order = orders(EXPERIMENTS, request.order_by)
    scope = ("experiments", request.filter, request.view_type.value, *request.order_by)
    pages = Pages(page_secret(tx), scope)
    cursor = pages.cursor(request.page_token)
    translator = Translator(EXPERIMENTS, tx.dialect, tx.keys.find(tx, entity_names(wanted, order)))
    conditions = translator.conditions(wanted)
    if conditions is None:
        return FoundExperiments()
    if request.view_type is not ViewType.ALL:
        active = request.view_type is ViewType.ACTIVE_ONLY
        conditions.append(experiments.c.lifecycle == (ACTIVE if active else DELETED))
    if visible is not None:
        conditions.append(visible(experiments.c.id))
    keys = [key for item in order for key in translator.attribute_sort_keys(item)]
    found = Way(experiments.c.id, experiments, conditions, keys).page(tx, cursor, size + 1)
    shown, token = pages.cut(found, size)
    return FoundExperiments(experiment_rows.load(tx, shown), token)
