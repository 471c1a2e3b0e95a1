"""``jupyter tracking rights`` beside a running server, on each kind of database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.accounts import Accounts
from tests.http.rights_scene import API, OURS, Site
from tests.http.rights_site import join, start_site
from tests.servers import Postgres


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, postgres_server: Postgres
) -> Iterator[Site]:
    backend = postgres_server.create_database() if request.param == "postgresql" else None
    with start_site(tmp_path_factory.mktemp("rights"), backend) as running:
        yield running
    if backend:
        postgres_server.drop_database(backend)


@pytest.fixture
def commands(site: Site, tmp_path: Path) -> Accounts:
    return Accounts(tmp_path, site.database)


def status(site: Site, who: str, experiment: str) -> int:
    return site.send(who, "GET", f"{API}/experiments/get?experiment_id={experiment}").status


def create(site: Site, who: str, name: str) -> str:
    number: str = site.call(who, "experiments/create", {"name": name})["experiment_id"]
    return number


def test_roles_are_listed_given_and_taken_away(site: Site, commands: Accounts) -> None:
    owner, guest = join(site), join(site, "guests")
    number = create(site, owner, "shared / with slashes")
    assert commands.must("rights", "list", number) == f"owner\tuser {owner}\n"
    named = f"{owner}/shared / with slashes"
    given = commands.must("rights", "set", named, "--group", "guests", "--role", "reader")
    assert given == f"group guests is reader in experiment {number}.\n"
    assert status(site, guest, number) == 200
    commands.must("rights", "set", number, "--everyone", "--role", "editor")
    assert commands.must("rights", "list", named) == (
        f"owner\tuser {owner}\neditor\teveryone\nreader\tgroup guests\n"
    )
    commands.must("rights", "remove", number, "--everyone")
    commands.must("rights", "set", number, "--user", "nobody yet", "--role", "owner")
    commands.must("rights", "remove", number, "--user", owner)
    assert commands.must("rights", "list", number) == "owner\tuser nobody yet\nreader\tgroup guests\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["list", "987654321"], "There is no experiment '987654321'; name it by its id, or as user/name."),
        (["list", "nobody/nothing"], "There is no experiment 'nobody/nothing'"),
        (["set", "0", "--user", "a:b", "--role", "owner"], "'name' must not hold a colon"),
        (["remove", "0", "--user", "nobody"], "user nobody has no role in experiment 0"),
        (["transfer", "jane", "jane"], "These are the same user."),
        (["set", "0", "--role", "owner"], "one of the arguments --user --group --everyone is required"),
        (["set", "0", "--everyone", "--role", "king"], "invalid choice: 'king'"),
    ],
)
def test_what_cannot_be_done_is_said(arguments: list[str], said: str, commands: Accounts) -> None:
    done = commands.run("rights", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


def test_who_leaves_hands_over(site: Site, commands: Accounts) -> None:
    gone, heir = join(site), join(site)
    own, both, shared = create(site, gone, "own"), create(site, gone, "both"), create(site, "owner", gone)
    create(site, heir, "both")
    for who, role in ((gone, "editor"), (heir, "owner")):
        body = {"experiment_id": shared, "kind": "user", "name": who, "role": role}
        site.call("owner", f"{OURS}/grants/set", body)
    printed = commands.must("rights", "transfer", gone, heir)
    assert printed == (
        f"'both' is called 'both ({gone})' now.\n"
        f"{heir} has what {gone} had: roles in experiments: 3, names of experiments: 2.\n"
    )
    for name, number in (("own", own), (f"both ({gone})", both)):
        path = f"experiments/get-by-name?experiment_name={quote(name)}"
        assert site.call(heir, path, None, "GET")["experiment"]["experiment_id"] == number
    assert site.call(heir, f"{OURS}/grants/list?experiment_id={shared}", None, "GET")["role"] == "owner"
    # The server on which the roles were in use believes them for some seconds more; who looks anew does not.
    assert site.call(gone, "experiments/search", {}) == {}


def test_who_leaves_has_no_link_any_more(site: Site, commands: Accounts) -> None:
    gone, heir = join(site), join(site)
    run = site.call(gone, "runs/create", {})["run"]["info"]["run_id"]

    def shared(who: str) -> str:
        url: str = site.call(who, f"{OURS}/share-links/create", {"run_id": run})["share_link"]["url"]
        return url.removeprefix(site.url)

    links = [shared(gone), shared(gone)]
    assert [site.send("anonymous", "GET", link).status for link in links] == [200, 200]
    printed = commands.must("rights", "transfer", gone, heir)
    assert printed.endswith(f"Share links that {gone} made, and that have ended: 2.\n")
    assert [site.send("anonymous", "GET", link).status for link in links] == [404, 404]
    assert site.send("anonymous", "GET", shared(heir)).status == 200


def test_a_later_user_of_the_same_name_starts_afresh(site: Site, commands: Accounts) -> None:
    name = join(site)
    before = site.call(name, "runs/create", {})["run"]["info"]["experiment_id"]
    commands.must("user", "delete", name)
    commands.create(name, None)
    site.tokens[name] = commands.token(name)
    after = site.call(name, "runs/create", {})["run"]["info"]["experiment_id"]
    assert before != after
    assert site.call(name, "experiments/search", {})["experiments"][0]["experiment_id"] == after
