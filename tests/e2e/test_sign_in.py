"""A person before the plain pages: signs in by password or at a provider, follows links, looks, signs out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import requests
from playwright.sync_api import Browser, Page, expect

from jupyter_tracking_server.http.browser_sign_in import SECRET as SECRET_VARIABLE
from tests.http.browsing import PASSWORD, make_user
from tests.oidc import SECRET, oidc_provider
from tests.servers import free_port, start_standalone

pytestmark = [pytest.mark.browser, pytest.mark.slow]

API = "api/2.0/mlflow"
HOSTILE = "<img src=x onerror=alert(1)> \u202etxt.exe شجرة"


class Scene(NamedTuple):
    """A server with a run of carol's that ann may read, too."""

    url: str
    experiment: str
    run: str


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder, port = tmp_path_factory.mktemp("sign_in"), free_port()
    database, home = f"sqlite:///{folder / 'tracking.db'}", f"http://127.0.0.1:{port}/login/callback"
    with oidc_provider(folder / "provider", home) as provider:
        options = ["--oidc-issuer", provider.url, "--oidc-client-id", "tracking"]
        with start_standalone(
            folder, auth="users", port=port, options=options, variables={SECRET_VARIABLE: SECRET}
        ) as server:
            make_user(database, "carol")
            yield _fill(server.url)


def _fill(url: str) -> Scene:
    session = requests.Session()
    session.auth = ("carol", PASSWORD)

    def call(path: str, body: object) -> dict[str, dict[str, dict[str, str]]]:
        reply = session.post(f"{url}/{path}", json=body, timeout=60)
        assert reply.status_code == 200, reply.text
        found: dict[str, dict[str, dict[str, str]]] = reply.json()
        return found

    call(f"{API}/experiments/create", {"name": HOSTILE})
    experiment = str(call(f"{API}/experiments/create", {"name": "flowers"})["experiment_id"])
    for number in range(12):
        made = {
            "experiment_id": experiment,
            "run_name": f"run-{number:02}",
            "start_time": 1_790_000_000_000 + number,
        }
        run = call(f"{API}/runs/create", made)["run"]["info"]["run_id"]
    params = [{"key": "rate", "value": "0.01"}, {"key": "note", "value": "word " * 1100}]
    params += [{"key": HOSTILE, "value": HOSTILE}]
    params[-1]["key"] = "right to left"
    metrics = [
        {"key": key, "value": 0.9375, "timestamp": 1, "step": 0} for key in ("accuracy", "val/loss", "auc")
    ]
    tags = [{"key": "stage", "value": HOSTILE}]
    call(f"{API}/runs/log-batch", {"run_id": run, "params": params, "metrics": metrics, "tags": tags})
    call(f"{API}/runs/update", {"run_id": run, "status": "FINISHED", "end_time": 1_790_000_100_000})
    call(f"{API}/runs/update", {"run_id": run, "run_name": "the best of all"})
    for name in ("model/weights.bin", "plot.svg"):
        place = f"{url}/api/2.0/mlflow-artifacts/artifacts/{experiment}/{run}/artifacts/{name}"
        assert session.put(place, data=b"<svg onload=alert(1)>" * 900, timeout=60).status_code == 200
    given = {"experiment_id": experiment, "kind": "user", "name": "ann", "role": "reader"}
    call("api/2.0/jupyter-tracking/grants/set", given)
    return Scene(url, experiment, run)


