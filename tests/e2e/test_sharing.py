"""Owners share from the panel: two people's JupyterLabs, each with a relay to one server with rights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, expect

from tests.e2e.browser import Lab, chromium, start_lab
from tests.http.rights_scene import CONTENT, PROXY, Site
from tests.http.rights_site import start_site
from tests.servers import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]

OURS = "/api/2.0/jupyter-tracking"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The server with rights."""
    with start_site(tmp_path_factory.mktemp("site")) as running:
        yield running


@pytest.fixture(scope="module")
def browser(site: Site) -> Iterator[Browser]:
    """A headless Chromium; after the site, whose commands want an event loop of their own."""
    del site
    with chromium() as opened:
        yield opened


def lab_of(person: str, site: Site, folder: Path) -> Server:
    """A person's JupyterLab, whose tracking goes to the site."""
    given = {"MLFLOW_TRACKING_URI": site.url, "MLFLOW_TRACKING_TOKEN": site.tokens[person]}
    return start_lab(folder, given)


@pytest.fixture(scope="module")
def lab_server(site: Site, lab_home: Path) -> Iterator[Server]:
    """The owner's."""
    with lab_of("owner", site, lab_home) as server:
        yield server


@pytest.fixture
def readers_lab(browser: Browser, site: Site, tmp_path: Path, screenshots: Path) -> Iterator[Lab]:
    """Another person's."""
    with lab_of("reader", site, tmp_path) as server:
        opened = Lab(browser, server, screenshots)
        yield opened
        opened.close()
    assert opened.problems == []


@pytest.fixture
def experiment(site: Site, request: pytest.FixtureRequest) -> dict[str, str]:
    """A new experiment of the owner's, with one run; its id, name and run."""
    name = f"of {request.node.name}"
    created = site.call("owner", "experiments/create", {"name": name})["experiment_id"]
    body = {"experiment_id": created, "run_name": "only run"}
    run = site.call("owner", "runs/create", body)["run"]["info"]["run_id"]
    site.call("owner", "runs/log-metric", {"run_id": run, "key": "accuracy", "value": 0.5, "timestamp": 1})
    path = f"{PROXY}/artifacts/{created}/{run}/artifacts/report/note.txt"
    assert site.send("owner", "PUT", path, CONTENT).status == 200
    return {"id": created, "name": name, "run": run}


def grants(site: Site, experiment: dict[str, str]) -> set[tuple[str, str, str]]:
    """Kind, name and role of each."""
    path = f"{OURS}/grants/list?experiment_id={experiment['id']}"
    reply: dict[str, Any] = site.send("owner", "GET", path).json()
    return {(grant["kind"], grant["name"], grant["role"]) for grant in reply["grants"]}


def chosen(lab: Lab, experiment: dict[str, str]) -> Locator:
    """The panel with the experiment chosen."""
    panel = lab.panel()
    panel.get_by_role("list", name="Experiments").get_by_role("button", name=experiment["name"]).click()
    return panel


def opened_run(panel: Locator) -> Locator:
    """The details of the one run."""
    panel.get_by_role("list", name="Runs").get_by_role("button").filter(has_text="only run").click()
    return panel.get_by_role("group", name="only run")


def test_an_owner_gives_and_takes_roles_with_the_keyboard(
    lab: Lab, site: Site, experiment: dict[str, str]
) -> None:
    lab.open()
    panel = chosen(lab, experiment)
    share = panel.get_by_role("button", name="Share")
    expect(share).to_have_attribute("title", "Share: Only you see this experiment")
    share.press("Enter")
    dialog = lab.page.get_by_role("dialog")
    rows = dialog.get_by_role("list", name="Who may do what").get_by_role("listitem")
    expect(rows).to_have_count(1)
    name = dialog.get_by_role("combobox", name="Name").or_(dialog.get_by_role("textbox", name="Name"))
    expect(name).to_be_focused()

    name.fill("reader")
    name.press("Enter")
    expect(rows).to_have_count(2)
    expect(name).to_have_value("")
    dialog.get_by_role("combobox", name="To whom").select_option("Group")
    name.fill("lab")
    dialog.get_by_role("combobox", name="Role", exact=True).select_option("Editor")
    dialog.get_by_role("button", name="Add").press("Enter")
    expect(rows).to_have_count(3)
    dialog.get_by_role("combobox", name="To whom").select_option("Everyone")
    dialog.get_by_role("combobox", name="Role", exact=True).select_option("Reader")
    dialog.get_by_role("button", name="Add").press("Enter")
    expect(rows).to_have_count(4)
    lab.screenshot("sharing-light")
    expected = {
        ("user", "owner", "owner"),
        ("user", "reader", "reader"),
        ("group", "lab", "editor"),
        ("everyone", "", "reader"),
    }
    assert grants(site, experiment) == expected

    dialog.get_by_role("combobox", name="Role of reader").select_option("Editor")
    dialog.get_by_role("button", name="Remove Everyone").press("Enter")
    expect(rows).to_have_count(3)
    expect(name).to_be_focused()
    lab.page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(share).to_be_focused()
    expect(share).to_have_attribute("title", "Share: Also seen by Group lab (editor), reader (editor)")
    changed = {("user", "reader", "editor"), ("everyone", "", "reader")}
    assert grants(site, experiment) == (expected - {("user", "reader", "reader")}) ^ changed


