"""What users and groups hold and may hold, through the front door, on both kinds of database."""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
import requests

from tests.http.conftest import Answer
from tests.http.rights_scene import GROUP, OURS, PROXY, Site
from tests.http.rights_site import command, start_site
from tests.servers import Postgres

Json = dict[str, Any]


@dataclass(frozen=True)
class Place:
    """A site, and where its database and artifacts are."""

    site: Site
    database: str
    folder: Path

    def gc(self) -> None:
        """Remove for good what is in the trash."""
        artifacts = str(self.folder / "artifacts")
        assert command(self.database, "gc", "--artifacts-destination", artifacts)[0] == 0

    def recount(self) -> str:
        """What the command says."""
        code, printed = command(self.database, "quota", "recount")
        assert code == 0
        return printed


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, postgres_server: Postgres
) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("quotas")
    backend = postgres_server.create_database() if request.param == "postgresql" else None
    with start_site(folder, backend) as running:
        yield Place(running, backend or f"sqlite:///{folder / 'tracking.db'}", folder)
    if backend:
        postgres_server.drop_database(backend)


@pytest.fixture
def site(place: Place) -> Site:
    return place.site


class User:
    """A new user with a token and an experiment.

    Attributes:
        name: theirs.
        root: the path of their run's artifacts.
    """

    def __init__(self, place: Place, *groups: str) -> None:
        self.name = f"u{secrets.token_hex(4)}"
        self._site = place.site
        flags = [flag for group in groups for flag in ("--group", group)]
        assert command(place.database, "user", "create", self.name, "--no-password", *flags)[0] == 0
        code, token = command(place.database, "token", "create", "--user", self.name)
        assert code == 0
        self.token = token.strip()
        made = self.call("experiments/create", name=self.name)
        self.experiment: str = made["experiment_id"]
        self.run = self.new_run()
        self.root = f"{self.experiment}/{self.run}/artifacts"

    @property
    def site(self) -> Site:
        """As this user sees it."""
        return replace(self._site, tokens={**self._site.tokens, "me": self.token})

    def call(self, path: str, /, **body: object) -> Json:
        reply: Json = self.site.call("me", path, body)
        return reply

    def new_run(self) -> str:
        run: str = self.call("runs/create", experiment_id=self.experiment)["run"]["info"]["run_id"]
        return run

    def put(self, name: str, content: bytes, root: str = "") -> Answer:
        return self.site.send("me", "PUT", f"{PROXY}/artifacts/{root or self.root}/{name}", content)

    def usage(self) -> list[Json]:
        found: list[Json] = self.site.call("me", f"{OURS}/usage/get", None, "GET")["usage"]
        return found

    def holds(self, size: int, runs: int) -> None:
        """Wait until this is what the user holds; an upload is counted a moment after it."""
        deadline = time.monotonic() + 30
        while (found := (self.usage()[0]["bytes"], self.usage()[0]["runs"])) != (size, runs):
            assert time.monotonic() < deadline, found
            time.sleep(0.02)


@pytest.fixture
def user(place: Place) -> User:
    return User(place)


def set_quota(site: Site, kind: str, name: str, **limits: int) -> None:
    site.call("admin", f"{OURS}/quotas/set", {"kind": kind, "name": name, **limits})


def refused(answer: Answer) -> str:
    """The message of a refusal for a quota."""
    assert (answer.status, answer.error_code) == (403, "RESOURCE_LIMIT_EXCEEDED"), answer
    message: str = answer.json()["message"]
    return message


def test_bytes_and_runs_are_counted_until_they_are_removed(place: Place, user: User) -> None:
    user.holds(0, 1)
    assert user.put("a.bin", bytes(1000)).status == 200
    assert user.put("f/b.bin", bytes(500)).status == 200
    assert user.put("f/c.bin", bytes(70)).status == 200
    user.holds(1570, 1)
    assert user.put("a.bin", bytes(300)).status == 200
    user.holds(870, 1)
    assert user.site.send("me", "DELETE", f"{PROXY}/artifacts/{user.root}/f").status == 200
    user.holds(300, 1)
    second = user.new_run()
    assert user.put("d.bin", bytes(7), f"{user.experiment}/{second}/artifacts").status == 200
    user.holds(307, 2)
    user.call("runs/delete", run_id=second)
    user.holds(307, 2)
    place.gc()
    user.holds(300, 1)
    assert place.recount() == "All sums were right.\n"


def test_what_another_stores_over_it_is_theirs(place: Place, user: User) -> None:
    other = User(place)
    grant = {"experiment_id": user.experiment, "kind": "user", "name": other.name, "role": "editor"}
    user.site.call("me", f"{OURS}/grants/set", grant)
    assert user.put("a.bin", bytes(100)).status == 200
    user.holds(100, 1)
    assert other.put("a.bin", bytes(40), user.root).status == 200
    other.holds(40, 1)
    user.holds(0, 1)


