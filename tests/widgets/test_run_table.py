"""The table of runs: its columns, its fallbacks, and the widget in a real kernel."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from jupyter_tracking.run_list import Runs
from jupyter_tracking.widgets.table import SHOWN_METRICS, STATIC_ROWS, shown, table_of, to_html, to_text
from tests.kernels import Kernel

START = datetime(2026, 1, 2, tzinfo=timezone.utc)
VIEW = "application/vnd.jupyter.widget-view+json"


def run(number: int, **values: Any) -> dict[str, Any]:
    return {
        "run_id": f"id{number}",
        "run_name": f"run {number}",
        "experiment_id": "1",
        "status": "FINISHED",
        "start_time": START,
        "end_time": START + timedelta(seconds=90),
        "artifact_uri": "",
        **{key.replace("_", ".", 1): value for key, value in values.items()},
    }


def labels(runs: list[dict[str, Any]]) -> list[str]:
    return [column.label for column in table_of(Runs(runs)).columns]


def test_columns_that_tell_runs_apart_come_first() -> None:
    runs = [
        run(1, metrics_rare=1.0, metrics_loss=0.1, params_same="x", params_rate="1"),
        run(2, metrics_loss=0.2, params_same="x", params_rate="2"),
    ]
    assert labels(runs) == ["Run", "Status", "Started", "Duration", "loss", "rare", "rate", "same"]


def test_many_metrics_do_not_make_many_columns() -> None:
    runs = [run(1, **{f"metrics_m{index:03}": 1.0 for index in range(500)})]
    assert len(labels(runs)) == 4 + SHOWN_METRICS


def test_cells_are_what_json_can_carry() -> None:
    table = table_of(Runs([run(1, metrics_m=float("nan"), metrics_n=float("-inf")), run(2, params_p="x")]))
    assert table.ids == ["id1", "id2"]
    assert table.rows[0][:4] == ["run 1", "FINISHED", START.timestamp() * 1000, 90.0]
    assert table.rows[0][4:] == ["nan", "-inf", None]
    assert table.rows[1][4:] == [None, None, "x"]


def test_how_cells_are_shown() -> None:
    assert [shown(12.34, "duration"), shown(3723, "duration")] == ["12.3 s", "62 min 3 s"]
    assert [shown(0.123456789, "number"), shown(None, "number"), shown("nan", "number")] == [
        "0.123457",
        "",
        "nan",
    ]


def test_the_html_escapes_everything_and_has_no_script() -> None:
    evil = "<script>alert(1)</script><img src=x onerror=alert(1)>"
    page = to_html(table_of(Runs([{**run(1), "run_name": evil, f"params.{evil}": evil}])))
    assert "<script" not in page
    assert "<img" not in page
    assert page.count("&lt;script&gt;") == 3


def test_the_text_is_aligned_and_cut() -> None:
    runs = [run(number, params_p="x" * 100) for number in range(STATIC_ROWS + 3)]
    lines = to_text(table_of(Runs(runs))).splitlines()
    assert lines[0].split() == ["Run", "Status", "Started", "Duration", "p"]
    assert all(len(line) < 120 for line in lines)
    assert (len(lines), lines[-1]) == (STATIC_ROWS + 2, "and 3 more runs")
    assert (to_text(table_of(Runs())), to_html(table_of(Runs()))) == ("no runs", "<p>No runs.</p>")


def test_in_a_kernel_rows_selection_and_fresh_data(notebook: Kernel) -> None:
    notebook.run("for i in range(3):\n    with t.start_run(run_name=f'r{i}'):\n        t.log_metric('m', i)")
    (data,) = notebook.run("table = t.RunTable()\ntable").shown
    assert "r2" in data["text/plain"]
    assert "<td>r2</td>" in data["text/html"]
    widget = data[VIEW]["model_id"]
    ids = notebook.run("print(*table.ids)").text.split()
    notebook.change(widget, {"selected_ids": ids[1:]})
    cell = "print(*[run['run_name'] for run in table.selected])"
    assert notebook.run(cell).text.split() == ["r1", "r0"]
    notebook.run("with t.start_run(run_name='r3'): pass\nt.delete_run(table.ids[1])")
    state, _ = notebook.ask(widget, {"do": "refresh"})
    assert [row[0] for row in state["rows"]] == ["r3", "r2", "r0"]
    assert notebook.run(cell).text.split() == ["r0"]


def test_in_a_kernel_a_fault_is_shown_in_the_widget(notebook: Kernel) -> None:
    cell = (
        "from jupyter_tracking.protocol.errors import TemporarilyUnavailable\n"
        "def search(): raise TemporarilyUnavailable('the server rests')\n"
        "t.RunTable(t.Runs(), search)"
    )
    (data,) = notebook.run(cell).shown
    state, _ = notebook.ask(data[VIEW]["model_id"], {"do": "refresh"})
    assert state == {"fault": "the server rests"}
