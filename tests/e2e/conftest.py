"""One Chromium and one JupyterLab for each module, a fresh page for each test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.e2e.browser import Lab, chromium, start_lab
from tests.servers import Server


@pytest.fixture(autouse=True)
def jp_asyncio_loop() -> None:
    """No loop from pytest-jupyter: it would close the one that Playwright runs in this thread."""


@pytest.fixture(autouse=True)
def jp_server_cleanup() -> None:
    """No Jupyter Server in this process, so none to clean up."""


# Not for the session: while it is open, no other test could run an asyncio loop of its own.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def lab_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The user's home, where notebooks are put for Lab to open."""
    return tmp_path_factory.mktemp("lab")


@pytest.fixture(scope="module")
def lab_server(lab_home: Path) -> Iterator[Server]:
    """A JupyterLab of its own with the tracking extension and an empty store."""
    with start_lab(lab_home) as server:
        yield server


@pytest.fixture
def screenshots(tmp_path: Path) -> Path:
    """Where pictures go: the folder that JUPYTER_TRACKING_SCREENSHOTS names, else a temporary one."""
    return Path(os.environ.get("JUPYTER_TRACKING_SCREENSHOTS") or tmp_path / "screenshots")


@pytest.fixture
def lab(browser: Browser, lab_server: Server, screenshots: Path) -> Iterator[Lab]:
    """A page of the browser; the test fails if the page complained or asked a server elsewhere."""
    opened = Lab(browser, lab_server, screenshots)
    yield opened
    opened.close()
    assert opened.problems == []
