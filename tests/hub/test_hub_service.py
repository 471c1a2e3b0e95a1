"""The service beside a real Hub: who is let in, with which groups, for how long, and how browsers log in."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from http.cookiejar import Cookie
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Browser, Page, expect

from jupyter_tracking_server.store.database import Database
from jupyter_tracking_server.store.memberships import users_of
from tests.hub.conftest import SCOPE, Site
from tests.servers import jupyter_environment

pytestmark = [pytest.mark.slow]

PATIENCE = 30.0
CREATE = "api/2.0/mlflow/experiments/create"
SEARCH = "api/2.0/mlflow/experiments/search?max_results=50"

# Opens a window, and reads what is in it when it has come.
LOOK = """url => new Promise(done => {
    const opened = window.open(url);
    const look = () => {
        try {
            const come = opened.location.href !== 'about:blank' && opened.document.readyState === 'complete';
            come ? done(opened.document.body.innerText) : setTimeout(look, 50);
        } catch (error) {
            done(error.name === 'SecurityError' ? 'refused' : String(error));
        }
    };
    look();
})"""


def until(holds: Callable[[], bool], what: str) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def create_shared(site: Site, token: str, name: str, group: str) -> str:
    """Make an experiment that a group may read; its id."""
    made = requests.post(f"{site.url}/{CREATE}", json={"name": name}, headers=bearer(token), timeout=60)
    experiment: str = made.json()["experiment_id"]
    grant = {"experiment_id": experiment, "kind": "group", "name": group, "role": "reader"}
    given = requests.post(
        f"{site.url}/api/2.0/jupyter-tracking/grants/set", json=grant, headers=bearer(token), timeout=60
    )
    assert given.status_code == 200, given.text
    return experiment


def log_in(site: Site, session: requests.Session, user: str, after: str = "/health") -> requests.Response:
    """Do what a browser does when its user logs in; where it ends."""
    form = session.get(f"{site.url}/login", params={"next": after}, timeout=60)
    proof = next(cookie.value for cookie in session.cookies if is_of(cookie, "_xsrf", "/hub/"))
    fields = {"username": user, "password": "any", "_xsrf": proof}
    return session.post(form.url, data=fields, headers={"Sec-Fetch-Mode": "navigate"}, timeout=60)


def is_of(cookie: Cookie, name: str, path: str) -> bool:
    return cookie.name == name and cookie.path == path


@pytest.fixture(scope="module")
def jane(site: Site) -> str:
    """A token of jane's for the service."""
    return site.hub.token_of("jane", SCOPE)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "token"])
def test_a_token_of_the_hub_names_its_user_and_groups(site: Site, jane: str, scheme: str) -> None:
    reply = requests.get(
        f"{site.url}/api/2.0/jupyter-tracking/whoami",
        headers={"Authorization": f"{scheme} {jane}"},
        timeout=60,
    )
    assert reply.status_code == 200
    said = reply.json()
    assert (said["user"], said["groups"], said["admin"]) == ("jane", ["lab"], False)


def test_an_administrator_of_the_hub_is_one_here(site: Site) -> None:
    said = site.whoami(site.hub.token_of("admin", SCOPE)).json()
    assert (said["user"], said["admin"]) == ("admin", True)


def test_a_service_of_the_hub_is_a_caller_of_another_kind(site: Site) -> None:
    said = site.whoami(site.hub.token).json()
    assert (said["user"], said["groups"], said["admin"]) == ("service:tests", [], False)


def test_a_token_without_the_scope_is_refused_with_its_name(site: Site) -> None:
    reply = site.whoami(site.hub.token_of("jane", "self"))
    assert reply.status_code == 403
    assert SCOPE in reply.json()["message"]


def test_what_is_no_token_of_the_hub_is_nobody(site: Site, jane: str) -> None:
    assert site.whoami("garbage").status_code == 401
    url = f"{site.url}/api/2.0/jupyter-tracking/whoami"
    assert requests.get(url, timeout=60).status_code == 401
    assert requests.get(url, params={"token": jane}, timeout=60).status_code == 401
    assert requests.get(url, auth=("jane", jane), timeout=60).status_code == 401


def test_a_token_is_good_until_it_is_revoked(site: Site) -> None:
    made = site.hub.api("POST", "users/jane/tokens", {"scopes": [SCOPE]})
    assert site.whoami(made["token"]).status_code == 200
    site.hub.api("DELETE", f"users/jane/tokens/{made['id']}")
    until(lambda: site.whoami(made["token"]).status_code == 401, "a revoked token is still taken")


