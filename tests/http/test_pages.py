"""The plain pages: what each caller sees there, on each kind of database, whatever it is called."""

from __future__ import annotations

import html
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
import requests

from tests.http.browsing import Visitor, make_user
from tests.http.conftest import Client
from tests.http.rights_scene import API, CONTENT, Site, Things, make_things
from tests.http.rights_site import start_site
from tests.nginx import nginx
from tests.servers import Postgres, start_standalone

HOSTILE = (
    "<script>alert(1)</script>",
    "\"><img src=x onerror='alert(1)'>",
    "{{ 1 + 1 }} {% raw x %}",
    "شجرة \u202egnp.exe",
    "&lt;b&gt; &amp;",
    "a/b?c=d#e%2f",
)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("pages")
    if request.param == "sqlite":
        with start_site(folder) as started:
            yield started
        return
    postgres = request.getfixturevalue("postgres_server")
    assert isinstance(postgres, Postgres)
    uri = postgres.create_database()
    with start_site(folder, uri) as started:
        yield started
    postgres.drop_database(uri)


@pytest.fixture(scope="module")
def things(site: Site) -> Things:
    return make_things(site)


def page(site: Site, who: str, path: str, status: int = 200) -> str:
    """A page as one of the people sees it, who shows a token."""
    answer = site.send(who, "GET", path, headers={"Accept": "text/html"})
    assert answer.status == status, answer
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    return answer.body.decode()


def cells(text: str) -> list[list[str]]:
    """The rows of the tables of a page, as text."""
    rows = re.findall(r"<tr>(.*?)</tr>", text.partition("<tbody>")[2], re.DOTALL)
    return [
        [
            html.unescape(re.sub(r"<[^>]*>", "", cell)).strip()
            for cell in re.findall(r"<t[hd]\b.*?>(.*?)</t[hd]>", row, re.DOTALL)
        ]
        for row in rows
    ]


def links(text: str) -> dict[str, str]:
    """Where the links of a page lead, by their text."""
    found = re.findall(r'<a\b[^>]*?href="([^"]*)"[^>]*>(.*?)</a>', text, re.DOTALL)
    return {
        html.unescape(re.sub(r"<[^>]*>", "", inner)).strip(): html.unescape(href) for href, inner in found
    }


def test_everybody_sees_what_they_have_a_role_in(site: Site, things: Things) -> None:
    for who, role in (("reader", "reader"), ("editor", "editor"), ("owner", "owner"), ("admin", "owner")):
        found = {row[0]: row for row in cells(page(site, who, "/"))}
        assert found[things.name][1:4] == ["owner", role, "1"]
        run = cells(page(site, who, f"/experiments/{things.experiment}"))
        assert run[0][1:3] == ["owner", "running"]
        assert run[0][4:] == ["key 1.5", "key v"]
        assert f">{things.run}<" in page(site, who, f"/runs/{things.run}")
    assert things.name not in page(site, "stranger", "/")


def test_what_is_foreign_is_missing(site: Site, things: Things) -> None:
    for kind, foreign, missing in (
        ("runs", things.run, "f" * 32),
        ("experiments", things.experiment, "987654321"),
    ):
        texts = [
            re.sub(r'nonce="[^"]*"', "", page(site, "stranger", f"/{kind}/{one}", 404)).replace(
                f"id={one} ", ""
            )
            for one in (foreign, missing)
        ]
        assert texts[0] == texts[1]


def test_a_run_shows_what_it_logged_and_its_files(site: Site, things: Things) -> None:
    text = page(site, "reader", f"/runs/{things.run}")
    rows = cells(text)
    assert ["key", "v"] in rows
    assert ["key", "1.5"] in rows
    assert ["a.txt", "12 B"] in rows
    assert not any("mlflow.runName" in row for row in rows)
    found = links(text)
    assert found[things.name] == f"/experiments/{things.experiment}"
    download = site.send("reader", "GET", found["a.txt"])
    assert (download.status, download.body) == (200, CONTENT)
    assert download.headers["content-disposition"].startswith("attachment")
    inside = page(site, "reader", found["folder/"])
    assert links(inside)["artifacts"] == f"/runs/{things.run}"
    assert site.send("reader", "GET", links(inside)["b.txt"]).body == CONTENT
    assert site.send("stranger", "GET", found["a.txt"]).status == 404


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_shown_and_nothing_else(site: Site, name: str) -> None:
    name = f"{name} {secrets.token_hex(4)}"
    experiment = site.call("owner", "experiments/create", {"name": name})["experiment_id"]
    made = {"experiment_id": experiment, "run_name": name, "tags": [{"key": "note", "value": name}]}
    run = site.call("owner", "runs/create", made)["run"]["info"]["run_id"]
    site.call("owner", "runs/log-parameter", {"run_id": run, "key": "p", "value": name})
    file = name.replace("/", "_").replace("\u202e", "")
    upload = f"/api/2.0/mlflow-artifacts/artifacts/{experiment}/{run}/artifacts/{quote(file)}"
    assert site.send("owner", "PUT", upload, CONTENT).status == 200
    start, list_page = page(site, "owner", "/"), page(site, "owner", f"/experiments/{experiment}")
    text = page(site, "owner", f"/runs/{run}")
    for shown in (start, list_page, text):
        assert not re.search(r"<(script(?! nonce=)|img)\b", shown)
    assert cells(start)[0][0] == name
    assert ["p", name] in cells(text)
    assert ["note", name] in cells(text)
    assert site.send("owner", "GET", links(text)[file]).body == CONTENT


