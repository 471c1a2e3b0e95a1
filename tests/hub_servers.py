"""A real JupyterHub, with its proxy and its single-user servers, as an administrator would start it.

Users are whoever logs in, with any password; `admin` is an administrator, `jane` is in the group `lab`, `joe`
in `field`. The Hub takes the text of a `jupyterhub_config.py`; what tests need comes after it. As in
`servers.py`, all are processes of their own on free loopback ports; nothing here knows pytest.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import requests

from tests.servers import (
    START_TIMEOUT,
    STOP_TIMEOUT,
    ServerDiedError,
    free_port,
    jupyter_environment,
    log_tail,
)

ROOT = Path(__file__).parents[1]
PROXY = "5.3.0"
BIN = Path(sys.executable).parent
GROUPS: Mapping[str, Sequence[str]] = {"lab": ["jane"], "field": ["joe"]}

AFTER = """
import os as _os, sys as _sys
c.JupyterHub.bind_url = {url!r}
c.JupyterHub.hub_port = {hub_port}
_scheme = "https" if "internal_ssl" in c.JupyterHub else "http"
c.ConfigurableHTTPProxy.api_url = f"{{_scheme}}://127.0.0.1:{proxy_port}"
c.ConfigurableHTTPProxy.command = {proxy!r}
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.Authenticator.admin_users = {{"admin"}}
c.JupyterHub.load_groups = {groups!r}
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = {home!r}
c.Spawner.cmd = [_sys.executable, "-m", "jupyterhub.singleuser"]
c.Spawner.args.extend(["--allow-root"] if _os.getuid() == 0 else [])
c.Spawner.start_timeout = c.Spawner.http_timeout = 120
c.JupyterHub.services.append({{"name": "tests", "api_token": {token!r}}})
c.JupyterHub.load_roles.append(
    {{
        "name": "tests",
        "services": ["tests"],
        "scopes": ["admin:users", "admin:servers", "admin:groups", "tokens", "access:services"],
    }}
)
"""


@dataclass
class Hub:
    """A JupyterHub that answers.

    Attributes:
        url: where its proxy listens, without a slash at the end.
        hub_port: where the Hub itself listens, which services and single-user servers ask.
        token: of the tests' service.
    """

    folder: Path
    url: str
    hub_port: int
    token: str
    environment: Mapping[str, str]
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def log(self) -> Path:
        """What the Hub, its proxy, its services and the single-user servers wrote."""
        return self.folder / "hub.log"

    @property
    def api_url(self) -> str:
        """Where services ask."""
        return f"http://127.0.0.1:{self.hub_port}{urlsplit(self.url).path}/hub/api"

    def home(self, user: str) -> Path:
        """A user's home."""
        return self.folder / "home" / user

    def start(self) -> None:
        """Start it, again on the same ports and database, and wait until it answers."""
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "jupyterhub", "--config", str(self.folder / "jupyterhub_config.py")],
                cwd=self.folder,
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self._wait_until_ready(self.process)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End it and all that it started."""
        if self.process is None:
            return
        started = descendants(self.process.pid)
        if self.process.poll() is None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(STOP_TIMEOUT)
        for pid in (self.process.pid, *started):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        self.process = None

    def api(self, verb: str, path: str, body: object = None) -> Any:
        """A call of the Hub's REST API as the tests' service; the decoded reply, None for an empty one."""
        reply = requests.request(
            verb,
            f"{self.url}/hub/api/{path}",
            json=body,
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=60,
        )
        if not reply.ok:
            raise AssertionError(f"{verb} {path}: {reply.status_code} {reply.text}")
        return reply.json() if reply.content else None

    def token_of(self, user: str, *scopes: str) -> str:
        """A new token of a user's, who is made if there is none of that name."""
        if user not in {model["name"] for model in self.api("GET", "users")}:
            self.api("POST", f"users/{quote(user)}")
        made: str = self.api("POST", f"users/{quote(user)}/tokens", {"scopes": list(scopes)})["token"]
        return made

    def spawn(self, user: str, name: str = "") -> int:
        """Start a user's server, or one of a name, wait until it is up; its process id."""
        path = f"users/{quote(user)}"
        self.api("POST", f"{path}/servers/{name}" if name else f"{path}/server")
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline:
            server = self.api("GET", f"{path}?include_stopped_servers")["servers"].get(name)
            if server is not None and server["ready"]:
                return int(server["state"]["pid"]) if server.get("state") else 0
            time.sleep(0.1)
        raise ServerDiedError(f"the server of {user} is not ready in {START_TIMEOUT} s\n{log_tail(self.log)}")

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        """The Hub answers through its proxy."""
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise ServerDiedError(f"exit code {process.returncode}\n{log_tail(self.log)}")
            with contextlib.suppress(requests.RequestException):
                if requests.get(f"{self.url}/hub/api/", timeout=5).status_code == 200:
                    return
            time.sleep(0.1)
        raise ServerDiedError(f"no Hub at {self.url} in {START_TIMEOUT} s\n{log_tail(self.log)}")