def test_groups_are_those_that_the_hub_says_now(site: Site, jane: str) -> None:
    joe = site.hub.token_of("joe", SCOPE)
    experiment = create_shared(site, jane, "groups", "lab")
    url = f"{site.url}/api/2.0/mlflow/experiments/get?experiment_id={experiment}"

    def status() -> int:
        return requests.get(url, headers=bearer(joe), timeout=60).status_code

    assert status() == 404
    site.hub.api("POST", "groups/lab/users", {"users": ["joe"]})
    until(lambda: status() == 200, "joe is in the group, and cannot read")
    database = Database(f"sqlite:///{site.hub.folder / 'tracking.db'}")

    def noted() -> list[str]:
        with database.read() as tx:
            return users_of(tx, "lab")

    until(lambda: noted() == ["jane", "joe"], "the groups are not noted")
    site.hub.api("DELETE", "groups/lab/users", {"users": ["joe"]})
    until(lambda: status() == 404, "joe is not in the group, and can read")
    until(lambda: noted() == ["jane"], "the groups are not noted")
    database.close()


def test_without_the_hub_only_those_go_on_who_were_known_a_moment_ago(site: Site, jane: str) -> None:
    fresh = site.hub.token_of("joe", SCOPE)
    assert site.whoami(jane, "slow").status_code == 200
    site.hub.stop()
    try:
        assert site.whoami(jane, "slow").status_code == 200
        refused = site.whoami(fresh, "slow")
        assert refused.status_code == 503
        assert refused.json()["error_code"] == "TEMPORARILY_UNAVAILABLE"
        assert int(refused.headers["Retry-After"]) > 0
        until(lambda: site.whoami(jane, "quick").status_code == 503, "an old word of the Hub is believed")
    finally:
        site.hub.start()
    assert site.whoami(fresh, "slow").status_code == 200
    until(lambda: site.whoami(jane).status_code == 200, "the proxy does not know the service again")


def log_in_page(site: Site, browser: Browser, path: str = "/") -> Page:
    """A page of a new browser that went to a path of the service, and had to log in first."""
    page = browser.new_page(locale="en-US")
    page.goto(f"{site.url}{path}")
    page.get_by_label("Username").fill("jane")
    page.get_by_label("Password").fill("any")
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{site.url}{path}")
    return page


def test_a_browser_logs_in_and_sees_what_its_user_may_see(site: Site, browser: Browser, jane: str) -> None:
    create_shared(site, jane, "petals", "lab")
    page = log_in_page(site, browser)
    expect(page.locator("header")).to_contain_text("jane")
    page.get_by_role("link", name="petals").click()
    expect(page.get_by_role("heading", name="petals")).to_be_visible()
    ours = [cookie for cookie in page.context.cookies() if cookie["path"].startswith("/services/tracking")]
    assert [(cookie["name"], cookie["httpOnly"], cookie["path"]) for cookie in ours] == [
        ("service-tracking", True, "/services/tracking/")
    ]
    page.get_by_role("link", name="Sign out").click()
    page.wait_for_url(f"{site.hub.url}/hub/**")
    page.goto(f"{site.url}/")
    expect(page.get_by_label("Username")).to_be_visible()
    page.context.close()


def test_scripts_of_the_same_origin_cannot_use_the_login(site: Site, browser: Browser, jane: str) -> None:
    create_shared(site, jane, "not-for-scripts", "lab")
    page = log_in_page(site, browser)
    # A page of the Hub has the origin that pages of users' servers have.
    page.goto(f"{site.hub.url}/hub/home")
    ask = """async ([url, body]) => (await fetch(url, body === null ? {} : {
        method: 'POST', body, headers: {'Content-Type': 'application/json'}})).status"""
    assert page.evaluate(ask, [f"{site.url}/ajax-{SEARCH}", None]) == 403
    assert page.evaluate(ask, [f"{site.url}/{SEARCH}", None]) == 403
    assert page.evaluate(ask, [f"{site.url}/ajax-{CREATE}", '{"name": "forged"}']) == 403
    for path in (f"/{SEARCH}", "/"):
        assert page.evaluate(LOOK, f"{site.url}{path}") == "refused"
    page.context.close()


