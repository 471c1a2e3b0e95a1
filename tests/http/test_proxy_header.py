"""A real nginx that signs users in and names them; and everybody else who says the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import requests

from tests.accounts import Accounts
from tests.nginx import site_running
from tests.servers import Server, free_port, start_standalone

# As an administrator writes it: what the client says of itself is replaced, whatever it says.
SITE = """
server {{
    listen 127.0.0.1:{port};
    location / {{
        proxy_pass {upstream};
        proxy_http_version 1.1;
        proxy_set_header Host $http_host;
        proxy_set_header X-Forwarded-User $arg_user;
        proxy_set_header X-Forwarded-Groups $arg_groups;
        # Linux takes any address of 127.0.0.0/8 for its own: the proxy has one that nobody else has.
        proxy_bind 127.0.0.9;
    }}
}}
"""
WHOAMI = "/api/2.0/jupyter-tracking/whoami"
PROXY = "127.0.0.9"


@dataclass(frozen=True)
class Site:
    server: Server
    proxy: str
    accounts: Accounts


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("proxied")
    options = ["--proxy-user-header", "X-Forwarded-User", "--proxy-groups-header", "X-Forwarded-Groups"]
    options += ["--trusted-proxies", f"10.0.0.0/8, {PROXY}"]
    port = free_port()
    with start_standalone(folder, auth="users", options=options) as server:
        text = SITE.format(port=port, upstream=server.url)
        with site_running(folder / "nginx", text):
            accounts = Accounts(folder / "commands", f"sqlite:///{folder / 'tracking.db'}")
            yield Site(server, f"http://127.0.0.1:{port}", accounts)


def test_the_proxy_says_who_calls(site: Site) -> None:
    for _ in range(2):
        said = requests.get(f"{site.proxy}{WHOAMI}?user=jane&groups=lab,staff", timeout=60).json()
        assert (said["user"], said["groups"], said["admin"], said["how"]) == (
            "jane",
            ["lab", "staff"],
            False,
            "proxy",
        )


def test_its_user_is_an_administrator_by_the_account(site: Site) -> None:
    site.accounts.create("root", None, admin=True)
    assert requests.get(f"{site.proxy}{WHOAMI}?user=root", timeout=60).json()["admin"]


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-User": "root"},
        {
            "x-forwarded-user": "root",
            "X-Forwarded-For": PROXY,
            "X-Real-IP": PROXY,
            "Forwarded": f"for={PROXY}",
        },
        {"X-Forwarded-User": "root", "Authorization": "Bearer jt_x"},
    ],
)
def test_nobody_else_is_believed(site: Site, headers: dict[str, str]) -> None:
    direct = requests.get(f"{site.server.url}{WHOAMI}", headers=headers, timeout=60)
    assert direct.status_code == 401


@pytest.mark.parametrize("name", ["X-Forwarded-User", "x-forwarded-user", "X_Forwarded_User"])
def test_what_a_client_sends_through_the_proxy_is_replaced(site: Site, name: str) -> None:
    headers = {name: "root", "X-Forwarded-Groups": "admins"}
    assert requests.get(f"{site.proxy}{WHOAMI}", headers=headers, timeout=60).status_code == 401
    said = requests.get(f"{site.proxy}{WHOAMI}?user=joe", headers=headers, timeout=60).json()
    assert (said["user"], said["groups"], said["admin"]) == ("joe", [], False)


def test_its_users_make_tokens_for_the_way_without_it(site: Site) -> None:
    made = requests.post(
        f"{site.proxy}/api/2.0/jupyter-tracking/tokens/create?user=ann&groups=lab", json={}, timeout=60
    )
    headers = {"Authorization": f"Bearer {made.json()['secret']}"}
    said = requests.get(f"{site.server.url}{WHOAMI}", headers=headers, timeout=60).json()
    assert (said["user"], said["groups"], said["how"]) == ("ann", ["lab"], "token")
