"""The links that clients print lead to the run in the Tracking panel."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from tests.e2e.browser import Lab, save_notebook

pytestmark = [pytest.mark.browser, pytest.mark.slow]

# The first run is older than a page of runs, the panel has to ask for it; later-10 is far down the page.
CELLS = (
    "%track_experiment flowers",
    "%track_start linked-run",
    "%track_metric accuracy 0.9375\n%track_end",
    """
from jupyter_tracking import fluent
for number in range(55):
    run = fluent.start_run(run_name=f"later-{number}")
    run.end()
    if number == 10:
        print(run.url)
""",
    "%track_experiment other",
)


@pytest.fixture(scope="module")
def notebook(lab_home: Path) -> str:
    """A notebook in the user's home that prints the link of a run; its name."""
    save_notebook(lab_home / "links.ipynb", CELLS)
    return "links.ipynb"


def test_printed_links_open_their_runs(lab: Lab, notebook: str) -> None:
    lab.open(notebook)
    lab.run_all_cells()
    links = lab.page.locator(".jp-OutputArea").get_by_role("link", name="/#/experiments/")
    far = urlsplit(links.last.get_attribute("href") or "").fragment

    # As a kernel prints it that reaches its server by a name that this browser cannot reach.
    links.first.evaluate("link => { link.host = 'elsewhere.invalid:1'; }")
    links.first.click()
    beside = lab.page.locator("#jupyter-tracking-panel").get_by_role("list", name="Runs")
    expect(beside.get_by_role("button", expanded=True)).to_contain_text("linked-run")
    assert len(lab.page.context.pages) == 1

    # The panel comes to the front by itself, so it is not asked for here.
    links.first.evaluate("(link, host) => { link.host = host; }", urlsplit(lab.page.url).netloc)
    lab.follow(links.first)
    panel = lab.page.locator("#jupyter-tracking-panel")
    expect(panel.locator("[aria-current=true]")).to_have_text("flowers")
    run = panel.get_by_role("list", name="Runs").get_by_role("button", expanded=True)
    expect(run).to_contain_text("linked-run")
    expect(run).to_be_in_viewport()
    details = panel.get_by_role("group", name="linked-run")
    expect(details.get_by_role("row", name="accuracy 0.9375")).to_be_in_viewport()
    lab.screenshot("link")

    lab.page.evaluate("fragment => { location.hash = fragment; }", far)
    far_run = panel.get_by_role("list", name="Runs").get_by_role("button").filter(has_text="later-10")
    expect(far_run).to_have_attribute("aria-expanded", "true")
    expect(far_run).to_be_in_viewport()
    expect(panel.get_by_role("group", name="later-10")).to_be_in_viewport()
    lab.screenshot("link-far")


def test_a_link_in_the_same_window_is_followed_and_a_dead_one_is_told(lab: Lab, notebook: str) -> None:
    lab.open(notebook)
    panel = lab.panel()
    panel.get_by_role("button", name="flowers").click()
    later = panel.get_by_role("list", name="Runs").get_by_role("button").filter(has_text="later-54")
    expect(later).to_be_visible()

    lab.page.evaluate("location.hash = '#/experiments/0/runs/0123456789abcdef'")
    alert = panel.get_by_role("alert")
    expect(alert).to_contain_text("Run with id=0123456789abcdef not found")
    lab.page.evaluate("location.hash = '#/experiments/0'")
    expect(panel.locator("[aria-current=true]")).to_have_text("Default")
    expect(alert).to_have_count(0)

    assert all("404" in problem for problem in lab.problems)
    lab.problems.clear()