class Window:
    """One window of a browser with an empty profile, which keeps what its pages complain about."""

    def __init__(self, browser: Browser, **options: object) -> None:
        self.page: Page = browser.new_page(locale="en-US", **options)  # type: ignore[arg-type]  # of several types
        self.problems: list[str] = []
        self.page.on("console", lambda message: self._note(message.type, message.text))
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("dialog", lambda dialog: self.problems.append(f"a dialog: {dialog.message}"))

    def _note(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"}:
            self.problems.append(text)

    def sign_in(self, user: str, password: str = PASSWORD) -> None:
        """Fill in the form that is shown."""
        self.page.get_by_label("User").fill(user)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Sign in").click()


@pytest.fixture
def window(browser: Browser) -> Iterator[Window]:
    opened = Window(browser, viewport={"width": 1280, "height": 800})
    yield opened
    opened.page.context.close()
    assert opened.problems == []


def test_a_printed_link_leads_through_the_form_to_its_run(window: Window, scene: Scene) -> None:
    page = window.page
    page.goto(f"{scene.url}/#/experiments/{scene.experiment}/runs/{scene.run}")
    window.sign_in("carol")
    expect(page.get_by_role("heading", name="the best of all")).to_be_visible()
    expect(page).to_have_url(f"{scene.url}/runs/{scene.run}")
    expect(page.get_by_role("row", name="accuracy 0.9375")).to_be_visible()
    page.get_by_role("link", name="flowers").click()
    expect(page.get_by_role("row")).to_have_count(13)
    page.get_by_role("link", name="Jupyter Tracking").click()
    expect(page.get_by_role("link", name=HOSTILE)).to_be_visible()
    # With a session it goes there at once.
    page.goto(f"{scene.url}/#/experiments/{scene.experiment}")
    expect(page).to_have_url(f"{scene.url}/experiments/{scene.experiment}")


def test_a_printed_link_leads_through_the_provider_to_its_run(window: Window, scene: Scene) -> None:
    page = window.page
    page.goto(f"{scene.url}/#/experiments/{scene.experiment}/runs/{scene.run}")
    page.get_by_role("link", name="Sign in with").click()
    page.get_by_label("Name").fill("ann")
    page.get_by_role("button", name="Go").click()
    expect(page).to_have_url(f"{scene.url}/runs/{scene.run}")
    expect(page.get_by_text("ann", exact=True)).to_be_visible()
    page.goto(scene.url)
    expect(page.get_by_role("row", name="flowers carol reader 12")).to_be_visible()
    expect(page.get_by_role("link", name="img")).to_have_count(0)


def test_a_wrong_password_is_told_and_signing_out_works(window: Window, scene: Scene) -> None:
    page = window.page
    page.goto(scene.url)
    window.sign_in("carol", "wrong wrong")
    expect(page.get_by_role("alert")).to_contain_text("The user name or the password is wrong")
    window.problems = [text for text in window.problems if "401" not in text]
    window.sign_in("carol")
    expect(page.get_by_role("heading", name="Experiments")).to_be_visible()
    page.get_by_role("link", name="Sign out").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Signed out")).to_be_visible()
    page.goto(f"{scene.url}/runs/{scene.run}")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_artifacts_are_saved_and_never_shown(window: Window, scene: Scene, tmp_path: Path) -> None:
    page = window.page
    page.goto(f"{scene.url}/runs/{scene.run}")
    window.sign_in("carol")
    with page.expect_download() as begun:
        page.get_by_role("link", name="plot.svg").click()
    assert begun.value.suggested_filename == "plot.svg"
    begun.value.save_as(tmp_path / "plot.svg")
    assert (tmp_path / "plot.svg").read_bytes() == b"<svg onload=alert(1)>" * 900
    page.get_by_role("link", name="model/").click()
    expect(page.get_by_role("link", name="weights.bin")).to_be_visible()
    page.get_by_role("link", name="artifacts").click()
    expect(page.get_by_role("link", name="plot.svg")).to_be_visible()


def test_a_page_of_another_site_cannot_act_with_the_session(
    browser: Browser, window: Window, scene: Scene
) -> None:
    page = window.page
    page.goto(f"{scene.url}/login")
    window.sign_in("carol")
    expect(page.get_by_role("heading", name="Experiments")).to_be_visible()
    # localhost is another site than 127.0.0.1, but as good a name of the server's.
    page.goto(scene.url.replace("127.0.0.1", "localhost") + "/health")
    tried = page.evaluate(
        """async (url) => {
          const send = (path, options) => fetch(url + path, {credentials: "include", ...options})
            .then(() => "read", () => "refused");
          const body = JSON.stringify({name: "evil"});
          return [
            await send("/api/2.0/jupyter-tracking/whoami", {}),
            await send("/api/2.0/mlflow/experiments/create", {
              method: "POST", headers: {"Content-Type": "application/json"}, body
            }),
            await send("/api/2.0/mlflow/experiments/create", {method: "POST", mode: "cors", body}),
          ];
        }""",
        scene.url,
    )
    assert tried == ["refused"] * 3
    window.problems.clear()
    page.goto(scene.url)
    expect(page.get_by_role("heading", name="Experiments")).to_be_visible()
    expect(page.get_by_role("link", name="evil")).to_have_count(0)


def test_without_scripts_it_is_the_same_but_for_printed_links(browser: Browser, scene: Scene) -> None:
    window = Window(browser, java_script_enabled=False)
    page = window.page
    page.goto(scene.url)
    window.sign_in("carol")
    page.get_by_role("link", name="flowers").click()
    page.get_by_role("link", name="the best of all").click()
    expect(page.get_by_role("row", name="accuracy 0.9375")).to_be_visible()
    page.context.close()


@pytest.mark.parametrize(
    ("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 390), ("dark", 390)]
)
def test_pages_fit_the_window_in_light_and_dark(
    browser: Browser, scene: Scene, screenshots: Path, scheme: str, width: int
) -> None:
    window = Window(browser, viewport={"width": width, "height": 800}, color_scheme=scheme)
    page = window.page
    page.goto(f"{scene.url}/login")
    shots = [("login", f"{scene.url}/login")]
    shots += [("start", scene.url), ("experiment", f"{scene.url}/experiments/{scene.experiment}")]
    shots += [("run", f"{scene.url}/runs/{scene.run}"), ("missing", f"{scene.url}/runs/none")]
    for name, address in shots:
        if name == "start":
            window.sign_in("carol")
            expect(page.get_by_role("heading", name="Experiments")).to_be_visible()
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        bright = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert bright == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(20, 24, 29)")
        page.screenshot(path=screenshots / f"page-{name}-{scheme}-{width}.png", full_page=True)
    window.page.context.close()
    assert [text for text in window.problems if "404" not in text] == []
