"""The widgets' views in a real Chromium, on a model that only remembers: thousands of rows, keys, clicks."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect

import jupyter_tracking
from tests.e2e.browser import chromium

pytestmark = pytest.mark.browser

WIDGETS = Path(jupyter_tracking.__file__).parent / "widgets"
TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css"}
PAGE = """<!doctype html><meta charset="utf-8"><link rel="stylesheet" href="/NAME.css">
<body style="margin: 8px; THEME"><div id="here"></div>
<script type="module">
import view from "/NAME.js";
const listeners = [];
window.sent = [];
window.model = {
  state: STATE,
  get(name) { return this.state[name]; },
  set(name, value) { this.state[name] = value; },
  save_changes() {},
  send(content) { window.sent.push(content); },
  on(names, callback) { names.split(" ").forEach((name) => listeners.push([name, callback])); },
  off(names, callback) {},
  fire(name, ...values) { listeners.filter(([on]) => on === name).forEach(([, call]) => call(...values)); },
};
window.end = view.render({ model: window.model, el: document.getElementById("here") });
</script>"""
DARK = (
    "background: #111; --jp-layout-color1: #111; --jp-layout-color2: #212121; --jp-content-font-color1: #fff;"
)
DARK += "--jp-content-font-color2: #bbb; --jp-border-color2: #424242; --jp-brand-color1: #64b5f6;"
DARK += "--jp-rendermime-table-row-hover-background: #1e3a52;"


@pytest.fixture(autouse=True)
def jp_asyncio_loop() -> None:
    """No loop from pytest-jupyter: it would close the one that Playwright runs in this thread."""


@pytest.fixture(autouse=True)
def jp_server_cleanup() -> None:
    """No Jupyter Server in this process, so none to clean up."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    opened = browser.new_page(viewport={"width": 900, "height": 500})
    problems: list[str] = []
    opened.on("pageerror", lambda error: problems.append(str(error)))
    yield opened
    opened.close()
    assert problems == []


def show(page: Page, name: str, state: dict[str, Any], theme: str = "") -> None:
    """Open a page with one widget."""
    # A "<" in the data must not end the script that carries it.
    data = json.dumps(state).replace("<", "\\u003c")
    html = PAGE.replace("NAME", name).replace("THEME", theme).replace("STATE", data)

    def serve(route: Route) -> None:
        path = WIDGETS / route.request.url.rpartition("/")[2]
        body = path.read_text(encoding="utf-8") if path.suffix in TYPES else html
        route.fulfill(body=body, content_type=TYPES.get(path.suffix, "text/html"))

    page.route("http://widget.test/**", serve)
    page.goto("http://widget.test/")
    page.wait_for_function("window.end !== undefined")


def picture(page: Page, name: str) -> None:
    """Keep a picture, if a folder for them is named."""
    if folder := os.environ.get("JUPYTER_TRACKING_SCREENSHOTS"):
        page.screenshot(path=str(Path(folder) / f"{name}.png"))


def table(count: int) -> dict[str, Any]:
    columns = [
        {"key": "run_name", "label": "Run", "kind": "text", "group": "run"},
        {"key": "status", "label": "Status", "kind": "text", "group": "run"},
        {"key": "start_time", "label": "Started", "kind": "time", "group": "run"},
        {"key": "duration", "label": "Duration", "kind": "duration", "group": "run"},
        {"key": "metrics.loss", "label": "loss", "kind": "number", "group": "metrics"},
        {"key": "params.model", "label": "model", "kind": "text", "group": "params"},
    ]
    statuses = ("FINISHED", "RUNNING", "FAILED", "KILLED")
    rows: list[list[Any]] = [
        [f"run {n}", statuses[n % 4], 1.7e12 + n * 1e6, 5.0 * n, (n * 7919 % count) / count, f"tree-{n % 3}"]
        for n in range(count)
    ]
    rows[1][4] = None
    rows[2][0] = "<img src=x onerror=window.pwned=1>"
    ids = [f"id{n}" for n in range(count)]
    return {"columns": columns, "rows": rows, "ids": ids, "selected_ids": [], "fault": ""}


def first_names(page: Page, count: int = 3) -> list[str]:
    cells = page.locator("tbody tr[data-position] td:nth-child(2)").all_inner_texts()
    return cells[:count]


def test_five_thousand_runs_are_a_few_rows_in_the_page(page: Page) -> None:
    show(page, "run_table", table(5000))
    expect(page.get_by_role("status")).to_have_text("5000 runs")
    assert page.locator("tbody tr[data-position]").count() < 60
    page.locator(".jt-scroll").evaluate("node => { node.scrollTop = node.scrollHeight; }")
    expect(page.get_by_text("run 4999", exact=True)).to_be_visible()
    assert page.locator("tbody tr[data-position]").count() < 60
    assert page.get_by_role("grid").get_attribute("aria-rowcount") == "5001"


