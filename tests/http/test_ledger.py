"""Who did what, as administrators find it in the database, on both kinds."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.http.rights_scene import API, OURS, PROXY, Site, Things, make_things
from tests.http.rights_site import command, join, start_site
from tests.servers import Postgres

Entry = dict[str, Any]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ledger")


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def site(request: pytest.FixtureRequest, folder: Path, postgres_server: Postgres) -> Iterator[Site]:
    backend = postgres_server.create_database() if request.param == "postgresql" else None
    with start_site(folder, backend) as running:
        yield running
    if backend:
        postgres_server.drop_database(backend)


@pytest.fixture(scope="module")
def things(site: Site) -> Things:
    return make_things(site)


def search(site: Site, **query: object) -> list[Entry]:
    """All entries that are wanted, the newest first, by pages of five."""
    found: list[Entry] = []
    token = ""
    while True:
        asked = urlencode({**query, "max_results": 5, **({"page_token": token} if token else {})})
        page = site.call("admin", f"{OURS}/audit/search?{asked}", None, "GET")
        found += page["entries"]
        token = page.get("next_page_token", "")
        if not token:
            return found


def wait_for(site: Site, count: int, **query: object) -> list[Entry]:
    """The same, once there are as many."""
    deadline = time.monotonic() + 30
    while len(found := search(site, **query)) < count:
        assert time.monotonic() < deadline, found
        time.sleep(0.02)
    assert len(found) == count, found
    return found


def new_run(site: Site, things: Things) -> str:
    made = site.call("owner", "runs/create", {"experiment_id": things.experiment})
    run: str = made["run"]["info"]["run_id"]
    return run


def test_what_is_made_moved_and_deleted_is_found_by_run(site: Site, things: Things) -> None:
    before = int(time.time() * 1000)
    run = new_run(site, things)
    path = f"{things.experiment}/{run}/artifacts/a.txt"
    site.call("owner", "runs/log-metric", {"run_id": run, "key": "m", "value": 1, "timestamp": 1, "step": 0})
    assert site.send("owner", "PUT", f"{PROXY}/artifacts/{path}", b"12345").status == 200
    assert site.send("reader", "GET", f"{PROXY}/artifacts/{path}").status == 200
    site.call("owner", "runs/delete", {"run_id": run})
    found = wait_for(site, 4, run_id=run)
    assert [(e["user"], e["endpoint"], e["method"], e["outcome"]) for e in found] == [
        ("owner", "delete_run", "POST", "ok"),
        ("reader", "artifact", "GET", "ok"),
        ("owner", "artifact", "PUT", "ok"),
        ("owner", "create_run", "POST", "ok"),
    ]
    assert found[1]["subject"] == {"path": path}
    assert (found[2]["received"], found[1]["sent"]) == (5, 5)
    assert found[3]["subject"] == {"experiment_id": things.experiment, "run_id": run}
    assert {(e["how"], e["peer"]) for e in found} == {("token", "127.0.0.1")}
    assert all(e["credential"] for e in found)
    assert all(before <= e["at"] <= time.time() * 1000 for e in found)
    assert search(site, run_id=run, user="reader") == [found[1]]
    assert search(site, run_id=run, endpoint="delete_run") == [found[0]]
    assert search(site, run_id=run, until=before) == []
    assert (
        search(site, run_id=run, since=found[1]["at"], until=found[1]["at"] + 1)[-1]["at"] == found[1]["at"]
    )
    assert found[2] in search(site, experiment_id=things.experiment)
    assert search(site, run_id=run[:-1]) == []


@pytest.mark.parametrize(
    ("request_line", "fields", "endpoint"),
    [
        ("GET /api/2.0/mlflow/runs/get?run_id={run}", (), "get_run"),
        ("POST /api/2.0/mlflow/runs/set-tag", ("key", "value"), "set_tag"),
        ("GET /api/2.0/mlflow/artifacts/list?run_id={run}", (), "list_artifacts"),
        (f"GET {PROXY}/artifacts/{{root}}/a.txt", (), "artifact"),
        (f"PUT {PROXY}/artifacts/{{root}}/a.txt", (), "artifact"),
        ("GET /get-artifact?run_id={run}&path=a.txt", (), "run_artifact"),
        ("POST /api/2.0/mlflow/runs/delete", (), "delete_run"),
    ],
)
def test_what_is_hidden_is_in_the_ledger_as_refused(
    site: Site, things: Things, request_line: str, fields: Sequence[str], endpoint: str
) -> None:
    run = new_run(site, things)
    root = f"{things.experiment}/{run}/artifacts"
    verb, path = request_line.split()
    body = {"run_id": run, **dict.fromkeys(fields, "x")} if verb == "POST" else b"" if verb == "PUT" else None
    # Twice: the first time the server may not know the caller well enough for its fast lane.
    for _ in range(2):
        answer = site.send("stranger", verb, path.format(run=run, root=root), body)
        assert answer.status == 404
    for entry in wait_for(site, 2, run_id=run, outcome="refused"):
        assert (entry["user"], entry["endpoint"], entry["status"]) == ("stranger", endpoint, 404)


def test_what_is_not_allowed_is_in_the_ledger_with_its_subject(site: Site, things: Things) -> None:
    run = new_run(site, things)
    assert site.send("reader", "POST", "/api/2.0/mlflow/runs/delete", {"run_id": run}).status == 403
    tag = {"run_id": run, "key": "k", "value": "v"}
    assert site.send("reader", "POST", "/api/2.0/mlflow/runs/set-tag", tag).status == 403
    found = wait_for(site, 2, run_id=run, user="reader")
    assert [(e["endpoint"], e["outcome"]) for e in found] == [
        ("set_tag", "refused"),
        ("delete_run", "refused"),
    ]


def test_what_is_missing_is_no_refusal(site: Site) -> None:
    run = secrets.token_hex(16)
    assert site.send("owner", "POST", "/api/2.0/mlflow/runs/delete", {"run_id": run}).status == 404
    assert site.send("owner", "GET", f"/api/2.0/mlflow/runs/get?run_id={run}").status == 404
    (entry,) = wait_for(site, 1, run_id=run)
    assert (entry["outcome"], entry["endpoint"]) == ("failed", "delete_run")


def test_parts_of_an_upload_are_found_by_run(site: Site) -> None:
    made = make_things(site)
    (part,) = wait_for(site, 1, run_id=made.run, endpoint="artifact_part")
    key = f"{made.root}/big.bin"
    assert part["subject"] == {"upload_id": made.upload, "part_number": "1", "path": key}
    assert part["user"] == "owner"
    (begun,) = wait_for(site, 1, run_id=made.run, endpoint="create_multipart_upload")
    assert begun in search(site, experiment_id=made.experiment)


def test_a_listing_that_hides_what_is_there_is_in_it(site: Site, things: Things) -> None:
    run = new_run(site, things)
    root = f"{things.experiment}/{run}/artifacts"
    assert site.send("owner", "PUT", f"{PROXY}/artifacts/{root}/folder/a.txt", b"12345").status == 200
    for folder in (root, f"{root}/folder", "987654321/x/artifacts"):
        answer = site.send("stranger", "GET", f"{PROXY}/artifacts?path={folder}")
        assert (answer.status, answer.body) == (200, b"{}")
    found = wait_for(site, 2, run_id=run, outcome="refused")
    assert [(e["user"], e["endpoint"], e["status"], e["subject"]) for e in reversed(found)] == [
        ("stranger", "list_proxy_artifacts", 200, {"path": root}),
        ("stranger", "list_proxy_artifacts", 200, {"path": f"{root}/folder"}),
    ]
    assert found[0] in search(site, experiment_id=things.experiment, outcome="refused")


def test_the_experiment_0_is_called_what_it_stands_for(site: Site) -> None:
    who, other = join(site), join(site)
    quota = {"kind": "user", "name": who, "max_runs": 0}
    site.call("admin", f"{OURS}/quotas/set", quota)
    new = {"experiment_id": "0"}
    # What was made for a run that was refused is gone.
    assert site.send(who, "POST", f"{API}/runs/create", new).status == 403
    site.call("admin", f"{OURS}/quotas/set", {**quota, "max_runs": 9})
    deadline = time.monotonic() + 30
    while (answer := site.send(who, "POST", f"{API}/runs/create", new)).status == 403:
        assert time.monotonic() < deadline, answer
    number = answer.json()["run"]["info"]["experiment_id"]
    theirs = site.call(other, "runs/create", {})["run"]["info"]["experiment_id"]
    grant = {**new, "kind": "group", "name": "lab"}
    permission = {"resource_type": "experiment", "resource_id": "0", "username": other, "permission": "READ"}
    for path, body in (
        (f"{API}/experiments/set-experiment-tag", {**new, "key": "k", "value": "v"}),
        (f"{API}/experiments/set-experiment-tag", {"experiment_id": "00", "key": "k", "value": "v"}),
        (f"{API}/users/permissions/grant", permission),
        (f"{OURS}/grants/set", {**grant, "role": "reader"}),
        (f"{OURS}/grants/remove", grant),
        (f"{API}/experiments/delete", new),
    ):
        site.call(who, path, body)
    found = wait_for(site, 7, user=who, experiment_id=number)
    assert [e["endpoint"] for e in reversed(found)] == [
        "create_run",
        "set_experiment_tag",
        "set_experiment_tag",
        "grant_user_permission",
        "set_grant",
        "remove_grant",
        "delete_experiment",
    ]
    assert {e["subject"]["experiment_id"] for e in found} == {number}
    assert {e["subject"]["experiment_id"] for e in search(site, user=who, outcome="refused")} == {"0"}
    assert search(site, user=other, experiment_id=number) == []
    assert search(site, user=other, experiment_id=theirs) != []


def test_who_has_a_role_in_the_experiment_0_means_that(site: Site) -> None:
    who = join(site)
    number = site.call(who, "runs/create", {})["run"]["info"]["experiment_id"]
    give = ("rights", "set", "0", "--user", who, "--role", "editor")
    assert command(site.database, *give)[0] == 0
    tag = {"experiment_id": "0", "key": "k", "value": "v"}
    site.call(who, "experiments/set-experiment-tag", tag)
    assert command(site.database, "rights", "remove", "0", "--user", who)[0] == 0
    (entry,) = wait_for(site, 1, user=who, endpoint="set_experiment_tag")
    assert entry["subject"] == {"experiment_id": "0", "key": "k"}
    assert number != "0"


def test_strangers_cannot_fill_it(site: Site, things: Things) -> None:
    since = int(time.time() * 1000)
    run = new_run(site, things)
    for headers in ({}, {"Authorization": "Bearer nobody"}):
        answer = site.send("anonymous", "POST", "/api/2.0/mlflow/runs/delete", {"run_id": run}, headers)
        assert answer.status == 401
    site.call("owner", "runs/delete", {"run_id": run})
    # What came later is there, so what came before would be, too.
    wait_for(site, 2, run_id=run)
    assert [e for e in search(site, since=since) if e["status"] == 401] == []


def test_who_was_given_what_is_in_it(site: Site, things: Things) -> None:
    guest = f"guest-{secrets.token_hex(4)}"
    site.call("admin", "users/create", {"username": guest, "password": "long enough to be taken"})
    grant = {"experiment_id": things.experiment, "kind": "user", "name": guest}
    site.call("owner", f"{OURS}/grants/set", {**grant, "role": "editor"})
    site.call("owner", f"{OURS}/grants/remove", grant)
    link = site.call("owner", f"{OURS}/share-links/create", {"run_id": things.run})["share_link"]["id"]
    site.call("owner", f"{OURS}/share-links/revoke", {"id": link})
    token = site.call("owner", f"{OURS}/tokens/create", {})
    quota = {"kind": "user", "name": guest, "max_runs": 7}
    site.call("admin", f"{OURS}/quotas/set", quota)

    def last(endpoint: str) -> dict[str, str]:
        found = search(site, endpoint=endpoint)
        subject: dict[str, str] = found[0]["subject"] if found else {}
        return subject

    deadline = time.monotonic() + 30
    while last("set_quota").get("name") != guest:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert last("create_user")["username"] == guest
    assert last("set_grant") == {**grant, "role": "editor"}
    assert last("remove_grant") == grant
    assert last("create_share_link")["id"] == last("revoke_share_link")["id"] == link
    assert last("create_token")["id"] in str(token)
    assert last("set_quota") == {"kind": "user", "name": guest, "max_runs": "7"}
    text = str(search(site))
    assert "long enough to be taken" not in text
    assert not any(value in text for value in site.tokens.values())


def test_only_administrators_read_it_and_bad_questions_are_refused(site: Site) -> None:
    assert site.send("owner", "GET", f"{OURS}/audit/search").status == 403
    for query, field in (
        ("max_results=0", "max_results"),
        ("outcome=maybe", "outcome"),
        ("since=x", "since"),
    ):
        answer = site.send("admin", "GET", f"{OURS}/audit/search?{query}")
        assert answer.status == 400
        assert field in answer.json()["message"]
    answer = site.send("admin", "GET", f"{OURS}/audit/search?page_token=abc")
    assert answer.error_code == "INVALID_PARAMETER_VALUE"


@pytest.mark.parametrize(("flag", "kept"), [("off", False), ("on", True)])
def test_the_administrator_says_whether_it_is_kept(tmp_path: Path, flag: str, kept: bool) -> None:
    with start_site(tmp_path, options=["--audit", flag]) as site:
        things = make_things(site)
        site.call("owner", "runs/delete", {"run_id": things.run})
    # What the server still had to write is written when it ends.
    code, printed = command(
        f"sqlite:///{tmp_path / 'tracking.db'}", "audit", "--run-id", things.run, "--json"
    )
    assert code == 0
    assert ("delete_run" in [json.loads(line)["endpoint"] for line in printed.splitlines()]) is kept


def test_what_commands_do_is_in_it(site: Site, things: Things) -> None:
    guest = f"guest-{secrets.token_hex(4)}"
    for arguments in (
        ["user", "create", guest, "--no-password"],
        ["user", "groups", guest, "lab"],
        ["rights", "set", things.experiment, "--user", guest, "--role", "reader"],
        ["rights", "remove", things.experiment, "--user", guest],
        ["user", "delete", guest],
    ):
        assert command(site.database, *arguments)[0] == 0
    found = [entry for entry in search(site) if guest in str(entry["subject"])]
    assert {entry["how"] for entry in found} == {"command"}
    grant = {"experiment_id": things.experiment, "kind": "user", "name": guest}
    assert [(entry["endpoint"], entry["subject"]) for entry in reversed(found)] == [
        ("create_user", {"username": guest, "is_admin": "false"}),
        ("set_user_groups", {"username": guest, "groups": "lab"}),
        ("set_grant", {**grant, "role": "reader"}),
        ("remove_grant", grant),
        ("delete_user", {"username": guest}),
    ]


def test_what_is_removed_for_good_is_in_it(site: Site, things: Things, folder: Path) -> None:
    run = new_run(site, things)
    site.call("owner", "runs/delete", {"run_id": run})
    place = str(folder / "artifacts")
    assert command(site.database, "gc", "--run-ids", run, "--artifacts-destination", place)[0] == 0
    (entry,) = wait_for(site, 1, run_id=run, endpoint="gc")
    assert (entry["how"], entry["outcome"], entry["subject"]["run_id"]) == ("command", "ok", run)
    assert entry["subject"]["location"].endswith(f"/{run}/artifacts")