def test_long_values_are_shown_whole_on_the_page_of_the_run_and_cut_in_lists(site: Site) -> None:
    value = "x" * 6000
    experiment = site.call("owner", "experiments/create", {"name": f"long {secrets.token_hex(4)}"})
    run = site.call("owner", "runs/create", {**experiment, "run_name": "n" * 5000})["run"]["info"]["run_id"]
    params = [{"key": f"p{number}", "value": value} for number in range(5)]
    metrics = [
        {"key": f"m{n:04}", "value": v, "timestamp": 1, "step": 0} for n, v in enumerate(["NaN", 0.1, 1e300])
    ]
    site.call("owner", "runs/log-batch", {"run_id": run, "params": params, "metrics": metrics})
    text = page(site, "owner", f"/runs/{run}")
    assert ["p4", value] in cells(text)
    assert [row for row in cells(text) if row[0][0] == "m"] == [
        ["m0000", "NaN"],
        ["m0001", "0.1"],
        ["m0002", "1e+300"],
    ]
    shown = page(site, "owner", f"/experiments/{experiment['experiment_id']}")
    assert "x" * 60 in shown
    assert "x" * 61 not in shown
    assert "p3" not in shown


def test_lists_go_on_from_page_to_page(site: Site) -> None:
    experiments = [
        site.call("stranger", "experiments/create", {"name": f"e{number:02}"})["experiment_id"]
        for number in range(52)
    ]
    first = page(site, "stranger", "/")
    second = page(site, "stranger", links(first)["Older experiments"])
    names = [row[0] for row in cells(first) + cells(second)]
    assert [name for name in names if name != "Default"] == [
        f"e{number:02}" for number in reversed(range(52))
    ]
    assert len(cells(first)) == 50
    for number in range(102):
        given = {"experiment_id": experiments[0], "run_name": f"r{number:03}", "start_time": number}
        site.call("stranger", "runs/create", given)
    first = page(site, "stranger", f"/experiments/{experiments[0]}")
    second = page(site, "stranger", links(first)["Older runs"])
    assert [row[0] for row in cells(first) + cells(second)] == [f"r{n:03}" for n in reversed(range(102))]
    found = {
        row[0]: row[3]
        for row in cells(page(site, "stranger", links(page(site, "stranger", "/"))["Older experiments"]))
    }
    assert found["e00"] == "102"


def test_what_is_in_the_trash_says_so(site: Site) -> None:
    experiment = site.call("owner", "experiments/create", {"name": f"t {secrets.token_hex(4)}"})
    run = site.call("owner", "runs/create", experiment)["run"]["info"]["run_id"]
    site.call("owner", "runs/delete", {"run_id": run})
    assert "in the trash" in page(site, "owner", f"/runs/{run}")
    assert "There are no runs." in page(site, "owner", f"/experiments/{experiment['experiment_id']}")
    site.call("owner", "experiments/delete", experiment)
    assert "in the trash" in page(site, "owner", f"/experiments/{experiment['experiment_id']}")


def test_a_run_whose_files_are_elsewhere_is_shown_without_them(site: Site) -> None:
    made = {"name": f"far {secrets.token_hex(4)}", "artifact_location": "s3://elsewhere/x"}
    experiment = site.call("owner", "experiments/create", made)
    run = site.call("owner", "runs/create", experiment)["run"]["info"]["run_id"]
    text = page(site, "owner", f"/runs/{run}")
    assert '<p class="notice">' in text
    assert "Artifacts" in text


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/?page=x", 400),
        ("/?page=%ff", 400),
        ("/experiments/abc", 400),
        ("/experiments/" + "9" * 70, 400),
        ("/experiments/-1", 400),
        ("/experiments/{experiment}?page=x", 400),
        ("/runs/%00", 400),
        ("/runs/%ff", 400),
        ("/runs/" + "a" * 300, 400),
        ("/runs/{run}?path=../x", 200),
        ("/runs/{run}?path=%00", 200),
        ("/runs/{run}?path=nowhere", 200),
        ("/runs/{run}?page=x", 200),
        ("/runs/", 404),
        ("/pages.html", 404),
    ],
)
def test_what_makes_no_sense_is_said_to_make_none(site: Site, things: Things, path: str, status: int) -> None:
    given = path.format(experiment=things.experiment, run=things.run)
    answer = site.send("owner", "GET", given, headers={"Accept": "text/html"})
    assert answer.status == status, answer
    if status == 200:
        assert b'<p class="notice">' in answer.body or b"None." in answer.body