def test_a_quota_of_runs(site: Site, user: User) -> None:
    set_quota(site, "user", user.name, max_runs=2)
    second = user.new_run()
    again = {"experiment_id": user.experiment}
    message = refused(user.site.send("me", "POST", "/api/2.0/mlflow/runs/create", again))
    assert f"{user.name} holds 2 of 2 runs" in message
    assert "jupyter tracking gc" in message
    # To go on with what is there is no new run.
    user.call("runs/update", run_id=second, status="FINISHED")
    set_quota(site, "user", user.name, max_runs=3)
    user.new_run()
    site.call("admin", f"{OURS}/quotas/remove", {"kind": "user", "name": user.name})
    user.new_run()
    user.holds(0, 4)


def test_a_quota_of_bytes_is_judged_before_the_body(site: Site, user: User) -> None:
    set_quota(site, "user", user.name, max_bytes=1000)
    assert user.put("a.bin", bytes(900)).status == 200
    message = refused(user.put("b.bin", bytes(101)))
    assert message.startswith(
        f"The artifact does not fit: {user.name} holds 900 B of 1.0 kB, so it may have 100 B"
    )
    assert user.put("b.bin", bytes(100)).status == 200
    # What it takes the place of goes.
    assert user.put("a.bin", bytes(900)).status == 200
    refused(user.put("a.bin", bytes(901)))
    user.holds(1000, 1)
    upload = f"/ajax-api/2.0/mlflow/upload-artifact?run_uuid={user.run}&path=c.txt"
    refused(user.site.send("me", "POST", upload, b"x"))


def test_a_body_of_unknown_size_ends_where_it_is_too_much(site: Site, user: User) -> None:
    set_quota(site, "user", user.name, max_bytes=100_000)
    url = f"{site.url}{PROXY}/artifacts/{user.root}/a.bin"
    headers = {"Authorization": f"Bearer {user.token}"}

    def send(count: int) -> requests.Response:
        return requests.put(url, data=(bytes(1000) for _ in range(count)), headers=headers, timeout=60)

    reply = send(101)
    assert reply.status_code == 403
    assert reply.json()["error_code"] == "RESOURCE_LIMIT_EXCEEDED"
    assert requests.get(url, headers=headers, timeout=60).status_code == 404
    assert send(100).status_code == 200
    user.holds(100_000, 1)


class Parts:
    """An upload in parts."""

    def __init__(self, user: User, name: str, sizes: list[int], **more: object) -> None:
        self._user, self._name, self._sizes = user, name, sizes
        body = {"path": name, "num_parts": len(sizes), **more}
        self.begun = user.site.send("me", "POST", f"{PROXY}/mpu/create/{user.root}", body)

    def send(self) -> list[Answer]:
        answers = []
        for size, credential in zip(self._sizes, self.begun.json()["credentials"], strict=True):
            address = urlsplit(credential["url"])
            path = f"{address.path}?{address.query}"
            answers.append(self._user.site.send("anonymous", "PUT", path, bytes(size)))
        return answers

    def complete(self, sent: list[Answer]) -> Answer:
        parts = [{"part_number": n + 1, "etag": a.headers["etag"]} for n, a in enumerate(sent)]
        body = {"path": self._name, "upload_id": self.begun.json()["upload_id"], "parts": parts}
        return self._user.site.send("me", "POST", f"{PROXY}/mpu/complete/{self._user.root}", body)


def test_uploads_in_parts(place: Place, user: User) -> None:
    size = 5 * 2**20
    set_quota(place.site, "user", user.name, max_bytes=2 * size)
    refused(Parts(user, "a.bin", [size, size, 1], size=2 * size + 1, part_size=size).begun)
    # Where the size is not said, each part is judged by itself, and all together at the end.
    refused(Parts(user, "a.bin", [2 * size + 1]).send()[0])
    upload = Parts(user, "a.bin", [size, size, 1])
    refused(upload.complete(upload.send()))
    user.holds(0, 1)
    upload = Parts(user, "a.bin", [size, size])
    assert upload.complete(upload.send()).status == 200
    user.holds(2 * size, 1)
    assert place.recount() == "All sums were right.\n"


def test_a_group_holds_what_its_members_do(place: Place) -> None:
    group = f"g{secrets.token_hex(4)}"
    one, two, other = User(place, group), User(place, group, "another"), User(place)
    set_quota(place.site, "group", group, max_bytes=100, max_runs=3)
    assert one.put("a.bin", bytes(60)).status == 200
    one.holds(60, 1)
    message = refused(two.put("a.bin", bytes(41)))
    assert f"the group {group} holds 60 B of 100 B" in message
    assert two.put("a.bin", bytes(40)).status == 200
    two.new_run()
    assert f"the group {group} holds 3 of 3 runs" in refused(
        one.site.send("me", "POST", "/api/2.0/mlflow/runs/create", {"experiment_id": one.experiment})
    )
    assert other.put("a.bin", bytes(1000)).status == 200
    two.holds(40, 2)
    assert two.usage() == [
        {"kind": "user", "name": two.name, "bytes": 40, "runs": 2, "max_bytes": None, "max_runs": None},
        {"kind": "group", "name": group, "bytes": 100, "runs": 3, "max_bytes": 100, "max_runs": 3},
    ]
    asked = urlencode({"kind": "group", "name": group})
    assert two.site.call("me", f"{OURS}/usage/get?{asked}", None, "GET")["usage"] == two.usage()[1:]
    assert other.site.send("me", "GET", f"{OURS}/usage/get?{asked}").status == 403


