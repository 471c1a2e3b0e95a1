"""`jupyter tracking user` and `token` beside a running server, on each kind of database."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.accounts import PASSWORD, Accounts
from tests.servers import Server, start_standalone


@dataclass(frozen=True)
class Place:
    server: Server
    accounts: Accounts

    def whoami(self, token: str = "", password: tuple[str, str] | None = None) -> Any:
        """What the server says of a caller; the status if it is not 200."""
        reply = requests.get(
            f"{self.server.url}/api/2.0/jupyter-tracking/whoami",
            headers={"Authorization": f"Bearer {token}"} if token else {},
            auth=password,
            timeout=60,
        )
        return reply.json() if reply.status_code == 200 else reply.status_code


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, postgres_server: Any
) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp(request.param)
    postgresql = request.param == "postgresql"
    backend = postgres_server.create_database() if postgresql else f"sqlite:///{folder / 'tracking.db'}"
    with start_standalone(folder, backend=backend, auth="users") as server:
        yield Place(server, Accounts(folder, backend))
    if postgresql:
        postgres_server.drop_database(backend)


def test_a_server_without_an_administrator_says_how_to_make_one(place: Place) -> None:
    deadline = time.monotonic() + 30
    # It is healthy a moment before it has said so.
    while "export MLFLOW_TRACKING_URI=" not in (log := place.server.log.read_text(encoding="utf-8")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert "There is no administrator yet. Make one: jupyter tracking user create NAME --admin" in log
    assert "MLFLOW_TRACKING_TOKEN" not in log


def test_a_user_signs_in_at_once(place: Place) -> None:
    place.accounts.create("jane", groups=("lab", "staff"))
    said = place.whoami(password=("jane", PASSWORD))
    assert (said["user"], said["groups"], said["admin"], said["how"]) == (
        "jane",
        ["lab", "staff"],
        False,
        "password",
    )
    assert place.whoami(password=("jane", "wrong password")) == 401
    assert place.whoami() == 401


def test_an_administrator_and_a_user_without_a_password(place: Place) -> None:
    place.accounts.create("root", admin=True)
    assert place.whoami(password=("root", PASSWORD))["admin"]
    place.accounts.create("robot", None)
    assert place.whoami(password=("robot", "None")) == 401
    token = place.accounts.token("robot")
    assert place.whoami(token)["user"] == "robot"
    listed = place.accounts.must("user", "list").splitlines()
    assert "root\tadmin" in listed
    assert "robot\tno password" in listed


def test_a_token_has_its_scopes_and_is_told_once(place: Place) -> None:
    place.accounts.create("joe")
    token = place.accounts.token("joe", "--scopes", "read,artifacts", "--expires", "30d", "--note", "laptop")
    said = place.whoami(token)
    assert (said["user"], said["scopes"], said["how"]) == ("joe", ["artifacts", "read"], "token")
    listed = place.accounts.must("token", "list", "--user", "joe")
    assert token not in listed
    assert listed.rstrip().endswith("laptop")
    token_id = listed.split("\t")[0]
    # It has been used by now, which is noted beside the request.
    assert "Revoked" in place.accounts.must("token", "revoke", token_id)
    assert place.accounts.must("token", "list", "--user", "joe") == ""


def test_a_token_that_was_revoked_before_it_was_used_opens_nothing(place: Place) -> None:
    place.accounts.create("ann")
    token = place.accounts.token("ann")
    place.accounts.must(
        "token", "revoke", place.accounts.must("token", "list", "--user", "ann").split("\t")[0]
    )
    assert place.whoami(token) == 401


def test_passwords_groups_and_rights_change(place: Place) -> None:
    place.accounts.create("bob", groups=("old",))
    place.accounts.must("user", "password", "bob", "--password-stdin", typed="another password\n")
    place.accounts.must("user", "groups", "bob", "lab", "staff")
    place.accounts.must("user", "admin", "bob")
    assert place.whoami(password=("bob", PASSWORD)) == 401
    said = place.whoami(password=("bob", "another password"))
    assert (said["groups"], said["admin"]) == (["lab", "staff"], True)
    place.accounts.must("user", "admin", "bob", "--revoke")
    place.accounts.must("user", "delete", "bob")
    assert not [line for line in place.accounts.must("user", "list").splitlines() if line.startswith("bob")]
    place.accounts.create("bob", "a third password")
    said = place.whoami(password=("bob", "a third password"))
    assert (said["groups"], said["admin"]) == ([], False)


@pytest.mark.parametrize(
    ("command", "typed", "said"),
    [
        (("user", "create", "x", "--password-stdin"), "short\n", "between 8 and 1024 characters; it has 5"),
        (("user", "create", "x", "--password-stdin"), "", "it has 0"),
        (("user", "create", "x"), "long enough\n", "with --password-stdin"),
        (("user", "create", "a:b", "--no-password"), "", "must not hold a colon"),
        (("user", "create", "x", "--no-password", "--group", ""), "", "between 1 and 255"),
        (("user", "create", "twice", "--no-password"), "", "There is a user 'twice' already"),
        (("user", "password", "nobody", "--password-stdin"), "long enough\n", "no user 'nobody'"),
        (("user", "groups", "nobody", "lab"), "", "no user 'nobody'"),
        (("user", "admin", "nobody"), "", "no user 'nobody'"),
        (("user", "delete", "nobody"), "", "no user 'nobody'"),
        (("token", "create", "--user", "nobody"), "", "no user 'nobody'"),
        (("token", "create", "--user", "twice", "--scopes", "all"), "", "is not a list of: artifacts, read"),
        (("token", "create", "--user", "twice", "--expires", "0s"), "", "must live longer than nothing"),
        (("token", "create", "--user", "twice", "--expires", "soon"), "", "is not an age"),
        (("token", "revoke", "nothing"), "", "no token 'nothing'"),
    ],
)
def test_what_cannot_be_done_is_said(place: Place, command: tuple[str, ...], typed: str, said: str) -> None:
    place.accounts.run("user", "create", "twice", "--no-password")
    done = place.accounts.run(*command, typed=typed)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_database_without_a_schema_is_not_made(tmp_path: Path) -> None:
    done = Accounts(tmp_path, f"sqlite:///{tmp_path / 'nothing.db'}").run(
        "user", "create", "jane", "--no-password"
    )
    assert done.returncode == 2
    assert "There is no database" in done.stderr
    assert not (tmp_path / "nothing.db").exists()
