"""A user in front of JupyterLab: a real server, a real Chromium, and the few things a hand does.

Every wait is for something on the page; what the page complained about is kept in `Lab.problems`.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import quote, urlsplit

import nbformat
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Request, expect, sync_playwright

from tests.servers import Server, start_embedded

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# A pop-up about news would cover the page, and its answer ask a server elsewhere.
QUIET = {"fetchNews": "false", "checkForUpdates": False}
QUIET_FILE = "config/lab/user-settings/@jupyterlab/apputils-extension/notification.jupyterlab-settings"
TIMEOUT = 60.0
"""Seconds that anything on the page may take; a first start of Lab compiles all its modules."""

EXECUTED = re.compile(r"^\[\d+\]:$")


class NoBrowserError(Exception):
    """No Chromium on this machine."""


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """A headless Chromium of the operating system's, with an empty profile.

    Raises:
        NoBrowserError: none is installed.
    """
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        raise NoBrowserError("no Chromium here: apt-get install chromium, or leave out -m browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


def start_lab(folder: Path, variables: Mapping[str, str] | None = None) -> Server:
    """Start JupyterLab with the tracking extension; `folder` is the user's home and holds the notebooks.

    `variables` are further ones of its environment.
    """
    settings = folder / QUIET_FILE
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text(json.dumps(QUIET), encoding="utf-8")
    return start_embedded(folder, program="jupyterlab", variables=variables)


def save_notebook(path: Path, cells: Iterable[str]) -> None:
    """Write a notebook of code cells for Python."""
    made = nbformat.v4.new_notebook(  # type: ignore[no-untyped-call]  # nbformat has no types
        cells=[nbformat.v4.new_code_cell(cell.strip()) for cell in cells],  # type: ignore[no-untyped-call]  # as above
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )
    nbformat.write(made, path)  # type: ignore[no-untyped-call]  # as above


class Lab:
    """JupyterLab in one page of a browser, or in the one that a link opened.

    Attributes:
        page: the page, for what has no sentence here.
        problems: errors of the scripts of all pages, and requests that left the server.
    """

    def __init__(self, browser: Browser, server: Server, screenshots: Path) -> None:
        self.page: Page = browser.new_page(viewport={"width": 1280, "height": 800}, locale="en-US")
        context = self.page.context
        context.set_default_timeout(TIMEOUT * 1000)
        expect.set_options(timeout=TIMEOUT * 1000)
        self.problems: list[str] = []
        self._root = server.url.removesuffix("/tracking")
        self._token = server.token
        self._screenshots = screenshots
        context.on("console", self._note_console)
        context.on("weberror", lambda error: self.problems.append(str(error.error)))
        context.on("request", self._note_request)

    def open(self, notebook: str | None = None) -> None:
        """Log in and wait until Lab is ready; with a notebook, until its kernel is too."""
        place = f"lab/tree/{quote(notebook)}" if notebook else "lab"
        token = f"&token={self._token}" if self._token else ""
        self.page.goto(f"{self._root}/{place}?reset{token}")
        self.page.locator("#jupyterlab-splash").wait_for(state="detached")
        self.page.locator("#jp-main-dock-panel .lm-TabBar-tab").first.wait_for()
        if notebook is not None:
            self._kernel_is_idle()

    def menu(self, *path: str) -> None:
        """Choose an item of the menu bar, as `menu("Run", "Run All Cells")`."""
        first, *rest = path
        self.page.locator(".lm-MenuBar-item", has_text=re.compile(f"^{first}$")).click()
        for step in rest:
            item = self.page.locator(
                ".lm-Menu-item", has=self.page.locator(f'.lm-Menu-itemLabel:text-is("{step}")')
            )
            item.last.click()

    def run_all_cells(self) -> None:
        """Run the open notebook and wait until every code cell has run."""
        self.menu("Run", "Run All Cells")
        for prompt in self.page.locator(".jp-CodeCell .jp-InputPrompt").all():
            expect(prompt).to_have_text(EXECUTED)
        self._kernel_is_idle()

    def follow(self, link: Locator) -> None:
        """Open a link in a tab of its own, and go on there."""
        with self.page.context.expect_page() as opened:
            link.click(modifiers=["Control"])
        self.page = opened.value

    def panel(self) -> Locator:
        """The Tracking panel, brought to the front if it is not there."""
        panel = self.page.locator("#jupyter-tracking-panel")
        if not panel.is_visible():
            self.page.locator('.jp-SideBar [data-id="jupyter-tracking-panel"]').click()
            panel.wait_for()
        return panel

    def theme(self, name: str) -> None:
        """Switch to a theme, as `JupyterLab Dark`."""
        self.menu("Settings", "Theme", name)
        self.page.locator(f'body[data-jp-theme-name="{name}"]').wait_for(state="attached")
        self.page.locator("#jupyterlab-splash").wait_for(state="detached")

    def screenshot(self, name: str) -> Path:
        """Save what the window shows as `name.png`."""
        path = self._screenshots / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=path)
        return path

    def close(self) -> None:
        """Close all pages."""
        self.page.context.close()

    def _kernel_is_idle(self) -> None:
        self.page.locator("#jp-main-statusbar", has_text="| Idle").wait_for()

    def _note_console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.problems.append(f"{message.text} ({message.location.get('url')})")

    def _note_request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in {"http", "https", "ws", "wss"} and parts.netloc != urlsplit(self._root).netloc:
            self.problems.append(f"a request to {parts.netloc}")
