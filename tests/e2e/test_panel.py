"""The Tracking panel shows what a kernel of the same JupyterLab logged."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.e2e.browser import Lab, save_notebook

pytestmark = [pytest.mark.browser, pytest.mark.slow]

CELLS = (
    "%track_experiment flowers",
    "%track_start first-run",
    "%track_param depth 3",
    "%track_metric accuracy 0.9375",
    "%track_tag stage demo",
    """
import matplotlib.pyplot as plt
figure, axes = plt.subplots(figsize=(4, 3))
axes.plot([0.5, 0.8, 0.9375])
figure.savefig("curve.png")
plt.close(figure)
from pathlib import Path
Path("plots").mkdir(exist_ok=True)
for number in range(120):
    Path(f"plots/{number:03}.txt").write_text(str(number))
""",
    "%track_artifact curve.png",
    "%track_artifact plots",
    "%track_end",
)


@pytest.fixture(scope="module")
def notebook(lab_home: Path) -> str:
    """A notebook in the user's home that logs one run; its name."""
    save_notebook(lab_home / "flowers.ipynb", CELLS)
    return "flowers.ipynb"


def row(panel: Locator, name: str) -> Locator:
    """The row of the run with this name."""
    return panel.get_by_role("list", name="Runs").get_by_role("button").filter(has_text=name)


def test_an_empty_store_tells_what_to_type(lab: Lab) -> None:
    lab.open()
    panel = lab.panel()
    expect(panel.get_by_role("list", name="Experiments")).to_contain_text("Default")
    expect(panel).to_contain_text("%track_param a 1")
    lab.screenshot("panel-empty")


def test_a_run_of_the_notebook_appears_with_all_that_it_logged(lab: Lab, notebook: str) -> None:
    lab.open(notebook)
    panel = lab.panel()
    lab.run_all_cells()

    # Nobody presses refresh: the panel looks by itself.
    panel.get_by_role("button", name="flowers").click()
    run = row(panel, "first-run")
    expect(run).to_contain_text("accuracy 0.9375")
    expect(run.get_by_role("img", name="Finished")).to_be_visible()

    run.click()
    details = panel.get_by_role("group", name="first-run")
    expect(details.get_by_role("row", name="accuracy 0.9375")).to_be_visible()
    expect(details.get_by_role("row", name="depth 3")).to_be_visible()
    expect(details.get_by_role("row", name="stage demo")).to_be_visible()
    picture = details.get_by_role("img", name="curve.png")
    picture.scroll_into_view_if_needed()
    expect(picture).to_have_js_property("complete", value=True)
    assert picture.evaluate("image => image.naturalWidth") > 0
    lab.screenshot("panel-light")
    lab.theme("JupyterLab Dark")
    lab.screenshot("panel-dark")

    with lab.page.expect_download() as download:
        details.get_by_role("link", name="Download curve.png").click()
    assert Path(download.value.path()).read_bytes().startswith(b"\x89PNG")

    details.get_by_role("button", name="plots").click()
    folder = details.get_by_role("list", name="plots")
    expect(folder.get_by_role("listitem")).to_have_count(100)
    details.get_by_role("button", name="Load more").click()
    expect(folder.get_by_role("listitem")).to_have_count(120)
    for link, count in (("Download folder plots", 120), ("Download all", 121)):
        with lab.page.expect_download() as download:
            details.get_by_role("link", name=link).click()
        with zipfile.ZipFile(download.value.path()) as packed:
            assert len(packed.namelist()) == count
    assert download.value.suggested_filename == "first-run.zip"


def test_the_command_palette_shows_the_panel(lab: Lab) -> None:
    lab.open()
    panel = lab.page.locator("#jupyter-tracking-panel")
    expect(panel).to_be_hidden()
    lab.page.keyboard.press("Control+Shift+C")
    lab.page.locator(".lm-CommandPalette-input").fill("Show Tracking")
    lab.page.keyboard.press("Enter")
    expect(panel.get_by_role("searchbox")).to_be_visible()


def test_keys_open_a_run(lab: Lab) -> None:
    lab.open()
    panel = lab.panel()
    panel.get_by_role("button", name="flowers").press("Enter")
    run = row(panel, "first-run")
    run.press("Enter")
    expect(run).to_have_attribute("aria-expanded", "true")
    expect(panel.get_by_role("group", name="first-run")).to_be_visible()
    run.press("Space")
    expect(run).to_have_attribute("aria-expanded", "false")


def test_the_search_box_narrows_the_experiments(lab: Lab) -> None:
    lab.open()
    panel = lab.panel()
    experiments = panel.get_by_role("list", name="Experiments").get_by_role("button")
    expect(experiments).to_have_count(2)
    panel.get_by_role("searchbox").fill("FLOW")
    expect(experiments).to_have_text(["flowers"])
    panel.get_by_role("searchbox").fill('it\'s "nothing"')
    expect(panel).to_contain_text("No experiment has this in its name.")


def test_a_server_without_tracking_is_told_and_retried(lab: Lab) -> None:
    searches = "**/tracking/ajax-api/2.0/mlflow/experiments/search*"
    lab.page.route(searches, lambda route: route.fulfill(status=404, body="<h1>404</h1>"))
    lab.open()
    panel = lab.panel()
    alert = panel.get_by_role("alert")
    expect(alert).to_contain_text("jupyter server extension enable jupyter_tracking_server")
    lab.page.unroute(searches)
    alert.get_by_role("button", name="Retry").click()
    expect(panel.get_by_role("list", name="Experiments")).to_contain_text("Default")
    expect(alert).to_have_count(0)

    assert lab.problems
    assert all("404" in problem for problem in lab.problems)
    lab.problems.clear()
