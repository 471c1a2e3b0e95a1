"""Hubs as people run them: below a path, with named servers, behind TLS, on subdomains, with internal TLS."""

from __future__ import annotations

import contextlib
import re
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
import requests
from playwright.sync_api import Browser, expect

from tests.certificates import Authority, make_authority
from tests.hub.conftest import EXTERNAL, SCOPE, documented, is_healthy
from tests.hub_servers import Hub, descendants, hub
from tests.nginx import nginx
from tests.object_servers import running, wait_until
from tests.relays import environment_at_start
from tests.servers import START_TIMEOUT, Server, free_port, jupyter_environment

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

BASE = "/jhub/"
USER = "ünal o'neil@example.org"
GROUP = "Labör 7"
NAMED = "c.JupyterHub.allow_named_servers = True\n"
INTERNAL_SSL = """
import os
c.JupyterHub.internal_ssl = True
c.JupyterHub.internal_certs_location = os.path.abspath("internal-ssl")
c.JupyterHub.public_url = "HUB_URL/"
"""
SUBDOMAINS = 'c.JupyterHub.subdomain_host = "HUB_URL".replace("127.0.0.1", "hub.localhost")\n'
LOG = """
import sys, mlflow
mlflow.set_experiment("shapes")
with mlflow.start_run(run_name=sys.argv[1]) as run:
    mlflow.log_metric("accuracy", 0.5)
    mlflow.log_text("hello", "a ü/b.txt")
print(mlflow.artifacts.load_text(f"{run.info.artifact_uri}/a ü/b.txt"), run.info.run_id)
"""


@dataclass(frozen=True)
class Notebook:
    """A notebook server that the Hub started; ``url`` ends with a slash, ``token`` is of its user."""

    url: str
    pid: int
    token: str

    def send(self, verb: str, path: str, body: object = None, **headers: str) -> requests.Response:
        """A request with the user's token."""
        sent = {"Authorization": f"Bearer {self.token}", **headers}
        return requests.request(
            verb, f"{self.url}{path}", json=body, headers=sent, allow_redirects=False, timeout=60
        )

    def kernel(self) -> dict[str, str]:
        """The environment of a new kernel."""
        made = self.send("POST", "api/kernels", {})
        assert made.status_code == 201, made.text
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline:
            for pid in descendants(self.pid):
                if made.json()["id"] in Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8"):
                    return environment_at_start(pid)
        raise AssertionError("there is no kernel")


def notebook(site: Hub, user: str, name: str = "") -> Notebook:
    """A user's server, started."""
    token = site.token_of(user, SCOPE, f"access:servers!user={user}")
    pid = site.spawn(user, name)
    path = site.api("GET", f"users/{quote(user)}")["servers"][name]["url"]
    return Notebook(f"http://{urlsplit(site.url).netloc}{path}", pid, token)


