"""A table of runs: which columns are worth showing, and the same cells as text and as HTML.

The HTML has no script and no style sheet, so that a saved notebook shows it anywhere; all text is escaped.
"""

from __future__ import annotations

import html
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from ..run_list import Runs, duration

Kind = Literal["text", "number", "time", "duration"]
Cell = str | float | None

SHOWN_METRICS = 12
SHOWN_PARAMS = 12
STATIC_ROWS = 50
TEXT_WIDTH = 28


@dataclass(frozen=True)
class Column:
    """One column. Times are milliseconds since the epoch, durations are seconds."""

    key: str
    label: str
    kind: Kind
    group: str = "run"


@dataclass(frozen=True)
class Table:
    """Columns, and for each run its cells; ``ids`` are the runs' ids in the same order."""

    columns: list[Column]
    rows: list[list[Cell]]
    ids: list[str]


RUN_COLUMNS = [
    Column("run_name", "Run", "text"),
    Column("status", "Status", "text"),
    Column("start_time", "Started", "time"),
    Column("duration", "Duration", "duration"),
]


def table_of(runs: Runs) -> Table:
    """The table of some runs.

    Metrics come by how many runs have them. Params that differ between runs come before those that are the
    same everywhere, which tell the runs apart as little as a blank column would.
    """
    metrics = [
        Column(key, key.partition(".")[2], "number", "metrics")
        for key in _by_use(runs, "metrics.")[:SHOWN_METRICS]
    ]
    differing = sorted(_by_use(runs, "params."), key=lambda key: len({run.get(key) for run in runs}) == 1)
    params = [Column(key, key.partition(".")[2], "text", "params") for key in differing[:SHOWN_PARAMS]]
    columns = [*RUN_COLUMNS, *metrics, *params]
    return Table(
        columns, [[_cell(run, column) for column in columns] for run in runs], [run["run_id"] for run in runs]
    )


def to_text(table: Table) -> str:
    """The table for a terminal: the first rows, columns in line."""
    if not table.rows:
        return "no runs"
    rows = [[column.label for column in table.columns]]
    rows += [
        [_clip(shown(cell, column.kind)) for cell, column in zip(row, table.columns, strict=True)]
        for row in table.rows[:STATIC_ROWS]
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    return "\n".join([*lines, *_rest(table)])


def to_html(table: Table) -> str:
    """The table for a saved notebook: the first rows."""
    if not table.rows:
        return "<p>No runs.</p>"
    head = "".join(f'<th scope="col">{html.escape(column.label)}</th>' for column in table.columns)
    body = "".join(
        "<tr>"
        + "".join(
            f"<td>{html.escape(shown(cell, column.kind))}</td>"
            for cell, column in zip(row, table.columns, strict=True)
        )
        + "</tr>"
        for row in table.rows[:STATIC_ROWS]
    )
    rest = "".join(f"<p>{html.escape(line)}</p>" for line in _rest(table))
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{rest}"


def shown(cell: Cell, kind: Kind) -> str:
    """A cell as people read it."""
    if cell is None:
        return ""
    if isinstance(cell, str):
        return cell
    if kind == "time":
        return datetime.fromtimestamp(cell / 1000).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    if kind == "duration":
        return f"{cell:.1f} s" if cell < 60 else f"{int(cell // 60)} min {int(cell % 60)} s"
    return f"{cell:.6g}"


def _by_use(runs: Sequence[dict[str, Any]], prefix: str) -> list[str]:
    count = Counter(key for run in runs for key in run if key.startswith(prefix))
    return [key for key, _ in sorted(count.items(), key=lambda item: (-item[1], item[0]))]


def _cell(run: dict[str, Any], column: Column) -> Cell:
    if column.kind == "duration":
        took = duration(run)
        return None if took is None else took.total_seconds()
    value = run.get(column.key)
    if isinstance(value, datetime):
        return value.timestamp() * 1000
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # JSON has no word for it
    return value


def _clip(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= TEXT_WIDTH else text[: TEXT_WIDTH - 1] + "…"


def _rest(table: Table) -> list[str]:
    hidden = len(table.rows) - STATIC_ROWS
    return [f"and {hidden} more runs"] if hidden > 0 else []