def test_sorting_goes_up_down_and_back(page: Page) -> None:
    show(page, "run_table", table(100))
    header = page.get_by_role("columnheader", name="loss")
    header.get_by_role("button").click()
    assert header.get_attribute("aria-sort") == "ascending"
    assert first_names(page, 1) == ["run 0"]
    header.get_by_role("button").click()
    assert header.get_attribute("aria-sort") == "descending"
    losses = page.locator("tbody tr[data-position] td:nth-child(6)").all_inner_texts()
    assert losses == sorted(losses, key=float, reverse=True)
    page.locator(".jt-scroll").evaluate("node => { node.scrollTop = node.scrollHeight; }")
    expect(page.get_by_text("run 1", exact=True)).to_be_visible()
    header.get_by_role("button").click()
    assert header.get_attribute("aria-sort") == "none"


def test_names_sort_by_the_numbers_in_them(page: Page) -> None:
    show(page, "run_table", table(20))
    page.get_by_role("columnheader", name="Run").get_by_role("button").click()
    assert first_names(page)[1:] == ["run 0", "run 1"]


def test_the_filter_takes_several_words(page: Page) -> None:
    show(page, "run_table", table(300))
    page.get_by_label("Filter runs").fill("failed tree-2")
    expect(page.get_by_role("status")).to_have_text("25 of 300 runs")
    assert set(page.locator("td.jt-status").all_inner_texts()) == {"FAILED"}
    page.get_by_label("Filter runs").fill("no such thing")
    expect(page.get_by_role("status")).to_have_text("0 of 300 runs")


def test_text_of_runs_is_never_markup(page: Page) -> None:
    show(page, "run_table", table(5))
    expect(page.get_by_text("<img src=x", exact=False)).to_be_visible()
    assert page.locator("tbody img").count() == 0
    assert page.evaluate("window.pwned") is None


def test_rows_are_chosen_by_mouse_and_by_keys(page: Page) -> None:
    show(page, "run_table", table(200))
    page.get_by_text("run 3", exact=True).click()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    assert page.evaluate("model.state.selected_ids") == ["id3", "id4"]
    page.keyboard.press("Space")
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    expect(page.get_by_text("run 199", exact=True)).to_be_visible()
    assert page.evaluate("model.state.selected_ids") == ["id3", "id199"]
    expect(page.get_by_role("status")).to_have_text("200 runs, 2 selected")
    page.get_by_label("Filter runs").fill("running")
    page.get_by_label("Select all runs shown").check()
    assert len(page.evaluate("model.state.selected_ids")) == 52, "what is filtered out stays chosen"
    picture(page, "run_table")


def test_fresh_rows_and_a_fault_from_the_kernel(page: Page) -> None:
    show(page, "run_table", table(3))
    page.get_by_role("button", name="Refresh").click()
    assert page.evaluate("sent") == [{"do": "refresh"}]
    page.evaluate("model.state.rows = model.state.rows.slice(0, 1); model.fire('change:rows')")
    expect(page.get_by_role("status")).to_have_text("1 run")
    page.evaluate("model.state.fault = 'the server rests'; model.fire('change:selected_ids change:fault')")
    page.evaluate("model.fire('change:fault')")
    expect(page.get_by_role("alert")).to_have_text("the server rests")


def test_no_runs(page: Page) -> None:
    show(page, "run_table", {"columns": [], "rows": [], "ids": [], "selected_ids": [], "fault": ""})
    expect(page.get_by_role("status")).to_have_text("0 runs")


FILES = {
    "run_name": "tidy <fox>",
    "files": [
        {"path": "data", "is_dir": True, "size": ""},
        {"path": "notes.txt", "is_dir": False, "size": "12 B"},
        {"path": "table.csv", "is_dir": False, "size": "1.2 kB"},
    ],
}


def answer(page: Page, content: dict[str, Any], text: str = "") -> None:
    """An answer of the kernel, with a buffer if there is a text."""
    code = (
        "([content, text]) => model.fire('msg:custom', content, text ? [new TextEncoder().encode(text)] : [])"
    )
    page.evaluate(code, [content, text])


