"""Browsers that sign in with a password: their cookie, how long it is good, what other sites may not do."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from jupyter_tracking_server.http.page import next_page
from jupyter_tracking_server.identity.recollection import TRUST, Recollection
from jupyter_tracking_server.identity.sealed import Seal
from jupyter_tracking_server.identity.sessions import LONGEST, SKEW, Session, SessionCookies
from jupyter_tracking_server.store import memberships, users
from jupyter_tracking_server.store.database import Database, Transaction
from jupyter_tracking_server.store.users import Account
from tests.certificates import make_authority
from tests.http.browsing import PASSWORD, Visitor, make_user, set_password
from tests.http.rights_site import command, start_site
from tests.identity.senders import sender
from tests.servers import Postgres, start_standalone

T = TypeVar("T")
CREATE = "/api/2.0/mlflow/experiments/create"


class Place:
    """A server where users sign in, and its database."""

    def __init__(self, url: str, database: str) -> None:
        self.url = url
        self.database = database

    def visitor(self) -> Visitor:
        """A new browser."""
        return Visitor(self.url)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("sessions")
    database = f"sqlite:///{folder / 'tracking.db'}"
    with start_site(folder) as site:
        set_password(database, "owner")
        yield Place(site.url, database)


@pytest.fixture
def owner(place: Place) -> Visitor:
    visitor = place.visitor()
    assert visitor.sign_in("owner").status_code == 303
    return visitor


def test_a_password_begins_a_session(place: Place) -> None:
    visitor = place.visitor()
    assert visitor.whoami().status_code == 401
    answer = visitor.sign_in("owner", after="/experiments/7%3Fpage=x")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/experiments/7?page=x")
    given = answer.headers["Set-Cookie"]
    for part in ("HttpOnly", "SameSite=Lax", "Path=/;", f"Max-Age={12 * 3600}"):
        assert part in given
    assert "Secure" not in given
    assert "owner" not in given
    who = visitor.whoami().json()
    assert (who["user"], who["how"], who["admin"], who["rights"]) == ("owner", "cookie", False, True)


@pytest.mark.parametrize(
    ("user", "password"), [("owner", "wrong wrong"), ("nobody-here", PASSWORD), ("reader", ""), ("", "")]
)
def test_a_wrong_password_does_not(place: Place, user: str, password: str) -> None:
    visitor = place.visitor()
    answer = visitor.sign_in(user, password, after="/runs/abc")
    assert answer.status_code == 401
    assert 'role="alert"' in answer.text
    assert "MLFLOW" not in answer.text
    assert 'name="next" value="/runs/abc"' in answer.text
    assert visitor.session_cookie == ""


def test_too_many_wrong_passwords_are_told(place: Place) -> None:
    visitor, user = place.visitor(), "<b>flood</b>"
    texts = [visitor.sign_in(user, "wrong wrong").text for _ in range(11)]
    assert "Too many wrong passwords" in texts[-1]
    assert "Too many" not in texts[0]
    assert not any("<b>flood" in text for text in texts)


def test_signing_out_ends_the_session_on_all_replicas(place: Place, owner: Visitor, tmp_path: Path) -> None:
    copy, elsewhere = place.visitor(), place.visitor()
    copy.session.cookies.update(owner.session.cookies)
    elsewhere.sign_in("owner")
    assert copy.whoami().status_code == 200
    answer = owner.post("/logout", owner.fields("/logout"))
    assert answer.status_code == 200
    assert ">owner<" not in answer.text
    assert owner.session_cookie == ""
    assert owner.whoami().status_code == 401
    assert owner.get("/logout").headers["Location"] == "/login?next=%2Flogout"
    assert copy.whoami().status_code == 401
    assert elsewhere.whoami().status_code == 200
    with start_standalone(tmp_path, backend=place.database, auth="users") as replica:
        copy.url = replica.url
        assert copy.whoami().status_code == 401
        elsewhere.url = replica.url
        assert elsewhere.whoami().status_code == 200


def test_who_signed_out_is_in_the_ledger(tmp_path: Path) -> None:
    with start_site(tmp_path) as site:
        set_password(site.database, "owner")
        visitor = Visitor(site.url)
        visitor.sign_in("owner")
        visitor.post("/logout", visitor.fields("/logout"))
        database = site.database
    # What the server still had to write is written when it ends.
    code, printed = command(database, "audit", "--user", "owner", "--json")
    out, into = (json.loads(line) for line in printed.splitlines()[:2])
    assert code == 0
    assert [(one["endpoint"], one["outcome"], one["how"]) for one in (into, out)] == [
        ("login", "ok", "password"),
        ("logout", "ok", "cookie"),
    ]


def test_another_replica_takes_the_session_and_knows_when_the_account_is_gone(
    place: Place, tmp_path: Path
) -> None:
    user = f"user-{secrets.token_hex(4)}"
    make_user(place.database, user)
    command(place.database, "user", "groups", user, "lab")
    visitor = place.visitor()
    visitor.sign_in(user)
    assert visitor.whoami().json()["groups"] == ["lab"]
    with start_standalone(tmp_path, backend=place.database, auth="users") as replica:
        other = Visitor(replica.url)
        other.session.cookies.update(visitor.session.cookies)
        assert other.whoami().json()["user"] == user
    command(place.database, "user", "delete", user)
    with start_standalone(tmp_path, backend=place.database, auth="users") as replica:
        other.url = replica.url
        assert other.whoami().status_code == 401
        assert other.get("/runs/abc").status_code == 302


@pytest.mark.parametrize(
    ("headers", "path", "prefix", "secure"),
    [
        ({}, "/", "", False),
        ({"X_Forwarded_Proto": "https"}, "/", "__Host-", True),
        ({"X_Forwarded_Proto": "https", "X_Forwarded_Prefix": "/ml"}, "/ml", "__Secure-", True),
        ({"X_Forwarded_Prefix": "/ml"}, "/ml", "", False),
    ],
)
def test_the_cookie_is_confined_to_where_the_server_is(
    place: Place, headers: dict[str, str], path: str, prefix: str, secure: bool
) -> None:
    visitor = place.visitor()
    page = visitor.get("/login", **headers)
    visit = page.headers["Set-Cookie"]
    assert visit.startswith(f"{prefix}jupyter-tracking-visit-")
    assert f"Path={path};" in visit
    assert ("Secure" in visit) is secure
    # By hand: it is not sent over http again.
    cookie = visit.partition(";")[0]
    proof = page.text.partition('name="proof" value="')[2].partition('"')[0]
    form = {"proof": proof, "user": "owner", "password": PASSWORD, "next": "/"}
    answer = visitor.post("/login", form, Cookie=cookie, **headers)
    assert (answer.status_code, answer.headers["Location"]) == (303, path.rstrip("/") + "/")
    session = answer.headers["Set-Cookie"]
    assert session.startswith(f"{prefix}jupyter-tracking-session-")
    assert f"Path={path};" in session
    assert ("Secure" in session) is secure
    mine = {"Cookie": session.partition(";")[0], "Accept": "application/json"}
    assert place.visitor().get("/api/2.0/jupyter-tracking/whoami", **mine, **headers).status_code == 200


def test_the_administrator_may_say_where_the_server_is(tmp_path: Path) -> None:
    options = ["--public-url", "https://tracking.example/ml/"]
    with start_standalone(tmp_path, auth="users", options=options) as server:
        page = Visitor(server.url).get("/login", X_Forwarded_Proto="http", X_Forwarded_Prefix="/other")
    assert 'action="/ml/login"' in page.text
    assert page.headers["Set-Cookie"].startswith("__Secure-jupyter-tracking-visit-")
    assert "Path=/ml;" in page.headers["Set-Cookie"]


def test_over_tls_the_cookie_is_this_hosts_alone(tmp_path: Path) -> None:
    authority = make_authority(tmp_path / "ca")
    certificate, key = authority.server()
    options = ["--certfile", str(certificate), "--keyfile", str(key)]
    folder = tmp_path / "server"
    with start_standalone(folder, auth="users", options=options, ca=authority.ca) as server:
        make_user(f"sqlite:///{folder / 'tracking.db'}", "ann")
        visitor = Visitor(server.url)
        visitor.session.verify = str(authority.ca)
        answer = visitor.sign_in("ann")
        assert answer.status_code == 303
        assert answer.headers["Set-Cookie"].startswith("__Host-jupyter-tracking-session-")
        assert "Secure" in answer.headers["Set-Cookie"]
        assert visitor.whoami().json()["user"] == "ann"


def test_over_https_a_cookie_without_its_prefix_is_nothing(owner: Visitor) -> None:
    """Or another host of the domain could set it."""
    assert owner.get("/api/2.0/jupyter-tracking/whoami").status_code == 200
    assert owner.get("/api/2.0/jupyter-tracking/whoami", X_Forwarded_Proto="https").status_code == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": ""}, 403),
        ({"Origin": "{own}"}, 200),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Origin": "{own}", "Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}, 403),
    ],
)
def test_with_a_cookie_only_our_own_pages_change_something(
    place: Place, owner: Visitor, headers: dict[str, str], status: int
) -> None:
    named = {name: value.format(own=place.url) for name, value in headers.items()}
    body = {"name": f"e-{secrets.token_hex(4)}"}
    answer = owner.session.post(place.url + CREATE, json=body, headers=named, timeout=60)
    assert answer.status_code == status, answer.text


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_link_of_another_site_may_be_followed_to_a_page_but_a_script_may_not_read_it(
    owner: Visitor, site: str
) -> None:
    window = {"Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document"}
    assert owner.get("/", Sec_Fetch_Site=site, **window).status_code == 200
    for other in ({**window, "Sec_Fetch_Dest": "iframe"}, {"Sec_Fetch_Mode": "no-cors"}, {}):
        assert owner.get("/", Sec_Fetch_Site=site, **other).status_code == 403


def test_forms_are_taken_only_from_the_browser_that_got_them(place: Place) -> None:
    visitor, other = place.visitor(), place.visitor()
    theirs = other.fields("/login")
    mine = visitor.fields("/login")
    good = {"user": "owner", "password": PASSWORD}
    assert visitor.post("/login", good).status_code == 403
    assert visitor.post("/login", {**good, "proof": theirs["proof"]}).status_code == 403
    assert visitor.post("/login", {**good, **mine}, Origin="http://evil.example").status_code == 403
    assert visitor.post("/login", {**good, **mine}, Sec_Fetch_Site="cross-site").status_code == 403
    assert place.visitor().post("/login", {**good, **mine}).status_code == 403
    assert visitor.session_cookie == ""
    assert visitor.post("/logout", {}).status_code == 403
    assert visitor.post("/login", {**good, **mine}).status_code == 303


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"x" * 20_000, 400),
        (b"&".join([b"a=1"] * 50), 400),
        (b"\xff\xfe", 400),
        (b"", 403),
        (b"proof=\xc3\xa9", 403),
    ],
)
def test_what_is_no_form_is_refused(place: Place, body: bytes, status: int) -> None:
    visitor = place.visitor()
    visitor.get("/login")
    assert visitor.post("/login", body).status_code == status


@pytest.mark.parametrize(
    "after",
    [
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "https://evil.example",
        "javascript:alert(1)",
        "/a\r\nLocation: x",
        "/\t/evil.example",
        "evil",
        "",
        "/é",
        "/" + "a" * 2000,
    ],
)
def test_a_login_leads_nowhere_but_to_pages_of_ours(after: str) -> None:
    assert next_page(after) == "/"


def test_nor_does_the_form(place: Place) -> None:
    visitor = place.visitor()
    fields = visitor.fields("/login?next=https://evil.example")
    assert fields["next"] == "/"
    form = {**fields, "user": "owner", "password": PASSWORD, "next": "//evil.example/x"}
    assert visitor.post("/login", form).headers["Location"] == "/"


@pytest.mark.parametrize(
    "value", ["", "x", "gAAAAABrA", "é", "a" * 5000, '{"user":"admin"}', "gAAAAA" + "A" * 200]
)
def test_a_made_up_cookie_is_no_session(owner: Visitor, value: str) -> None:
    (name,) = [cookie.name for cookie in owner.session.cookies if "-session-" in cookie.name]
    for sent in (f"{name}={value}", f"{name}={owner.session_cookie[:-2]}", f"{name}"):
        answer = Visitor(owner.url).get("/runs/x", Cookie=sent.encode().decode("latin-1"))
        assert (answer.status_code, answer.headers["Location"]) == (302, "/login?next=%2Fruns%2Fx")


class People:
    """A database without threads between."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read(self, work: Callable[[Transaction], T]) -> Awaitable[T]:
        """Run ``work`` at once."""
        with self._database.read() as tx:
            return _given(work(tx))

    def write(self, work: Callable[[Transaction], T]) -> Awaitable[T]:
        """The same."""
        with self._database.write() as tx:
            return _given(work(tx))


