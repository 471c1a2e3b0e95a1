"""What is left of the widgets in a saved notebook that nobody runs: on GitHub, in nbconvert, in a diff."""

from __future__ import annotations

from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbconvert import HTMLExporter

CELLS = (
    "%load_ext jupyter_tracking",
    "%track_start saved-run -q\n%track_param a '<script>x</script>' -q\n%track_artifact {{}} conf.json -q",
    "%track_runs",
    "%track_artifacts",
    "%track",
)


@pytest.mark.usefixtures("tracked")
def test_tables_remain_when_the_kernel_is_gone() -> None:
    cells = [nbformat.v4.new_code_cell(cell) for cell in CELLS]  # type: ignore[no-untyped-call]  # nbformat has no types
    notebook: Any = nbformat.v4.new_notebook(cells=cells)  # type: ignore[no-untyped-call]  # as above
    NotebookClient(notebook, store_widget_state=False).execute()
    nbformat.validate(notebook)
    exporter: Any = HTMLExporter
    page, _ = exporter().from_notebook_node(notebook)
    for text in ("<td>saved-run</td>", ">conf.json</td>", "a = &lt;script&gt;x&lt;/script&gt;"):
        assert text in page
    assert "<script>x" not in page
    assert "application/vnd.jupyter.widget-view+json" not in page