def test_what_is_refused_is_taken_back_and_said_in_its_place(
    lab: Lab, site: Site, experiment: dict[str, str]
) -> None:
    lab.open()
    lab.theme("JupyterLab Dark")
    chosen(lab, experiment).get_by_role("button", name="Share").click()
    dialog = lab.page.get_by_role("dialog")
    dialog.get_by_role("button", name="Remove owner").click()
    row = dialog.get_by_role("listitem").filter(has_text="owner")
    expect(row.get_by_role("alert")).to_contain_text("An experiment must keep an owner")
    expect(row.get_by_role("combobox")).to_have_value("owner")
    lab.screenshot("sharing-dark")
    assert grants(site, experiment) == {("user", "owner", "owner")}
    dialog.get_by_role("button", name="Done").click()
    expect(dialog).to_have_count(0)
    assert lab.problems
    assert all("500" in problem for problem in lab.problems)
    lab.problems.clear()


def test_a_reader_sees_who_else_does_and_can_change_nothing(
    readers_lab: Lab, site: Site, experiment: dict[str, str]
) -> None:
    grant = {"experiment_id": experiment["id"], "kind": "user", "name": "reader", "role": "reader"}
    site.call("owner", f"{OURS}/grants/set", grant)
    readers_lab.open()
    panel = chosen(readers_lab, experiment)
    expect(panel.get_by_role("img", name="Also seen by owner (owner)")).to_be_visible()
    expect(panel.get_by_role("button", name="Share")).to_have_count(0)
    expect(opened_run(panel).get_by_role("row", name="accuracy 0.5")).to_be_visible()
    expect(panel.get_by_role("button", name="Share links")).to_have_count(0)
    readers_lab.screenshot("sharing-reader")


def test_a_link_opens_the_run_for_anybody_until_it_is_revoked(
    lab: Lab, browser: Browser, site: Site, experiment: dict[str, str]
) -> None:
    lab.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    lab.open()
    lab.theme("JupyterLab Light")
    details = opened_run(chosen(lab, experiment))
    details.get_by_role("button", name="Share links").press("Enter")
    details.get_by_role("combobox", name="How long the link works").select_option("1 day")
    details.get_by_role("button", name="Copy share link").click()
    url = details.get_by_role("textbox", name="New share link").input_value()
    assert url.startswith(f"{site.url}/share/")
    assert lab.page.evaluate("navigator.clipboard.readText()") == url
    links = details.get_by_role("list", name="Share links").get_by_role("listitem")
    expect(links).to_have_count(1)
    expect(links).to_contain_text("Whole run by owner")
    details.get_by_role("textbox", name="New share link").scroll_into_view_if_needed()
    lab.screenshot("share-link-light")
    lab.theme("JupyterLab Dark")
    lab.screenshot("share-link-dark")

    guest = browser.new_page()
    opened = guest.goto(url)
    assert opened is not None
    assert opened.status == 200
    expect(guest.get_by_role("heading", name="only run")).to_be_visible()
    expect(guest.get_by_role("row", name="accuracy 0.5")).to_be_visible()
    guest.screenshot(path=lab.screenshot("share-page"))
    guest.get_by_role("link", name="report/").click()
    with guest.expect_download() as download:
        guest.get_by_role("link", name="note.txt").click()
    assert Path(download.value.path()).read_bytes() == CONTENT

    details.get_by_role("button", name="Revoke the link").click()
    expect(links).to_have_count(0)
    expect(details.get_by_role("textbox", name="New share link")).to_have_count(0)
    ended = guest.goto(url)
    assert ended is not None
    assert ended.status == 404
    expect(guest.get_by_role("heading", name="Nothing is shared here")).to_be_visible()
    guest.close()