def test_pages_let_nobody_do_anything(site: Site, things: Things) -> None:
    for path in ("/", f"/experiments/{things.experiment}", f"/runs/{things.run}", "/runs/x", "/login"):
        headers = site.send("owner", "GET", path, headers={"Accept": "text/html"}).headers
        policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
        assert policy["default-src"] == "'none'"
        assert policy["frame-ancestors"] == "'none'"
        assert policy["base-uri"] == "'none'"
        assert re.fullmatch(r"'nonce-[\w-]{20,}'", policy["script-src"])
        assert headers["cache-control"] == "no-store"
        assert headers["referrer-policy"] == ("same-origin" if path == "/login" else "no-referrer")
        assert headers["x-content-type-options"] == "nosniff"
    nonces = {page(site, "owner", "/").partition('nonce="')[2].partition('"')[0] for _ in range(3)}
    assert len(nonces) == 3


def test_programs_get_what_they_got_before(site: Site, things: Things) -> None:
    assert site.send("anonymous", "GET", "/").json()["name"] == "Jupyter Tracking"
    for path in (f"/runs/{things.run}", f"/experiments/{things.experiment}"):
        answer = site.send("anonymous", "GET", path)
        assert (answer.status, answer.error_code) == (401, "UNAUTHENTICATED")
    answer = site.send("stranger", "GET", f"/runs/{things.run}")
    assert (answer.status, answer.error_code) == (404, "RESOURCE_DOES_NOT_EXIST")
    answer = site.send("anonymous", "POST", f"{API}/experiments/search", {}, {"Accept": "text/html"})
    assert (answer.status, answer.error_code) == (401, "UNAUTHENTICATED")


def test_browsers_are_sent_to_sign_in(site: Site, things: Things) -> None:
    visitor = Visitor(site.url)
    answer = visitor.get(f"/runs/{things.run}?path=a%20b")
    assert answer.status_code == 302
    assert answer.headers["Location"] == f"/login?next=%2Fruns%2F{things.run}%3Fpath%3Da%2520b"
    start = visitor.get("/")
    assert start.status_code == 200
    assert links(start.text)["Sign in"] == "/login?next=%2F"
    assert '<noscript><meta http-equiv="refresh"' in start.text
    assert things.name not in start.text


def test_style_and_script_are_for_everybody(site: Site) -> None:
    for name, kind in (("pages.css", "text/css"), ("pages.js", "text/javascript")):
        answer = site.send("anonymous", "GET", f"/{name}")
        assert answer.status == 200
        assert answer.headers["content-type"] == f"{kind}; charset=utf-8"


def test_a_server_without_rights_has_no_pages(standalone: Client) -> None:
    for path in ("/runs/abc", "/experiments/0", "/login", "/pages.css"):
        assert standalone.anonymous("GET", path, Accept="text/html").status == 404


@pytest.fixture(params=["known", "stripped"])
def behind(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Visitor]:
    """A browser before an nginx, whose prefix the server knows, or is told."""
    folder, strips = tmp_path / "server", request.param == "stripped"
    prefix = "/services/tracking"
    with start_standalone(folder, auth="users", prefix="" if strips else prefix) as server:
        database = f"sqlite:///{folder / 'tracking.db'}"
        make_user(database, "ann")
        with nginx(tmp_path / "nginx", server, prefix=prefix, strips=strips) as proxy:
            yield Visitor(proxy.url)


def test_all_links_hold_behind_a_proxy(behind: Visitor) -> None:
    origin = "{0.scheme}://{0.netloc}".format(urlsplit(behind.url))
    assert links(behind.get("/").text)["Sign in"] == "/services/tracking/login?next=%2F"
    login = behind.get("/runs/x").headers["Location"]
    assert login == "/services/tracking/login?next=%2Fruns%2Fx"
    answer = behind.sign_in("ann", after="/experiments/1")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/services/tracking/experiments/1")
    assert "Path=/services/tracking;" in answer.headers["Set-Cookie"]
    made = requests.post(
        f"{behind.url}{API}/experiments/create",
        json={"name": "e"},
        headers={"Origin": origin},
        cookies=behind.session.cookies,
        timeout=60,
    )
    assert made.status_code == 200, made.text
    start = behind.get("/")
    assert links(start.text)["e"] == f"/services/tracking/experiments/{made.json()['experiment_id']}"
    for address in (*links(start.text).values(), *re.findall(r'(?:href|src)="(/[^"]+)"', start.text)):
        assert address.startswith("/services/tracking/")
        assert behind.get(origin + address).status_code == 200