async def _given(value: T) -> T:
    return value


@pytest.fixture(params=["sqlite", "postgresql"])
def people(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[People]:
    if request.param == "sqlite":
        uri = f"sqlite:///{tmp_path / 'tracking.db'}"
        postgres = None
    else:
        postgres = request.getfixturevalue("postgres_server")
        assert isinstance(postgres, Postgres)
        uri = postgres.create_database()
    database = Database(uri)
    database.migrate("mlflow-artifacts:")
    yield People(database)
    database.close()
    if postgres is not None:
        postgres.drop_database(uri)


class Clock:
    """A clock that a test sets."""

    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class Book:
    """Sessions on a database, and a clock for all of it."""

    def __init__(self, people: People) -> None:
        self.clock = Clock()
        self.people = people
        seal = Seal(b"secret", "sessions", self.clock)
        remembered = Recollection(clock=self.clock)
        self.sessions = SessionCookies(people, seal, lambda _: "session", remembered)

    def change(self, work: Callable[[Transaction], object]) -> None:
        """Change the database."""
        asyncio.run(_awaited(self.people.write(work)))

    def begin(self, user: str) -> str:
        """The cookie of a new session."""
        return asyncio.run(self.sessions.begin(user))

    def end(self, value: str) -> None:
        """Sign out with the cookie."""
        asyncio.run(self.sessions.end(sender(Cookie=f"session={value}")))

    def known(self, value: str) -> str:
        """The user with the cookie, with groups, and a star if an administrator; "" for nobody."""
        caller = asyncio.run(self.sessions.identify(sender(Cookie=f"other=1; session={value}")))
        return (
            ""
            if caller is None
            else " ".join([caller.user, *sorted(caller.groups), "*" * caller.admin]).strip()
        )


async def _awaited(value: Awaitable[T]) -> T:
    return await value


@pytest.fixture
def book(people: People) -> Book:
    book = Book(people)
    book.change(lambda tx: users.add(tx, Account("ann", "digest", False, 1)))
    return book


def test_what_is_changed_of_an_account_is_seen_soon(book: Book) -> None:
    value = book.begin("ann")
    assert book.known(value) == "ann"
    book.change(lambda tx: memberships.replace(tx, "ann", frozenset({"lab"})))
    book.change(lambda tx: users.set_admin(tx, "ann", True))
    book.clock.now += TRUST
    assert TRUST <= 30
    assert book.known(value) == "ann lab *"
    book.change(lambda tx: users.remove(tx, "ann"))
    book.clock.now += TRUST
    assert book.known(value) == ""


def test_a_new_password_or_a_new_account_of_that_name_ends_sessions(book: Book) -> None:
    value = book.begin("ann")
    book.change(lambda tx: users.set_password(tx, "ann", "another"))
    assert book.known(value) == ""
    value = book.begin("ann")
    assert book.known(value) == "ann"
    book.change(lambda tx: users.remove(tx, "ann"))
    book.change(lambda tx: users.add(tx, Account("ann", "another", True, 2)))
    book.clock.now += TRUST
    assert book.known(value) == ""
    assert book.begin("nobody") == ""


def test_who_signs_out_ends_all_copies_of_the_cookie_and_no_other_session(book: Book) -> None:
    value, other = book.begin("ann"), book.begin("ann")
    # What decodes to the same is the same cookie.
    copies = [value, f"{value[:9]}.{value[9:]}"]
    replica = Book(book.people)
    for copy in copies:
        book.known(copy)
    assert (book.known(value), replica.known(value)) == ("ann", "ann")
    book.end(value)
    assert [book.known(copy) for copy in copies] == ["", ""]
    replica.clock.now += TRUST
    assert [replica.known(copy) for copy in copies] == ["", ""]
    assert (book.known(other), replica.known(other)) == ("ann", "ann")
    book.end(value)
    book.end("no session")


def test_what_is_known_of_ended_sessions_goes_when_they_would_be_over(book: Book) -> None:
    def kept() -> int:
        asked = book.people.read(lambda tx: tx.driver("SELECT id FROM ended_sessions"))
        return len(asyncio.run(_awaited(asked)))

    for _ in range(3):
        book.end(book.begin("ann"))
    assert kept() == 3
    book.clock.now += LONGEST
    book.end(book.begin("ann"))
    # The clock of another replica may be behind.
    assert kept() == 4
    book.clock.now += SKEW
    book.end(book.begin("ann"))
    assert kept() == 2


def test_a_session_lasts_half_a_day(book: Book) -> None:
    value = book.begin("ann")
    book.clock.now += LONGEST - 5
    assert book.known(value) == "ann"
    # Also from what is remembered.
    book.clock.now += 6
    assert book.known(value) == ""


def test_what_was_sealed_for_something_else_is_no_session(book: Book) -> None:
    value = book.begin("ann")
    opened = Seal(b"secret", "sessions", book.clock).open(Session, value, LONGEST)
    assert opened is not None
    assert book.known(Seal(b"secret", "sessions", book.clock).seal(opened[0])) == "ann"
    assert book.known(Seal(b"secret", "logins", book.clock).seal(opened[0])) == ""
    assert book.known(Seal(b"another", "sessions", book.clock).seal(opened[0])) == ""


def test_a_credential_that_is_sent_on_purpose_is_judged_instead(book: Book) -> None:
    value = book.begin("ann")
    assert book.sessions.carries(sender(Cookie=f"session={value}"))
    assert not book.sessions.carries(sender(Cookie=f"session={value}", Authorization="Bearer x"))
    assert not book.sessions.carries(sender(Cookie="session="))
    assert not book.sessions.carries(sender())