def test_a_form_of_the_same_origin_changes_nothing(site: Site, browser: Browser, jane: str) -> None:
    page = log_in_page(site, browser)
    page.goto(f"{site.hub.url}/hub/home")
    with page.expect_navigation():
        page.evaluate(
            """url => { const form = document.createElement('form'); form.method = 'POST'; form.action = url;
            form.enctype = 'text/plain'; const field = document.createElement('input');
            field.name = '{"name": "by-form", "x": "'; field.value = '"}'; form.append(field);
            document.body.append(form); form.submit(); }""",
            f"{site.url}/{CREATE}",
        )
    expect(page.locator("body")).to_contain_text("PERMISSION_DENIED")
    found = requests.get(f"{site.url}/{SEARCH}", headers=bearer(jane), timeout=60).json()
    assert "by-form" not in [item["name"] for item in found["experiments"]]
    page.context.close()


def test_a_login_that_another_browser_began_is_refused(site: Site) -> None:
    mine, other = requests.Session(), requests.Session()
    assert log_in(site, mine, "jane").text == "OK"
    started = other.get(f"{site.url}/login", allow_redirects=False, timeout=60)
    state = started.headers["Location"].partition("state=")[2].partition("&")[0]
    for wrong in (state, "garbage", "", "x" * 32):
        reply = mine.get(f"{site.url}/oauth_callback", params={"code": "stolen", "state": wrong}, timeout=60)
        assert reply.status_code == 403
        assert "did not begin this login" in reply.json()["message"]


@pytest.mark.parametrize(
    "after", ["//evil.example/", "https://evil.example/", "/\\evil.example", "evil", "/%0d%0aX: y"]
)
def test_a_login_leads_to_no_other_site(site: Site, after: str) -> None:
    ended = log_in(site, requests.Session(), "jane", after)
    assert ended.url.startswith(f"{site.url}/")


def test_a_login_is_good_at_another_replica(site: Site) -> None:
    session = requests.Session()
    log_in(site, session, "jane")
    cookie = next(cookie for cookie in session.cookies if cookie.name == "service-tracking")
    reply = requests.get(
        f"{site.replicas['slow']}/api/2.0/jupyter-tracking/whoami",
        headers={"Cookie": f"{cookie.name}={cookie.value}"},
        timeout=60,
    )
    assert (reply.json()["user"], reply.json()["how"]) == ("jane", "cookie")


def test_signing_out_ends_copies_of_the_cookie_also_where_the_hub_is_not_told(site: Site) -> None:
    session = requests.Session()
    log_in(site, session, "jane")
    cookie = next(cookie for cookie in session.cookies if cookie.name == "service-tracking")
    copy = {"Cookie": f"{cookie.name}={cookie.value}"}

    def status(replica: str) -> int:
        url = f"{site.replicas[replica]}/api/2.0/jupyter-tracking/whoami"
        return requests.get(url, headers=copy, timeout=60).status_code

    assert status("slow") == status("quick") == 200
    # Without the Hub's own cookies, so that the Hub does not know which of its tokens to end.
    left = requests.get(f"{site.replicas['slow']}/logout", headers=copy, timeout=60, allow_redirects=False)
    assert left.headers["Location"].endswith("/hub/logout")
    assert status("slow") == 401
    until(lambda: status("quick") == 401, "another replica takes the copy")


def test_neither_log_nor_output_nor_runtime_file_tells_a_token(site: Site, jane: str) -> None:
    site.whoami(jane, "quick")
    for log in site.logs.values():
        text = log.read_text(encoding="utf-8")
        assert site.api_token not in text
        assert jane not in text
        assert "export MLFLOW" not in text
        assert list((log.parent / "runtime").iterdir()) == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "JUPYTERHUB_API_TOKEN is not set"),
        ({"JUPYTERHUB_API_TOKEN": "secret-word"}, "JUPYTERHUB_API_URL is not set"),
        ({"JUPYTERHUB_API_TOKEN": "secret-word", "JUPYTERHUB_API_URL": "hub"}, "must be an address"),
        (
            {
                "JUPYTERHUB_API_TOKEN": "secret-word",
                "JUPYTERHUB_API_URL": "http://127.0.0.1:1/hub/api",
                "JUPYTER_TRACKING_HUB_CACHE": "3600",
            },
            "JUPYTER_TRACKING_HUB_CACHE must be between",
        ),
        (
            {
                "JUPYTERHUB_API_TOKEN": "secret-word",
                "JUPYTERHUB_API_URL": "http://127.0.0.1:1/hub/api",
                "JUPYTERHUB_SERVICE_URL": "https://127.0.0.1:10101",
            },
            "there is no certificate: set c.JupyterHub.internal_ssl",
        ),
    ],
)
def test_what_is_missing_is_named(given: dict[str, str], said: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "jupyter_tracking_server", "hub-service"],
        env={**jupyter_environment(tmp_path), **given},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert said in done.stderr
    assert "secret-word" not in done.stderr + done.stdout
