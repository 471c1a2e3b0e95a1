"""The example notebook runs in JupyterLab, and the panel and the widgets show what it logged."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.e2e.browser import Lab

pytestmark = [pytest.mark.browser, pytest.mark.slow]

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "01_first_run.ipynb"


@pytest.fixture(scope="module")
def notebook(lab_home: Path) -> str:
    """The example, copied to where Lab opens it; its name."""
    shutil.copy(NOTEBOOK, lab_home)
    return NOTEBOOK.name


def shown(picture: Locator) -> bool:
    """Whether an image has come and has pixels."""
    expect(picture).to_have_js_property("complete", value=True)
    return bool(picture.evaluate("image => image.naturalWidth > 100"))


def test_the_example_runs_and_its_run_metric_and_figure_are_seen(lab: Lab, notebook: str) -> None:
    lab.page.set_viewport_size({"width": 1500, "height": 950})
    lab.open(notebook)
    lab.run_all_cells()
    for kind in ("error", "stderr"):
        complaint = lab.page.locator(f"[data-mime-type='application/vnd.jupyter.{kind}']")
        expect(complaint).to_have_count(0)

    panel = lab.panel()
    panel.get_by_role("button", name="first-run").click()
    runs = panel.get_by_role("list", name="Runs").get_by_role("button")
    expect(runs.filter(has_text="forest-by-mlflow")).to_contain_text("accuracy 0.97")
    run = runs.filter(has_text="sgd-by-magics")
    expect(run.get_by_role("img", name="Finished")).to_be_visible()
    run.click()
    details = panel.get_by_role("group", name="sgd-by-magics")
    expect(details.get_by_role("row", name="accuracy 0.96")).to_be_visible()
    expect(details.get_by_role("row", name="alpha 0.0005")).to_be_visible()
    picture = details.get_by_role("img", name="confusion.png")
    picture.scroll_into_view_if_needed()
    assert shown(picture)

    table = lab.page.get_by_role("grid", name="Runs")
    table.scroll_into_view_if_needed()
    expect(table).to_contain_text("sgd-by-magics")
    expect(table).to_contain_text("forest-by-mlflow")
    lab.page.get_by_role("tree").get_by_role("treeitem", name="confusion.png").click()
    figure = lab.page.get_by_role("region", name="Preview").get_by_role("img")
    figure.scroll_into_view_if_needed()
    assert shown(figure)
    lab.screenshot("first_run")