def run_in(environment: dict[str, str], folder: Path, *arguments: str) -> str:
    """Run Python in an environment; what it printed."""
    done = subprocess.run(
        [sys.executable, *arguments],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def run_as_kernel(found: Notebook, folder: Path, name: str) -> tuple[str, dict[str, str]]:
    """Log a run with stock mlflow and read its artifact back; its id, and the kernel's environment."""
    environment = found.kernel()
    printed = run_in(environment, folder, "-W", "ignore", "-c", LOG, name)
    text, run = printed.strip().rpartition("\n")[2].split()
    assert text == "hello"
    return run, environment


def variables(folder: Path) -> dict[str, str]:
    """What the service keeps where."""
    return {
        "MLFLOW_BACKEND_STORE_URI": f"sqlite:///{folder / 'tracking.db'}",
        "MLFLOW_ARTIFACTS_DESTINATION": str(folder / "artifacts"),
    }


def wait_for(site: Hub, service: str) -> None:
    """Until the service answers."""
    assert site.process is not None
    wait_until(lambda: is_healthy(service), site.process, site.log)


@pytest.fixture(scope="module")
def below(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A Hub below a path, with named servers."""
    folder = tmp_path_factory.mktemp("below")
    told = documented(free_port()).replace('/services/tracking"', f'{BASE}services/tracking"')
    with hub(folder, told + NAMED, variables(folder), BASE) as opened:
        wait_for(opened, f"{opened.url}/services/tracking")
        yield opened


@pytest.fixture(scope="module")
def named(below: Hub) -> Notebook:
    """The second server of a user with an odd name, in a group with an odd name."""
    below.token_of(USER)
    below.api("POST", f"groups/{quote(GROUP)}")
    below.api("POST", f"groups/{quote(GROUP)}/users", {"users": [USER]})
    return notebook(below, USER, "second")


def test_a_named_server_of_an_odd_user_below_a_path(below: Hub, named: Notebook, tmp_path: Path) -> None:
    first = notebook(below, USER)
    runs = {}
    for server, name in ((first, "one"), (named, "two")):
        runs[name], environment = run_as_kernel(server, tmp_path, name)
        path = urlsplit(server.url).path
        assert path.startswith(f"{BASE}user/%C3%BCnal%20o")
        assert urlsplit(environment["MLFLOW_TRACKING_URI"]).path == f"{path}tracking"
        assert "JUPYTERHUB_API_TOKEN" not in environment
    found = first.send("GET", f"tracking/api/2.0/mlflow/runs/get?run_id={runs['two']}").json()["run"]
    assert (found["info"]["run_name"], found["info"]["user_id"]) == ("two", USER)
    known = named.send("GET", "tracking/api/2.0/jupyter-tracking/whoami").json()
    assert (known["user"], known["groups"]) == (USER, [GROUP])


def test_both_ends_of_it_are_sound(named: Notebook, tmp_path: Path) -> None:
    environment = named.kernel()
    printed = run_in(environment, tmp_path, "-m", "jupyter_tracking_server", "doctor")
    assert f"The service knows this user as {USER}." in printed
    assert f"through this notebook server: {environment['MLFLOW_TRACKING_URI']}" in printed


def test_the_service_s_page_is_where_the_browser_is(named: Notebook) -> None:
    assert named.send("GET", "tracking/ui").headers["Location"] == f"{BASE}services/tracking/"


@dataclass(frozen=True)
class Secured:
    """A Hub behind TLS.

    Attributes:
        url: of the service.
        client: a file with a client's certificate, which the nginx of the tests wants.
    """

    url: str
    authority: Authority
    client: Path

    def session(self) -> requests.Session:
        """A browser without a cookie."""
        made = requests.Session()
        made.trust_env = False
        made.verify, made.cert = str(self.authority.ca), str(self.client)
        return made


@pytest.fixture(scope="module")
def secured(below: Hub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """The same Hub through an nginx that speaks TLS."""
    folder = tmp_path_factory.mktemp("secured")
    authority = make_authority(folder / "ca")
    assert below.process is not None
    behind = Server(below.url, below.process, below.log)
    with nginx(folder / "nginx", behind, prefix=BASE.rstrip("/"), strips=False, authority=authority) as front:
        yield Secured(f"{front.url}/services/tracking", authority, authority.client("browser"))


def log_in(session: requests.Session, service: str, user: str) -> requests.Response:
    """Do what a browser does when its user logs in; where it ends."""
    form = session.get(f"{service}/login", params={"next": "/health"}, timeout=60)
    proofs = [cookie for cookie in session.cookies if cookie.name == "_xsrf" and "/hub/" in cookie.path]
    fields = {"username": user, "password": "any", "_xsrf": proofs[0].value}
    return session.post(form.url, data=fields, headers={"Sec-Fetch-Mode": "navigate"}, timeout=60)


def test_behind_tls_all_addresses_and_cookies_are_secure(secured: Secured) -> None:
    session = secured.session()
    ended = log_in(session, secured.url, USER)
    assert (ended.text, ended.url) == ("OK", f"{secured.url}/health")
    assert all(step.url.startswith("https://") for step in ended.history)
    ours = [cookie for cookie in session.cookies if cookie.name.startswith("service-tracking")]
    assert [(cookie.path, cookie.secure) for cookie in ours] == [(f"{BASE}services/tracking/", True)]


def test_behind_tls_parts_and_links_are_secure(secured: Secured, named: Notebook) -> None:
    session = secured.session()
    session.headers["Authorization"] = f"Bearer {named.token}"

    def call(root: str, path: str, body: object, **headers: str) -> Any:
        reply = session.post(f"{root}/api/2.0/{path}", json=body, headers=headers, timeout=60)
        assert reply.status_code == 200, reply.text
        return reply.json()

    made = call(secured.url, "mlflow/experiments/create", {"name": secrets.token_hex(4)})
    run = call(secured.url, "mlflow/runs/create", {"experiment_id": made["experiment_id"]})["run"]["info"]
    folder = run["artifact_uri"].removeprefix("mlflow-artifacts:/")
    parts = call(secured.url, f"mlflow-artifacts/mpu/create/{folder}", {"path": "f", "num_parts": 1})
    assert parts["credentials"][0]["url"].startswith(f"{secured.url}/api/2.0/mlflow-artifacts/mpu/part/")
    origin = f"https://{urlsplit(secured.url).netloc}"
    panel = f"{origin}{urlsplit(named.url).path}tracking"
    asked = {"run_id": run["run_id"]}
    link = call(panel, "jupyter-tracking/share-links/create", asked, Origin=origin)["share_link"]["url"]
    assert link.startswith(f"{secured.url}/share/")
    assert secured.session().get(link, timeout=60).status_code == 200


@dataclass(frozen=True)
class Apart:
    """A Hub on subdomains; ``url`` is the address of its service for browsers, ``inner`` its own."""

    hub: Hub
    url: str
    inner: str


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Apart]:
    """A Hub on subdomains, whose service it does not start."""
    tmp_path = tmp_path_factory.mktemp("apart")
    token, port = secrets.token_hex(16), free_port()
    inner = f"http://127.0.0.1:{port}/services/tracking"
    with hub(tmp_path / "hub", EXTERNAL.format(port=port, token=token) + SUBDOMAINS) as opened:
        at = f"hub.localhost:{urlsplit(opened.url).port}"
        own, log = f"http://tracking--service.{at}/services/tracking", tmp_path / "service.log"
        told = {
            **jupyter_environment(tmp_path),
            **variables(tmp_path),
            "JUPYTERHUB_API_TOKEN": token,
            "JUPYTERHUB_API_URL": opened.api_url,
            "JUPYTERHUB_SERVICE_URL": f"http://127.0.0.1:{port}",
            "JUPYTERHUB_HOST": f"http://{at}",
            "JUPYTERHUB_PUBLIC_URL": f"{own}/",
        }
        command = [sys.executable, "-m", "jupyter_tracking_server", "hub-service"]
        with running(command, log, told) as process:
            wait_until(lambda: is_healthy(inner), process, log)
            yield Apart(opened, own, inner)


@pytest.mark.browser
def test_on_subdomains_a_browser_logs_in_on_the_service_s_own(apart: Apart, browser: Browser) -> None:
    url = apart.url
    page = browser.new_page(locale="en-US")
    page.goto(f"{url}/")
    assert urlsplit(page.url).hostname == "hub.localhost"
    page.get_by_label("Username").fill("jane")
    page.get_by_label("Password").fill("any")
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{url}/")
    expect(page.locator("header")).to_contain_text("jane")
    ours = [cookie for cookie in page.context.cookies() if cookie["name"] == "service-tracking"]
    assert [cookie["domain"] for cookie in ours] == ["tracking--service.hub.localhost"]
    page.get_by_role("link", name="Sign out").click()
    page.wait_for_url("http://hub.localhost:*/hub/**")
    page.context.close()


def test_on_subdomains_links_that_a_panel_makes_lead_to_the_service(apart: Apart) -> None:
    # What the relay says of a browser at a user's own host.
    panel = apart.url.replace("tracking--service.", "jane.")
    headers = {
        "Authorization": f"Bearer {apart.hub.token_of('jane', SCOPE)}",
        "X-Jupyter-Tracking-Base": panel,
    }

    def call(path: str, body: object) -> Any:
        reply = requests.post(f"{apart.inner}/api/2.0/{path}", json=body, headers=headers, timeout=60)
        assert reply.status_code == 200, reply.text
        return reply.json()

    made = call("mlflow/experiments/create", {"name": "apart"})
    run = call("mlflow/runs/create", {"experiment_id": made["experiment_id"]})["run"]["info"]["run_id"]
    link = call("jupyter-tracking/share-links/create", {"run_id": run})["share_link"]
    assert link["url"].startswith(f"{apart.url}/share/")


@pytest.fixture
def inside(tmp_path: Path) -> Iterator[Hub]:
    """A Hub with TLS between its own parts."""
    # By the proxy: the certificate of the service itself is for the Hub alone.
    told = re.sub(r"(?<=SERVICE_URI\": \")http://[^/]*", "HUB_URL", documented(free_port()))
    with hub(tmp_path / "hub", told + INTERNAL_SSL, variables(tmp_path)) as opened:
        wait_for(opened, f"{opened.url}/services/tracking")
        yield opened


def test_with_internal_ssl_kernels_track_by_the_hub_s_proxy(inside: Hub, tmp_path: Path) -> None:
    run, environment = run_as_kernel(notebook(inside, "jane"), tmp_path, "inside")
    assert environment["MLFLOW_TRACKING_URI"] == f"{inside.url}/user/jane/tracking"
    found = requests.get(
        f"{inside.url}/services/tracking/api/2.0/mlflow/runs/get?run_id={run}",
        headers={"Authorization": f"Bearer {inside.token_of('jane', SCOPE)}"},
        timeout=60,
    ).json()
    assert found["run"]["info"]["user_id"] == "jane"


def test_a_service_of_such_a_hub_speaks_tls(tmp_path: Path) -> None:
    authority, port = make_authority(tmp_path / "ca"), free_port()
    certificate, key = authority.server()
    told = {
        **jupyter_environment(tmp_path),
        **variables(tmp_path),
        "JUPYTERHUB_API_TOKEN": secrets.token_hex(16),
        "JUPYTERHUB_API_URL": "https://127.0.0.1:9/hub/api",
        "JUPYTERHUB_SERVICE_URL": f"https://127.0.0.1:{port}",
        "JUPYTERHUB_SSL_CERTFILE": str(certificate),
        "JUPYTERHUB_SSL_KEYFILE": str(key),
        "JUPYTERHUB_SSL_CLIENT_CA": str(authority.ca),
    }
    log, url = tmp_path / "service.log", f"https://127.0.0.1:{port}/services/tracking"
    with running([sys.executable, "-m", "jupyter_tracking_server", "hub-service"], log, told) as process:
        session = requests.Session()
        session.trust_env, session.verify = False, str(authority.ca)

        def answers() -> bool:
            with contextlib.suppress(requests.ConnectionError):
                return session.get(f"{url}/health", timeout=10).status_code == 200
            return False

        wait_until(answers, process, log)
        session.headers["Authorization"] = "Bearer of-nobody"
        assert session.get(f"{url}/api/2.0/jupyter-tracking/whoami", timeout=60).status_code == 503
