"""People at a Hub: each with a token for the service, and a browser on JupyterLab."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import requests
from playwright.sync_api import Browser

from tests.e2e.browser import QUIET, QUIET_FILE, Lab, save_notebook
from tests.hub.conftest import SCOPE
from tests.hub_servers import Hub
from tests.servers import Server


@dataclass(frozen=True)
class Person:
    """A user, and what they can send to the service from a program of their own.

    Attributes:
        url: of the service.
    """

    name: str
    url: str
    token: str

    def send(self, verb: str, path: str, body: object = None) -> requests.Response:
        """A request with the user's token; bytes as they are, anything else as JSON."""
        return requests.request(
            verb,
            f"{self.url}/{path}",
            data=body if isinstance(body, bytes) else None,
            json=None if isinstance(body, bytes) else body,
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=120,
        )

    def call(self, path: str, body: object) -> Any:
        """A call that must work; the decoded reply."""
        reply = self.send("POST", path, body)
        assert reply.status_code == 200, reply.text
        return reply.json()


def person(hub: Hub, url: str, name: str) -> Person:
    """A user of the Hub with a token that is good for the service alone."""
    return Person(name, url, hub.token_of(name, SCOPE))


def work(hub: Hub, browser: Browser, user: str, cells: Iterable[str]) -> dict[str, Any]:
    """Run a notebook as a user, in the browser, on the user's own server; what it wrote to `said.json`."""
    home = hub.home(user)
    save_notebook(home / "work.ipynb", cells)
    lab = HubLab(browser, hub, user, home / "screenshots")
    lab.open("work.ipynb")
    lab.run_all_cells()
    errors = lab.page.locator("[data-mime-type='application/vnd.jupyter.error']").all_inner_texts()
    lab.close()
    assert (errors, lab.problems) == ([], [])
    said: dict[str, Any] = json.loads((home / "said.json").read_text(encoding="utf-8"))
    return said


class HubLab(Lab):
    """JupyterLab in the server that the Hub started for a user, who logs in to the Hub first."""

    def __init__(self, browser: Browser, hub: Hub, user: str, screenshots: Path) -> None:
        if hub.process is None:
            raise AssertionError("the Hub does not run")
        settings = hub.home(user) / QUIET_FILE.replace("config/", ".jupyter/", 1)
        settings.parent.mkdir(parents=True, exist_ok=True)
        settings.write_text(json.dumps(QUIET), encoding="utf-8")
        root = f"{hub.url}/user/{user}"
        super().__init__(browser, Server(f"{root}/tracking", hub.process, hub.log), screenshots)
        home = f"{urlsplit(hub.url).path}/hub/home"
        self.page.goto(f"{hub.url}/hub/login?next={quote(home, safe='')}")
        self.page.get_by_label("Username").fill(user)
        self.page.get_by_label("Password").fill("any")
        self.page.get_by_role("button", name="Sign in").click()
        self.page.wait_for_url(f"{hub.url}/hub/home")
