"""The configuration that the docs name, a Hub with the service beside it, and a browser."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Browser

from tests.e2e.browser import chromium
from tests.hub_servers import Hub, hub
from tests.object_servers import running, wait_until
from tests.servers import free_port, jupyter_environment

DOCS = Path(__file__).parents[2] / "docs" / "hub.md"
SCOPE = "access:services!service=tracking"
EXTERNAL = """
import jupyterhub
c.JupyterHub.services.append(
    {{
        "name": "tracking",
        "url": "http://127.0.0.1:{port}",
        "api_token": "{token}",
        "oauth_no_confirm": True,
        # It starts when the Hub is up, which from version 6 on would wait for it for half a minute.
        **({{"timeout": 1}} if jupyterhub.version_info >= (6,) else {{}}),
    }}
)
c.JupyterHub.load_roles.append({{"name": "user", "scopes": ["self", "access:services!service=tracking"]}})
# c.Spawner.server_token_scopes is missing: notebook servers may not use the service.
c.Spawner.environment.update({{"JUPYTER_TRACKING_SERVICE_URI": "http://127.0.0.1:{port}/services/tracking"}})
"""
KNOWN_FOR = {"quick": "1", "slow": "30"}
"""How long the two replicas believe the Hub, in seconds."""


def documented(port: int) -> str:
    """What an administrator adds to `jupyterhub_config.py`, as the docs have it, with another port."""
    found = re.search(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    if found is None:
        raise AssertionError(f"no configuration in {DOCS}")
    return found[1].replace("10101", str(port))


@dataclass(frozen=True)
class Site:
    """A Hub, and two replicas of its service, which runs beside it.

    Attributes:
        url: of the first replica, through the Hub's proxy.
        api_token: by which the Hub knows the service.
        replicas: their own addresses: `quick` asks the Hub each second, `slow` seldom.
        logs: what they wrote.
    """

    hub: Hub
    url: str
    api_token: str
    replicas: dict[str, str] = field(default_factory=dict)
    logs: dict[str, Path] = field(default_factory=dict)

    def whoami(self, token: str, at: str = "") -> requests.Response:
        """Ask who a token is; through the proxy, or at a replica."""
        url = self.replicas[at] if at else self.url
        headers = {"Authorization": f"Bearer {token}"}
        return requests.get(f"{url}/api/2.0/jupyter-tracking/whoami", headers=headers, timeout=60)


@pytest.fixture(autouse=True)
def jp_asyncio_loop() -> None:
    """No loop from pytest-jupyter: it would close the one that Playwright runs in this thread."""


@pytest.fixture(autouse=True)
def jp_server_cleanup() -> None:
    """No Jupyter Server in this process, so none to clean up."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A Hub that does not start the service itself."""
    folder = tmp_path_factory.mktemp("site")
    token, ports = secrets.token_hex(16), {name: free_port() for name in KNOWN_FOR}
    with hub(folder / "hub", EXTERNAL.format(port=ports["quick"], token=token)) as opened:
        made = Site(opened, f"{opened.url}/services/tracking", token)
        with contextlib.ExitStack() as stack:
            for name, port in ports.items():
                start_service(made, stack, folder / name, port, name)
            yield made


def start_service(site: Site, stack: contextlib.ExitStack, folder: Path, port: int, name: str) -> None:
    """Start a replica that runs until the stack is left."""
    folder.mkdir()
    log, url = folder / "service.log", f"http://127.0.0.1:{port}/services/tracking"
    process = stack.enter_context(
        running(
            [sys.executable, "-m", "jupyter_tracking_server", "hub-service"],
            log,
            {
                **jupyter_environment(folder),
                "JUPYTERHUB_API_TOKEN": site.api_token,
                "JUPYTERHUB_API_URL": site.hub.api_url,
                "JUPYTERHUB_SERVICE_URL": f"http://127.0.0.1:{port}",
                "JUPYTER_TRACKING_HUB_CACHE": KNOWN_FOR[name],
                "MLFLOW_BACKEND_STORE_URI": f"sqlite:///{site.hub.folder / 'tracking.db'}",
                "MLFLOW_ARTIFACTS_DESTINATION": str(site.hub.folder / "artifacts"),
                "PYTHONWARNINGS": os.environ.get("PYTHONWARNINGS", ""),
            },
        )
    )
    site.replicas[name], site.logs[name] = url, log
    wait_until(lambda: is_healthy(url), process, log)


def is_healthy(url: str) -> bool:
    """Whether a server answers."""
    try:
        return requests.get(f"{url}/health", timeout=5).status_code == 200
    except requests.RequestException:
        return False