@contextlib.contextmanager
def hub(
    folder: Path, configuration: str = "", variables: Mapping[str, str] | None = None, base_url: str = "/"
) -> Iterator[Hub]:
    """A JupyterHub for the length of a `with` block.

    Args:
        folder: holds its database, the homes of its users, and its log.
        configuration: the administrator's part of `jupyterhub_config.py`; HUB_URL is the proxy's address.
        variables: further environment variables of the Hub's own process, such as a database's password.
        base_url: the path before every path of the Hub's, with a slash at its end.
    """
    opened = prepare(folder, configuration, variables, base_url)
    try:
        opened.start()
        yield opened
    finally:
        opened.stop()


def prepare(
    folder: Path, configuration: str, variables: Mapping[str, str] | None = None, base_url: str = "/"
) -> Hub:
    """A Hub with its folder and its ports, not started."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "home").mkdir(exist_ok=True)
    token, port, hub_port = secrets.token_hex(16), free_port(), free_port()
    url = f"http://127.0.0.1:{port}{base_url.rstrip('/')}"
    text = AFTER.format(
        url=url,
        hub_port=hub_port,
        proxy_port=free_port(),
        proxy=[str(BIN / "node"), str(proxy_script())],
        groups={name: {"users": list(users)} for name, users in GROUPS.items()},
        home=str(folder / "home" / "{username}"),
        token=token,
    )
    (folder / "jupyterhub_config.py").write_text(
        f"{configuration.replace('HUB_URL', url)}\n{text}", encoding="utf-8"
    )
    environment = jupyter_environment(folder)
    # Where `jupyter` and its commands are, as in an activated environment.
    environment["PATH"] = f"{BIN}{os.pathsep}{environment.get('PATH', os.defpath)}"
    return Hub(folder, url, hub_port, token, {**environment, **(variables or {})})


def proxy_script() -> Path:
    """The proxy's script for Node; installed below `.cache` in the repository if missing."""
    cache = ROOT / ".cache" / "chp"
    cache.mkdir(parents=True, exist_ok=True)
    script = cache / "node_modules" / "configurable-http-proxy" / "bin" / "configurable-http-proxy"
    # pytest-xdist's workers may want it at the same time.
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (cache / PROXY).exists():
            npm = shutil.which("npm", path=str(BIN)) or "npm"
            command = [npm, "install", "--silent", "--no-save", "--no-audit", "--no-fund"]
            subprocess.run([*command, "--prefix", str(cache), f"configurable-http-proxy@{PROXY}"], check=True)
            (cache / PROXY).touch()
    return script


def descendants(pid: int) -> list[int]:
    """The processes that a process started, and those that they started, if they still hang together."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                # After the command's closing parenthesis: state, parent.
                fields = (entry / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
                parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found = list(parents.get(pid, []))
    for child in found:
        found += parents.get(child, [])
    return found
