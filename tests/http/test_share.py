"""What share links open to somebody without an account, and what they do not; on both databases."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from sqlalchemy import select

from jupyter_tracking_server.store.database import Database
from jupyter_tracking_server.store.people_tables import share_links
from tests.http.conftest import Answer, ask
from tests.http.rights_scene import Site, Things, make_things
from tests.http.rights_site import command, start_site
from tests.servers import Postgres, start_embedded

OURS = "/api/2.0/jupyter-tracking"
SCRIPT = "<script>alert(1)</script>"


@dataclass(frozen=True)
class Shared:
    """A server where users have rights, its database and its logs."""

    site: Site
    database: str
    folder: Path

    def link(self, things: Things, path: str = "", **more: object) -> str:
        """The path of a new link."""
        body = {"run_id": things.run, "path": path, **more}
        url: str = self.site.call("owner", f"{OURS}/share-links/create", body)["share_link"]["url"]
        return url.removeprefix(self.site.url)

    def get(self, path: str, verb: str = "GET", **headers: str) -> Answer:
        """Without any credential."""
        return ask(self.site.url, verb, path, None, {k.replace("_", "-"): v for k, v in headers.items()})

    def lines(self, log: str) -> list[dict[str, object]]:
        """What a log holds; a line is written before the next request is looked at."""
        self.get("/health")
        return [json.loads(line) for line in (self.folder / log).read_text().splitlines()]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shared(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, postgres_server: Postgres
) -> Iterator[Shared]:
    folder = tmp_path_factory.mktemp("share")
    uri = postgres_server.create_database() if request.param == "postgresql" else None
    options = [f"--access-log={folder / 'access.jsonl'}", f"--audit-log={folder / 'audit.jsonl'}"]
    with start_site(folder, uri, options=options) as site:
        yield Shared(site, uri or f"sqlite:///{folder / 'tracking.db'}", folder)
    if uri:
        postgres_server.drop_database(uri)


@pytest.fixture(scope="module")
def things(shared: Shared) -> Things:
    made = make_things(shared.site)
    tags = {
        "mlflow.note.content": f"a note {SCRIPT}",
        "mlflow.source.name": "/home/owner/x.py",
        "stage": SCRIPT,
    }
    entries = [{"key": key, "value": value} for key, value in tags.items()]
    shared.site.call("owner", "runs/log-batch", {"run_id": made.run, "tags": entries})
    shared.site.call("owner", "runs/update", {"run_id": made.run, "run_name": f"first {SCRIPT}"})
    put(shared, made, "folder/deep/ü %41 c.txt")
    return made


def put(shared: Shared, things: Things, name: str, content: bytes = b"twelve bytes") -> None:
    path = f"/api/2.0/mlflow-artifacts/artifacts/{things.root}/{quote(name)}"
    assert shared.site.send("owner", "PUT", path, content).status == 200


def test_a_run_is_a_page_of_what_it_logged(shared: Shared, things: Things) -> None:
    answer = shared.get(shared.link(things), Accept="text/html", Sec_Fetch_Site="cross-site")
    page = answer.body.decode()
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    for shown in (
        "first ",
        "a note ",
        "stage",
        "1.5",
        'artifacts/a.txt"',
        'artifacts/folder"',
        "Shared until",
    ):
        assert shown in page
    for hidden in ("<script", "mlflow.", "/home/owner", "owner", things.name, f">{things.experiment}<"):
        assert hidden not in page


def test_a_page_may_do_nothing_and_tells_nobody_its_address(shared: Shared, things: Things) -> None:
    link = shared.link(things)
    for path in (link, f"{link}/artifacts/a.txt", "/share/unknown"):
        headers = shared.get(path).headers
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-robots-tag"] == "noindex, nofollow"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "no-store" in headers["cache-control"]
        assert "set-cookie" not in headers
        assert "access-control-allow-origin" not in headers


def test_a_file_is_sent_as_every_artifact(shared: Shared, things: Things) -> None:
    link = shared.link(things, "a.txt")
    whole = shared.get(link)
    assert (whole.status, whole.body) == (200, b"twelve bytes")
    assert whole.headers["content-disposition"] == 'attachment; filename="a.txt"'
    assert whole.headers["content-security-policy"] == "sandbox; default-src 'none'"
    assert whole.headers["cache-control"] == "private, no-store"
    part = shared.get(link, Range="bytes=2-5")
    assert (part.status, part.body) == (206, b"elve")
    assert shared.get(link, Range="bytes=99-").status == 416
    head = shared.get(link, "HEAD")
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", "12")
    assert shared.get(link, If_None_Match=whole.headers["etag"]).status == 304


def test_a_folder_is_listed_and_packed(shared: Shared, things: Things) -> None:
    link = shared.link(things, "folder")
    page = shared.get(link).body.decode()
    top = link.rpartition("/")[2]
    assert f'href="{top}/artifacts/b.txt"' in page
    assert f'href="{top}/artifacts/deep"' in page
    assert shared.get(f"{link}/artifacts/b.txt").body == b"twelve bytes"
    inner = shared.get(f"{link}/artifacts/deep").body.decode()
    name = quote("ü %41 c.txt")
    assert f'href="../../{top}/artifacts/deep/{name}"' in inner
    assert shared.get(f"{link}/artifacts/deep/{name}").body == b"twelve bytes"
    packed = shared.get(f"{link}?format=zip")
    assert packed.headers["content-disposition"] == 'attachment; filename="folder.zip"'
    with zipfile.ZipFile(io.BytesIO(packed.body)) as archive:
        assert sorted(archive.namelist()) == ["b.txt", "deep/ü %41 c.txt"]


def test_a_long_folder_comes_in_pages(shared: Shared) -> None:
    made = make_things(shared.site)
    for number in range(501):
        put(shared, made, f"many/{number:03}", b"")
    link = shared.link(made, "many")
    first = shared.get(link).body.decode()
    more = first.partition("?page=")[2].partition('"')[0]
    assert "/artifacts/499" in first
    assert "/artifacts/500" not in first
    second = shared.get(f"{link}?page={more}").body.decode()
    assert "/artifacts/500" in second
    assert "/artifacts/499" not in second
    assert shared.get(f"{link}?page=forged").status == 404


@pytest.mark.parametrize(
    "inner",
    [
        "/artifacts/../a.txt",
        "/artifacts/%2e%2e/a.txt",
        "/artifacts/%2e%2e%2fa.txt",
        "/artifacts/..%5ca.txt",
        "/artifacts//a.txt",
        "/artifacts/%00",
        "/artifacts/%ff",
        "/artifacts/a.txt",
        "/../a.txt",
        "/artifacts/none",
        "/other",
    ],
)
def test_nothing_beside_the_folder_is_there(shared: Shared, things: Things, inner: str) -> None:
    missing = shared.get("/share/unknown")
    for more in ("", "?format=zip"):
        answer = shared.get(shared.link(things, "folder") + inner + more)
        assert (answer.status, answer.body) == (404, missing.body)


def test_a_link_is_no_credential(shared: Shared, things: Things) -> None:
    secret = shared.link(things).rpartition("/")[2]
    run = f"/api/2.0/mlflow/runs/get?run_id={things.run}"
    assert shared.get(run, Authorization=f"Bearer {secret}").status == 401
    assert shared.get(f"{run}&token={secret}").status == 401
    for verb in ("POST", "PUT", "DELETE"):
        assert shared.get(f"/share/{secret}", verb).status == 404


def test_links_that_open_nothing_cannot_be_told_apart(shared: Shared) -> None:
    made, other = make_things(shared.site), make_things(shared.site)
    deleted, gone = shared.link(made, "a.txt"), shared.link(other)
    assert [shared.get(path).status for path in (made.shared, deleted, gone)] == [200, 200, 200]
    shared.site.call("owner", f"{OURS}/share-links/revoke", {"id": made.link})
    shared.site.call("owner", "runs/delete", {"run_id": made.run})
    shared.site.call("owner", "experiments/delete", {"experiment_id": other.experiment})
    unknown = shared.get("/share/" + "x" * 43)
    assert unknown.status == 404
    for path in (made.shared, deleted, gone, "/share/x", "/share/%ff", "/share/unknown/artifacts/a"):
        answer = shared.get(path)
        assert (answer.status, answer.body) == (404, unknown.body)
        assert answer.headers.keys() == unknown.headers.keys()


def test_any_owner_ends_any_link(shared: Shared) -> None:
    made = make_things(shared.site)
    grant = {"experiment_id": made.experiment, "kind": "user", "name": "reader", "role": "owner"}
    shared.site.call("owner", f"{OURS}/grants/set", grant)
    shared.site.call("reader", f"{OURS}/share-links/revoke", {"id": made.link})
    assert shared.get(made.shared).status == 404


def test_whose_run_it_is_decides_not_who_made_the_link(shared: Shared) -> None:
    made = make_things(shared.site)
    for role in ("owner", "reader"):
        grant = {"experiment_id": made.experiment, "kind": "user", "name": "reader", "role": role}
        shared.site.call("owner", f"{OURS}/grants/set", grant)
        if role == "owner":
            body = {"run_id": made.run}
            link = shared.site.call("reader", f"{OURS}/share-links/create", body)["share_link"]
    assert link["created_by"] == "reader"
    assert shared.get(link["url"].removeprefix(shared.site.url)).status == 200
    listed = f"{OURS}/share-links/list?run_id={made.run}"
    assert shared.site.send("reader", "GET", listed).status == 403
    assert link["id"] in shared.site.send("owner", "GET", listed).body.decode()


def test_the_secret_is_in_no_log_and_not_in_the_database(shared: Shared, things: Things) -> None:
    links = [shared.link(things), shared.link(things, "folder"), shared.link(things, "a.txt")]
    secrets = [link.rpartition("/")[2] for link in links]
    for link in links:
        for more in ("", "/artifacts/none", "?format=zip", "?format=none", "/artifacts/b.txt?page=1"):
            shared.get(link + more)
        shared.get(link, "POST")
        shared.get(link, Host="evil.example")
    logged = [path.read_text() for path in shared.folder.rglob("*") if path.suffix in {".log", ".jsonl"}]
    assert len(logged) == 3
    assert not [secret for secret in secrets for text in logged if secret in text]
    database = Database(shared.database)
    with database.read() as tx:
        rows = tx.execute(select(share_links)).all()
    database.close()
    assert len(rows) >= 3
    assert not [secret for secret in secrets if secret in str(rows) or secret.encode() in str(rows).encode()]


def test_the_audit_log_has_the_life_of_a_link(shared: Shared) -> None:
    made = make_things(shared.site)
    shared.get(f"{made.shared}/artifacts/a.txt")
    shared.get(made.shared, "HEAD")
    shared.site.call("owner", f"{OURS}/share-links/revoke", {"id": made.link})
    shared.get(made.shared)
    found = [line for line in shared.lines("audit.jsonl") if made.link in json.dumps(line)]
    assert [(line["endpoint"], line["outcome"]) for line in found] == [
        ("create_share_link", "ok"),
        ("share", "ok"),
        ("revoke_share_link", "ok"),
    ]
    assert found[0]["subject"] == {"run_id": made.run, "id": made.link}
    assert (found[1]["how"], found[1]["credential"]) == ("link", made.link)
    assert found[1]["subject"] == {"id": made.link, "run_id": made.run, "path": "a.txt"}
    paths = [line["path"] for line in shared.lines("access.jsonl") if line["endpoint"] == "share"]
    assert paths[-3:] == [f"/share/{made.link}/artifacts/a.txt", f"/share/{made.link}", "/share/-"]


def test_a_run_is_purged_with_its_links(shared: Shared) -> None:
    made = make_things(shared.site)
    shared.site.call("owner", "runs/delete", {"run_id": made.run})
    code, _ = command(
        shared.database,
        "gc",
        "--run-ids",
        made.run,
        "--older-than",
        "0s",
        "--artifacts-destination",
        str(shared.folder / "artifacts"),
    )
    assert code == 0
    assert shared.site.send("owner", "GET", f"/api/2.0/mlflow/runs/get?run_id={made.run}").status == 404
    assert shared.get(made.shared).status == 404


def test_inside_jupyter_a_link_opens_without_its_login(tmp_path: Path) -> None:
    with start_embedded(tmp_path, options=["--log-level=DEBUG"]) as server:
        json_headers = {**server.headers, "Content-Type": "application/json"}
        create = ask(server.url, "POST", "/api/2.0/mlflow/runs/create", b"{}", json_headers)
        run = create.json()["run"]["info"]["run_id"]
        body = json.dumps({"run_id": run}).encode()
        made = ask(server.url, "POST", f"{OURS}/share-links/create", body, json_headers).json()["share_link"]
        assert made["url"].startswith(f"{server.url}/share/")
        path = urlsplit(made["url"]).path.removeprefix(urlsplit(server.url).path)
        answer = ask(server.url, "GET", path, None, {"Sec-Fetch-Site": "cross-site"})
        assert answer.status == 200
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert ask(server.url, "GET", f"{path}/artifacts/none").status == 404
        assert ask(server.url, "GET", "/share/unknown").status == 404
        assert ask(server.url, "GET", f"/api/2.0/mlflow/runs/get?run_id={run}").status == 401
    log = server.log.read_text()
    assert f"/share/{made['id']}" in log
    assert path.rpartition("/")[2] not in log
