"""A table of runs to sort, filter and choose from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from ..fluent import search_runs
from ..protocol.errors import TrackingError
from ..run_list import Runs
from .table import Table, table_of, to_html, to_text

_HERE = Path(__file__).parent


class RunTable(anywidget.AnyWidget):
    """Runs in rows; a click on a column's name sorts, text in the box filters, ticked rows are ``selected``.

    Args:
        runs: what to show; by default the runs of the current experiment.
        search: finds the runs again when the user asks for fresh data.

    The browser gets the rows from the kernel, so it needs no way to the tracking server.
    """

    _esm = _HERE / "run_table.js"
    _css = _HERE / "run_table.css"

    columns = traitlets.List(traitlets.Dict()).tag(sync=True)
    rows = traitlets.List(traitlets.List()).tag(sync=True)
    ids = traitlets.List(traitlets.Unicode()).tag(sync=True)
    selected_ids = traitlets.List(traitlets.Unicode()).tag(sync=True)
    fault = traitlets.Unicode().tag(sync=True)

    def __init__(self, runs: Runs | None = None, search: Callable[[], Runs] = search_runs) -> None:
        self.runs = search() if runs is None else runs
        self._search = search
        self._table = table_of(self.runs)
        super().__init__(**_traits(self._table))
        self.on_msg(self._heard)

    @property
    def selected(self) -> Runs:
        """The runs that are ticked, in the order of the search."""
        chosen = set(self.selected_ids)
        return Runs(run for run in self.runs if run["run_id"] in chosen)

    def refresh(self) -> None:
        """Search again."""
        self.runs = self._search()
        self._table = table_of(self.runs)
        there = set(self._table.ids)
        with self.hold_sync():
            self.set_trait("selected_ids", [run_id for run_id in self.selected_ids if run_id in there])
            for name, value in _traits(self._table).items():
                self.set_trait(name, value)

    def __repr__(self) -> str:
        return to_text(self._table)

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        found: Any = super()._repr_mimebundle_(**kwargs)
        data, metadata = found if isinstance(found, tuple) else (found or {}, {})
        return {**data, "text/plain": to_text(self._table), "text/html": to_html(self._table)}, metadata

    def _heard(self, _widget: object, content: object, _buffers: object) -> None:
        if content == {"do": "refresh"}:
            try:
                self.refresh()
                self.fault = ""
            except TrackingError as error:
                self.fault = error.message


def _traits(table: Table) -> dict[str, Any]:
    return {"columns": [asdict(column) for column in table.columns], "rows": table.rows, "ids": table.ids}