def test_everyone_without_a_quota_of_their_own(place: Place, user: User) -> None:
    generous = User(place)
    set_quota(place.site, "user", generous.name, max_bytes=1000)
    set_quota(place.site, "everyone", "", max_bytes=10)
    try:
        refused(user.put("a.bin", bytes(11)))
        assert generous.put("a.bin", bytes(11)).status == 200
        assert user.usage()[0]["max_bytes"] == 10
    finally:
        place.site.call("admin", f"{OURS}/quotas/remove", {"kind": "everyone"})
    assert user.put("a.bin", bytes(11)).status == 200


def test_administrators_see_what_all_hold(site: Site, user: User) -> None:
    assert user.put("a.bin", bytes(5)).status == 200
    user.holds(5, 1)
    set_quota(site, "group", GROUP, max_runs=1000)
    found: dict[str, Json] = {}
    token = ""
    while True:
        page = site.call("admin", f"{OURS}/usage/list?max_results=2&page_token={token}", None, "GET")
        assert len(page["usage"]) <= 2
        assert not found.keys() & {one["name"] for one in page["usage"]}
        found |= {one["name"]: one for one in page["usage"]}
        token = page.get("next_page_token", "")
        if not token:
            break
    assert list(found) == sorted(found)
    expected = {"kind": "user", "name": user.name, "bytes": 5, "runs": 1, "max_bytes": None, "max_runs": None}
    assert found[user.name] == expected
    asked = f"{OURS}/usage/get?name={user.name}"
    assert site.call("admin", asked, None, "GET")["usage"] == [expected]
    assert site.send("owner", "GET", asked).status == 403
    groups = site.call("admin", f"{OURS}/usage/list?kind=group", None, "GET")["usage"]
    assert next(one for one in groups if one["name"] == GROUP)["max_runs"] == 1000


@pytest.mark.parametrize(
    ("call", "body", "word"),
    [
        ("set", {"kind": "user", "max_runs": 1}, "name"),
        ("set", {"kind": "everyone", "name": "x", "max_runs": 1}, "name"),
        ("set", {"kind": "user", "name": "x"}, "max_bytes"),
        ("set", {"kind": "user", "name": "x", "max_bytes": -1}, "max_bytes"),
        ("set", {"kind": "robot", "name": "x", "max_runs": 1}, "kind"),
        ("remove", {"kind": "group"}, "name"),
    ],
)
def test_a_quota_that_makes_no_sense(site: Site, call: str, body: Json, word: str) -> None:
    answer = site.send("admin", "POST", f"{OURS}/quotas/{call}", body)
    assert answer.status == 400
    assert word in answer.json()["message"]


def test_a_quota_that_is_not_there(site: Site) -> None:
    body = {"kind": "user", "name": "nobody-at-all"}
    assert site.send("admin", "POST", f"{OURS}/quotas/remove", body).status == 404
    for path in ("usage/get?kind=everyone", "usage/list?kind=everyone", "usage/get?kind=group"):
        assert site.send("admin", "GET", f"{OURS}/{path}").status == 400


def test_after_many_changes_the_sums_are_those_of_a_recount(place: Place) -> None:
    dice = random.Random(4)
    users = [User(place), User(place)]
    for user in users:
        for other in users:
            grant = {"experiment_id": user.experiment, "kind": "user", "name": other.name, "role": "owner"}
            user.site.call("me", f"{OURS}/grants/set", grant)
    roots = [user.root for user in users]
    paths = ["a", "f/a", "f/g/a", "f/b", "fa"]
    for _ in range(120):
        user, root = dice.choice(users), dice.choice(roots)
        what = dice.random()
        if what < 0.6:
            assert user.put(dice.choice(paths), bytes(dice.randrange(5000)), root).status in {200, 400}
        elif what < 0.75:
            path = dice.choice([*paths, "f", "f/g"])
            assert user.site.send("me", "DELETE", f"{PROXY}/artifacts/{root}/{path}").status == 200
        elif what < 0.9:
            roots.append(f"{user.experiment}/{user.new_run()}/artifacts")
        elif what < 0.97 and len(roots) > 2:
            gone = roots.pop()
            user.call("runs/delete", run_id=gone.split("/")[1])
        else:
            place.gc()
    place.gc()
    held = {(one["bytes"], one["runs"]) for user in users for one in user.usage()}
    files = sum(path.stat().st_size for root in roots for path in _files(place.folder / "artifacts" / root))
    deadline = time.monotonic() + 30
    while sum(user.usage()[0]["bytes"] for user in users) != files:
        assert time.monotonic() < deadline, held
        time.sleep(0.05)
    assert sum(user.usage()[0]["runs"] for user in users) == len(roots)
    assert place.recount() == "All sums were right.\n"


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]
