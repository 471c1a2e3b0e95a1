"""Accounts by the calls of MLflow's client of its basic-auth server, and users' own tokens."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from tests.accounts import PASSWORD, Accounts
from tests.servers import Postgres, Server, start_standalone

from .conftest import Api, Refused

OWN = "api/2.0/jupyter-tracking"


@dataclass(frozen=True)
class Site:
    server: Server
    accounts: Accounts

    def by(self, name: str, password: str = PASSWORD) -> Api:
        """The calls of somebody who sends a password."""
        session = requests.Session()
        session.auth = (name, password)
        return Api(self.server.url, session)

    def holding(self, token: str) -> Api:
        """The calls of who holds a token."""
        session = requests.Session()
        session.headers["Authorization"] = f"Bearer {token}"
        return Api(self.server.url, session)

    def member(self) -> tuple[str, Api]:
        """A new user."""
        name = f"u-{secrets.token_hex(4)}"
        self.by("root").post("users/create", username=name, password=PASSWORD)
        return name, self.by(name)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, postgres_server: Postgres
) -> Iterator[Site]:
    folder: Path = tmp_path_factory.mktemp(request.param)
    postgresql = request.param == "postgresql"
    backend = postgres_server.create_database() if postgresql else f"sqlite:///{folder / 'tracking.db'}"
    with start_standalone(folder, backend=backend, auth="users") as server:
        accounts = Accounts(folder, backend)
        accounts.create("root", admin=True)
        yield Site(server, accounts)
    if postgresql:
        postgres_server.drop_database(backend)


def own(api: Api, call: str, **body: object) -> dict[str, object]:
    """POST a call of ours."""
    reply = api.session.post(f"{api.url}/{OWN}/{call}", json=body, timeout=60)
    return api._read(reply)


def verdict(caught: pytest.ExceptionInfo[Refused]) -> tuple[int, str]:
    return caught.value.verdict


DENIED = (403, "PERMISSION_DENIED")
INVALID = (400, "INVALID_PARAMETER_VALUE")
MISSING = (404, "RESOURCE_DOES_NOT_EXIST")


def test_an_account_is_made_read_and_removed(site: Site) -> None:
    root = site.by("root")
    made = root.post("users/create", username="jane doe", password=PASSWORD)["user"]
    assert made == root.get("users/get", username="jane doe")["user"]
    assert (made["id"], made["username"], made["is_admin"]) == ("jane doe", "jane doe", False)
    with pytest.raises(Refused) as caught:
        root.post("users/create", username="jane doe", password=PASSWORD)
    assert verdict(caught) == (400, "RESOURCE_ALREADY_EXISTS")
    assert site.by("jane doe").get("users/current") == {"user": made, "is_basic_auth": True}
    names = [user["username"] for user in root.get("users/list")["users"]]
    assert names == sorted(names)
    assert {"jane doe", "root"} <= set(names)
    root.post("users/update-admin", "PATCH", username="jane doe", is_admin=True)
    assert root.get("users/get", username="jane doe")["user"]["is_admin"]
    root.post("users/delete", "DELETE", username="jane doe")
    with pytest.raises(Refused) as caught:
        root.get("users/get", username="jane doe")
    assert verdict(caught) == MISSING


def test_what_a_user_was_granted_is_told_in_the_words_of_mlflow_2(site: Site) -> None:
    name, api = site.member()
    experiment = api.experiment()
    user = api.get("users/get", username=name)["user"]
    assert user["experiment_permissions"] == [
        {"experiment_id": experiment, "user_id": name, "permission": "MANAGE"}
    ]
    assert user["registered_model_permissions"] == []


@pytest.mark.parametrize(
    ("call", "verb", "body"),
    [
        ("users/create", "POST", {"username": "x", "password": PASSWORD}),
        ("users/update-password", "PATCH", {"username": "root", "password": PASSWORD}),
        ("users/update-password", "PATCH", {"username": "nobody", "password": PASSWORD}),
        ("users/update-admin", "PATCH", {"username": "root", "is_admin": False}),
        ("users/delete", "DELETE", {"username": "root"}),
        ("users/get?username=root", "GET", None),
        ("users/get?username=nobody", "GET", None),
        ("users/list", "GET", None),
    ],
)
def test_others_accounts_are_for_administrators(
    site: Site, call: str, verb: str, body: dict[str, object] | None
) -> None:
    _, api = site.member()
    with pytest.raises(Refused) as caught:
        api.post(call, verb, **body) if body else api.get(call)
    assert verdict(caught) == DENIED


@pytest.mark.parametrize(
    ("call", "verb", "body", "field"),
    [
        ("users/create", "POST", {"username": "", "password": PASSWORD}, "username"),
        ("users/create", "POST", {"username": "a:b", "password": PASSWORD}, "username"),
        ("users/create", "POST", {"username": "x" * 256, "password": PASSWORD}, "username"),
        ("users/create", "POST", {"username": 7.5, "password": PASSWORD}, "username"),
        ("users/create", "POST", {"username": "x", "password": "short"}, "password"),
        ("users/create", "POST", {"username": "x", "password": "x" * 1025}, "password"),
        ("users/create", "POST", {"username": "x"}, "password"),
        (
            "users/update-password",
            "PATCH",
            {"username": "root", "password": "long enough"},
            "current_password",
        ),
        ("users/update-admin", "PATCH", {"username": "root", "is_admin": "maybe"}, "is_admin"),
        ("users/delete", "DELETE", {}, "username"),
    ],
)
def test_bad_values_are_named(site: Site, call: str, verb: str, body: dict[str, object], field: str) -> None:
    with pytest.raises(Refused) as caught:
        site.by("root").post(call, verb, **body)
    assert verdict(caught) == INVALID
    assert field in caught.value.message


@pytest.mark.parametrize(
    ("call", "verb", "more"),
    [
        ("users/update-password", "PATCH", {"password": PASSWORD}),
        ("users/update-admin", "PATCH", {"is_admin": True}),
        ("users/delete", "DELETE", {}),
    ],
)
def test_what_is_not_there_is_missing(site: Site, call: str, verb: str, more: dict[str, object]) -> None:
    with pytest.raises(Refused) as caught:
        site.by("root").post(call, verb, username="nobody", **more)
    assert verdict(caught) == MISSING


def test_an_administrator_stays(site: Site) -> None:
    root = site.by("root")
    for call, verb, more in (("update-admin", "PATCH", {"is_admin": False}), ("delete", "DELETE", {})):
        with pytest.raises(Refused) as caught:
            root.post(f"users/{call}", verb, username="root", **more)
        assert verdict(caught) == DENIED
    assert root.get("users/current")["user"]["is_admin"]


def test_users_change_their_own_password_by_the_present_one(site: Site) -> None:
    name, api = site.member()
    change = {"username": name, "password": "another password"}
    with pytest.raises(Refused) as caught:
        api.post("users/update-password", "PATCH", **change, current_password="wrong password")
    assert verdict(caught) == INVALID
    api.post("users/update-password", "PATCH", **change, current_password=PASSWORD)
    assert site.by(name, "another password").get("users/current")["user"]["username"] == name
    # Guessing ends soon, even for who holds a token of the user.
    holder = site.holding(site.accounts.token(name))
    for _ in range(10):
        with pytest.raises(Refused) as caught:
            holder.post("users/update-password", "PATCH", **change, current_password="a guess of it")
    with pytest.raises(Refused) as caught:
        holder.post("users/update-password", "PATCH", **change, current_password="another password")
    assert verdict(caught) == (401, "UNAUTHENTICATED")
    # An administrator needs none.
    site.by("root").post("users/update-password", "PATCH", username=name, password="a third password")
    assert site.by(name, "a third password").get("users/current")["is_basic_auth"]


def test_a_first_password_is_given_by_an_administrator(site: Site) -> None:
    name = f"robot-{secrets.token_hex(4)}"
    site.accounts.create(name, None)
    holder = site.holding(site.accounts.token(name))
    with pytest.raises(Refused) as caught:
        holder.post("users/update-password", "PATCH", username=name, password=PASSWORD)
    assert verdict(caught) == DENIED
    assert holder.get("users/current")["is_basic_auth"] is False


def test_a_user_makes_lists_and_ends_tokens(site: Site) -> None:
    name, api = site.member()
    made = own(api, "tokens/create", scopes=["read"], lifetime=3600, note="laptop")
    secret, info = str(made["secret"]), made["info"]
    assert isinstance(info, dict)
    assert secret.startswith("jt_")
    assert info["expires"] - info["created"] == 3_600_000
    assert (info["scopes"], info["note"], info["last_used"]) == (["read"], "laptop", None)
    holder = site.holding(secret)
    assert holder.get("whoami", OWN)["user"] == name
    with pytest.raises(Refused) as caught:
        holder.experiment()
    assert verdict(caught) == DENIED
    listed = api.get("tokens/list", OWN)["tokens"]
    assert [token["id"] for token in listed] == [info["id"]]
    assert secret not in str(listed)
    # It is nobody else's to see or end.
    _, other = site.member()
    assert other.get("tokens/list", OWN)["tokens"] == []
    with pytest.raises(Refused) as caught:
        own(other, "tokens/revoke", id=info["id"])
    assert verdict(caught) == MISSING
    own(api, "tokens/revoke", id=info["id"])
    assert api.get("tokens/list", OWN)["tokens"] == []


def test_a_token_makes_none_that_is_good_for_more_or_for_longer(site: Site) -> None:
    _, api = site.member()
    parent = own(api, "tokens/create", scopes=["read", "write"], lifetime=3600)
    holder = site.holding(str(parent["secret"]))
    with pytest.raises(Refused) as caught:
        own(holder, "tokens/create", scopes=["artifacts"])
    assert verdict(caught) == DENIED
    with pytest.raises(Refused) as caught:
        own(holder, "tokens/create", lifetime=7200)
    assert verdict(caught) == INVALID
    child, info = own(holder, "tokens/create"), parent["info"]
    assert isinstance(info, dict)
    made = child["info"]
    assert isinstance(made, dict)
    assert (made["scopes"], made["expires"]) == (["read", "write"], info["expires"])


@pytest.mark.parametrize(
    "body",
    [
        {"scopes": ["all"]},
        {"lifetime": 0},
        {"lifetime": 2**62},
        {"note": "x" * 501},
        {"scopes": ["read"] * 4},
    ],
)
def test_bad_tokens_are_refused(site: Site, body: dict[str, object]) -> None:
    with pytest.raises(Refused) as caught:
        own(site.by("root"), "tokens/create", **body)
    assert verdict(caught) == INVALID
    assert next(iter(body)) in caught.value.message


def test_a_removed_user_makes_no_token_in_the_seconds_that_are_left(site: Site) -> None:
    name, api = site.member()
    assert api.get("users/current")["user"]["username"] == name
    site.by("root").post("users/delete", "DELETE", username=name)
    with pytest.raises(Refused) as caught:
        own(api, "tokens/create")
    assert verdict(caught) == (401, "UNAUTHENTICATED")


@pytest.mark.parametrize("by", ["call", "command"])
def test_a_removed_user_leaves_no_open_link_and_no_quota(site: Site, by: str) -> None:
    name, api = site.member()
    root, run = site.by("root"), api.run(api.experiment())
    urls = [own(api, "share-links/create", run_id=run)["share_link"]["url"] for _ in range(2)]  # type: ignore[index]  # JSON
    own(root, "quotas/set", kind="user", name=name, max_runs=3)
    assert [requests.get(url, timeout=60).status_code for url in urls] == [200, 200]
    if by == "call":
        root.post("users/delete", "DELETE", username=name)
    else:
        site.accounts.must("user", "delete", name)
    assert [requests.get(url, timeout=60).status_code for url in urls] == [404, 404]
    listed = root.get("usage/list", OWN, kind="user", max_results=1000)["usage"]
    # What they logged is still counted.
    assert [(one["runs"], one.get("max_runs")) for one in listed if one["name"] == name] == [(1, None)]


def test_a_server_without_accounts_says_so(api: Api) -> None:
    for ask in (
        lambda: api.get("users/current"),
        lambda: api.post("users/create", username="x", password=PASSWORD),
        lambda: own(api, "tokens/create"),
    ):
        with pytest.raises(Refused) as caught:
            ask()
        assert verdict(caught) == (501, "NOT_IMPLEMENTED")
