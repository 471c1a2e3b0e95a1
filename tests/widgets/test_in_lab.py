"""The widgets where people use them: magics in a notebook in JupyterLab, over the kernel to the server."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.e2e.browser import Lab, chromium, save_notebook, start_lab

pytestmark = [pytest.mark.browser, pytest.mark.slow]

CELLS = (
    """
for i in range(40):
    %track_start run-{i} -q
    %track_param depth {i % 3} -q
    %track_metric loss {1 / (i + 1)} -q
""",
    """
%track_artifact {[[1, 2]]} data/conf.json -q
%track_artifact {'some text'} notes.txt -q
""",
    "table = %track_runs\ntable",
    "%track_artifacts",
)


@pytest.fixture(autouse=True)
def jp_asyncio_loop() -> None:
    """No loop from pytest-jupyter: it would close the one that Playwright runs in this thread."""


@pytest.fixture(autouse=True)
def jp_server_cleanup() -> None:
    """No Jupyter Server in this process, so none to clean up."""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """JupyterLab with a notebook ``widgets.ipynb``."""
    home = tmp_path_factory.mktemp("lab")
    save_notebook(home / "widgets.ipynb", CELLS)
    shots = Path(os.environ.get("JUPYTER_TRACKING_SCREENSHOTS") or home / "screenshots")
    with start_lab(home) as server, chromium() as browser:
        opened = Lab(browser, server, shots)
        yield opened
        opened.close()


def test_the_table_and_the_browser_of_a_notebook(lab: Lab) -> None:
    lab.open("widgets.ipynb")
    lab.run_all_cells()
    page = lab.page
    grid = page.get_by_role("grid", name="Runs")
    table = page.locator(".jt-runs")
    expect(table.get_by_role("status")).to_have_text("40 runs")
    table.get_by_label("Filter runs").fill("run-3")
    expect(table.get_by_role("status")).to_have_text("11 of 40 runs")
    grid.get_by_text("run-33", exact=True).click()
    expect(table.get_by_role("status")).to_have_text("11 of 40 runs, 1 selected")
    lab.screenshot("run-table")

    files = page.locator(".jt-files")
    files.get_by_text("data", exact=True).click()
    files.get_by_text("conf.json").click()
    expect(files.locator("pre")).to_contain_text("1,")
    files.get_by_text("notes.txt").click()
    expect(files.locator("pre")).to_have_text("some text")
    with page.expect_download() as found:
        files.get_by_role("button", name="Download").click()
    assert Path(found.value.path()).read_text() == "some text"
    files.scroll_into_view_if_needed()
    lab.screenshot("artifact-browser")
    lab.theme("JupyterLab Dark")
    lab.screenshot("widgets-dark")
    assert lab.problems == []
