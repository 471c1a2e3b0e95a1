"""Whichever way somebody signs in, they may do the same: what their role allows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from tests.accounts import PASSWORD, Accounts
from tests.certificates import Authority, make_authority
from tests.servers import Server, start_standalone

PEOPLE = ("owner", "editor", "reader", "stranger", "admin")
WAYS = ("password", "token", "certificate")


@dataclass(frozen=True)
class Site:
    server: Server
    authority: Authority
    tokens: Mapping[str, str]

    def post(self, who: str, way: str, call: str, verb: str = "POST", **body: object) -> requests.Response:
        """A call by somebody who signs in that way."""
        return requests.request(
            verb,
            f"{self.server.url}/api/2.0/{call}",
            json=None if verb == "GET" else body,
            params={name: str(value) for name, value in body.items()} if verb == "GET" else None,
            auth=(who, PASSWORD) if way == "password" else None,
            headers={"Authorization": f"Bearer {self.tokens[who]}"} if way == "token" else {},
            cert=str(self.authority.client(who)) if way == "certificate" else None,
            verify=str(self.authority.ca),
            timeout=60,
        )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("ways")
    authority = make_authority(folder / "authority")
    certificate, key = authority.server()
    accounts = Accounts(folder / "commands", f"sqlite:///{folder / 'tracking.db'}")
    accounts.migrate()
    for who in PEOPLE:
        accounts.create(who, admin=who == "admin", groups=("lab",) if who == "editor" else ())
    tokens = {who: accounts.token(who) for who in PEOPLE}
    options = ["--certfile", str(certificate), "--keyfile", str(key), "--client-ca", str(authority.ca)]
    with start_standalone(folder, auth="users", options=options, ca=authority.ca) as server:
        yield Site(server, authority, tokens)


MAY = {
    "read": {"owner": 200, "editor": 200, "reader": 200, "stranger": 404, "admin": 200},
    "write": {"owner": 200, "editor": 200, "reader": 403, "stranger": 404, "admin": 200},
    "manage": {"owner": 200, "editor": 403, "reader": 403, "stranger": 404, "admin": 200},
    "admin": {"owner": 403, "editor": 403, "reader": 403, "stranger": 403, "admin": 200},
}


@pytest.mark.parametrize("way", WAYS)
def test_a_role_is_the_same_by_each_way(site: Site, way: str) -> None:
    made = site.post("owner", way, "mlflow/experiments/create", name=f"by {way}").json()
    experiment: Any = {"experiment_id": made["experiment_id"]}
    for kind, name, role in (("user", "reader", "reader"), ("group", "lab", "editor")):
        given = {"kind": kind, "name": name, "role": role}
        assert (
            site.post("owner", way, "jupyter-tracking/grants/set", **experiment, **given).status_code == 200
        )
    found = {
        "read": {who: site.post(who, way, "mlflow/experiments/get", "GET", **experiment) for who in PEOPLE},
        "write": {who: site.post(who, way, "mlflow/runs/create", **experiment) for who in PEOPLE},
        "manage": {
            who: site.post(who, way, "mlflow/experiments/update", **experiment, new_name=f"by {way}, {who}")
            for who in PEOPLE
        },
        "admin": {who: site.post(who, way, "mlflow/users/list", "GET") for who in PEOPLE},
    }
    assert {
        right: {who: reply.status_code for who, reply in row.items()} for right, row in found.items()
    } == MAY
    for who in ("owner", "editor", "admin"):
        assert found["write"][who].json()["run"]["info"]["user_id"] == who