def test_a_file_is_shown_as_what_it_is(page: Page) -> None:
    show(page, "artifact_browser", FILES)
    page.get_by_text("table.csv").click()
    assert page.evaluate("sent") == [{"do": "preview", "path": "table.csv"}]
    rows = [["a", "<b>"], ["1", "2"]]
    answer(
        page, {"do": "preview", "path": "table.csv", "kind": "table", "rows": rows, "note": "The first rows."}
    )
    preview = page.get_by_role("region", name="Preview")
    assert preview.locator("th").all_inner_texts() == ["a", "<b>"]
    expect(preview).to_contain_text("The first rows.")
    picture(page, "artifact_browser")
    page.get_by_text("notes.txt").click()
    answer(page, {"do": "preview", "path": "table.csv", "kind": "text", "text": "too late", "note": ""})
    answer(page, {"do": "preview", "path": "notes.txt", "kind": "text", "text": "<b>bold</b>", "note": ""})
    expect(preview.locator("pre")).to_have_text("<b>bold</b>")


def test_an_image_runs_no_script(page: Page) -> None:
    show(page, "artifact_browser", FILES)
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9" onload="window.pwned=1">'
        "<script>window.pwned=1</script></svg>"
    )
    page.get_by_text("notes.txt").click()
    answer(page, {"do": "preview", "path": "notes.txt", "kind": "image", "mime": "image/svg+xml"}, svg)
    page.wait_for_function("document.querySelector('img').naturalWidth === 9")
    assert page.evaluate("window.pwned") is None


def test_the_tree_by_keys(page: Page) -> None:
    show(page, "artifact_browser", FILES)
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("sent") == [{"do": "list", "path": "data"}]
    answer(
        page,
        {"do": "list", "path": "data", "files": [{"path": "data/x.bin", "is_dir": False, "size": "3 B"}]},
    )
    page.keyboard.press("ArrowDown")
    expect(page.locator("li:focus")).to_have_attribute("data-path", "data/x.bin")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_text("x.bin")).to_be_hidden()
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    assert page.evaluate("sent.at(-1)") == {"do": "preview", "path": "table.csv"}
    expect(page.get_by_role("treeitem", name="table.csv")).to_have_attribute("aria-selected", "true")


def test_a_download_is_saved_by_the_browser(page: Page) -> None:
    show(page, "artifact_browser", FILES)
    button = page.get_by_role("button", name="Download")
    expect(button).to_be_disabled()
    page.get_by_text("notes.txt").click()
    button.click()
    assert page.evaluate("sent.at(-1)") == {"do": "download", "path": "notes.txt"}
    with page.expect_download() as found:
        answer(page, {"do": "download", "path": "notes.txt"}, "the content")
    assert found.value.suggested_filename == "notes.txt"
    assert Path(found.value.path()).read_text() == "the content"


def test_a_folder_is_saved_as_a_zip_file(page: Page) -> None:
    show(page, "artifact_browser", FILES)
    page.get_by_text("data").click()
    page.get_by_role("button", name="Download folder").click()
    assert page.evaluate("sent.at(-1)") == {"do": "archive", "path": "data"}
    with page.expect_download() as found:
        answer(page, {"do": "archive", "path": "data"}, "packed")
    assert found.value.suggested_filename == "data.zip"
    assert Path(found.value.path()).read_text() == "packed"


def test_a_long_folder_goes_on_when_asked(page: Page) -> None:
    show(page, "artifact_browser", {**FILES, "token": "t1"})
    page.get_by_text("more …").click()
    assert page.evaluate("sent") == [{"do": "list", "path": "", "token": "t1"}]
    expect(page.get_by_role("button", name="Download")).to_be_disabled()
    more = [{"path": f"zz{number}.bin", "is_dir": False, "size": "3 B"} for number in range(2)]
    answer(page, {"do": "list", "path": "", "files": more, "token": "t2"})
    expect(page.locator("li:focus")).to_have_attribute("data-path", "zz0.bin")
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    assert page.evaluate("sent.at(-1)") == {"do": "list", "path": "", "token": "t2"}
    answer(page, {"do": "list", "path": "", "files": [], "token": ""})
    expect(page.get_by_text("more …")).to_have_count(0)


def test_a_fault_is_said(page: Page) -> None:
    show(page, "artifact_browser", FILES)
    page.get_by_text("data").click()
    answer(page, {"do": "list", "path": "data", "fault": "the server rests"})
    expect(page.get_by_role("status")).to_have_text("the server rests")


@pytest.mark.parametrize(("name", "state"), [("run_table", table(30)), ("artifact_browser", FILES)])
def test_the_theme_is_jupyters(page: Page, name: str, state: dict[str, Any]) -> None:
    show(page, name, state, DARK)
    root = page.locator("#here > div")
    assert root.evaluate("node => getComputedStyle(node).backgroundColor") == "rgb(17, 17, 17)"
    assert root.evaluate("node => getComputedStyle(node).color") == "rgb(255, 255, 255)"
    picture(page, f"{name}_dark")
