"""Signing in at a real OpenID provider, and everything that may be wrong with what comes back from it."""

from __future__ import annotations

import contextlib
import re
import select
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests

from jupyter_tracking_server.config import ConfigurationError, Settings
from jupyter_tracking_server.http.browser_sign_in import SECRET as SECRET_VARIABLE
from jupyter_tracking_server.http.browser_sign_in import browsers
from jupyter_tracking_server.identity.oidc import MOST_WAITING
from jupyter_tracking_server.identity.passwords import Passwords
from jupyter_tracking_server.server import Server
from tests.http.browsing import Visitor, make_user
from tests.http.rights_site import command
from tests.oidc import SECRET, OidcProvider, oidc_provider
from tests.servers import free_port, start_standalone

OPTIONS = ("--oidc-groups-claim", "groups", "--oidc-admin-group", "boss")


class Scene:
    """A provider, and a server whose users sign in there."""

    def __init__(self, url: str, database: str, provider: OidcProvider) -> None:
        self.url = url
        self.database = database
        self.provider = provider

    def visitor(self) -> Visitor:
        """A new browser."""
        return Visitor(self.url)

    def come_back(self, visitor: Visitor, name: str, after: str = "/") -> str:
        """Sign in at the provider; the address to which it sends the browser back."""
        away = visitor.get(f"/login/oidc?next={after}")
        assert away.status_code == 302, away.text
        return self.pass_provider(visitor, away.headers["Location"], name)

    def pass_provider(self, visitor: Visitor, place: str, name: str) -> str:
        """The same, from the address to which our server sent the browser."""
        while not place.startswith(self.url):
            place = self._here(place)
            answer = visitor.get(place)
            if answer.status_code == 200:
                answer = visitor.session.post(place, data={"name": name}, allow_redirects=False, timeout=60)
            assert answer.is_redirect, answer.text
            place = answer.headers["Location"]
        return place

    def _here(self, place: str) -> str:
        return place if place.startswith("http") else self.provider.url + place

    def sign_in(self, name: str, after: str = "/") -> tuple[Visitor, requests.Response]:
        """A new browser in which that user signed in, and the last answer."""
        visitor = self.visitor()
        return visitor, visitor.get(self.come_back(visitor, name, after))


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("oidc")
    port = free_port()
    with oidc_provider(folder / "provider", f"http://127.0.0.1:{port}/login/callback") as provider:
        options = ["--oidc-issuer", provider.url, "--oidc-client-id", "tracking", *OPTIONS]
        variables = {SECRET_VARIABLE: SECRET}
        with start_standalone(
            folder / "server", auth="users", port=port, options=options, variables=variables
        ) as server:
            yield Scene(server.url, f"sqlite:///{folder}/server/tracking.db", provider)


def alert(answer: requests.Response) -> str:
    """What a page says went wrong."""
    assert "Set-Cookie" not in answer.headers or "-session-" not in answer.headers["Set-Cookie"]
    found = re.search(r"<h1>.*?</h1>\s*<p>(.*?)</p>", answer.text, re.DOTALL)
    assert found, answer.text
    return found[1]


def test_the_provider_says_who_it_is(scene: Scene) -> None:
    visitor, answer = scene.sign_in("ann", "/experiments/7")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/experiments/7")
    who = visitor.whoami().json()
    assert (who["user"], who["groups"], who["admin"]) == ("ann", ["boss", "lab"], True)
    visitor, _ = scene.sign_in("bob")
    who = visitor.whoami().json()
    assert (who["user"], who["groups"], who["admin"]) == ("bob", ["lab"], False)


def test_the_form_and_the_provider_stand_side_by_side(scene: Scene) -> None:
    text = scene.visitor().get("/login?next=/runs/x").text
    assert 'type="password"' in text
    assert f"Sign in with <bdi>{urlsplit(scene.provider.url).netloc}</bdi>" in text
    assert 'href="/login/oidc?next=%2Fruns%2Fx"' in text


def test_what_goes_to_the_provider_is_good_for_one_login(scene: Scene) -> None:
    visitor = scene.visitor()
    asked = []
    for _ in range(2):
        place = urlsplit(visitor.get("/login/oidc?next=//evil.example").headers["Location"])
        asked.append({name: values[0] for name, values in parse_qs(place.query).items()})
    first, second = asked
    assert first["code_challenge_method"] == "S256"
    assert first["response_type"] == "code"
    assert first["redirect_uri"] == f"{scene.url}/login/callback"
    assert "evil" not in str(first)
    for name in ("state", "nonce", "code_challenge"):
        assert len(first[name]) >= 32
        assert first[name] != second[name]


def test_two_windows_may_sign_in_at_once(scene: Scene) -> None:
    visitor = scene.visitor()
    first = visitor.get("/login/oidc?next=/runs/1").headers["Location"]
    second = visitor.get("/login/oidc?next=/runs/2").headers["Location"]
    for place, after in ((second, "/runs/2"), (first, "/runs/1")):
        answer = visitor.get(scene.pass_provider(visitor, place, "ann"))
        assert (answer.status_code, answer.headers["Location"]) == (303, after)


@pytest.mark.parametrize("state", ["", "x", "gAAAAABo", None, "theirs"])
def test_only_a_login_that_this_browser_began_ends_here(scene: Scene, state: str | None) -> None:
    visitor, other = scene.visitor(), scene.visitor()
    back = urlsplit(scene.come_back(visitor, "ann"))
    given = {name: values[0] for name, values in parse_qs(back.query).items()}
    if state is None:
        del given["state"]
    elif state == "theirs":
        theirs = urlsplit(other.get("/login/oidc").headers["Location"])
        given["state"] = parse_qs(theirs.query)["state"][0]
    else:
        given["state"] = state
    answer = visitor.get(f"/login/callback?{urlencode(given)}")
    assert answer.status_code == 403
    assert "did not begin this sign-in" in alert(answer)
    # Another browser cannot be made to use what this one got.
    answer = other.get(back.geturl())
    assert answer.status_code == 403
    assert "did not begin this sign-in" in alert(answer)


def test_a_code_is_good_once(scene: Scene) -> None:
    visitor = scene.visitor()
    back = scene.come_back(visitor, "ann")
    assert visitor.get(back).status_code == 303
    answer = visitor.get(back)
    assert answer.status_code == 403
    assert "invalid_grant" in alert(answer)


def test_a_code_of_another_login_does_not_fit(scene: Scene) -> None:
    """Its PKCE verifier is another."""
    visitor = scene.visitor()
    first, second = (parse_qs(urlsplit(scene.come_back(visitor, "ann")).query) for _ in range(2))
    given = urlencode({"state": first["state"][0], "code": second["code"][0]})
    answer = visitor.get(f"/login/callback?{given}")
    assert answer.status_code == 403
    assert "invalid_grant" in alert(answer)


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({"nonce": "another"}, "nonce"),
        ({"nonce": None}, "nonce"),
        ({"aud": "other"}, "aud"),
        ({"aud": ["tracking", "other"], "azp": "other"}, "azp"),
        ({"iss": "http://evil.example"}, "iss"),
        ({"exp": int(time.time()) - 60}, "exp"),
        ({"at_hash": "AAAA"}, "at_hash"),
        ({"sub": "bob"}, "another user"),
    ],
)
def test_an_id_token_must_be_for_us_and_this_login(
    scene: Scene, claims: dict[str, object], said: str
) -> None:
    scene.provider.tamper(**claims)
    try:
        visitor, answer = scene.sign_in("ann")
    finally:
        scene.provider.tamper()
    assert answer.status_code == 403
    assert said in alert(answer)
    assert visitor.whoami().status_code == 401


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"error": "access_denied"}, "access_denied"),
        ({"error": "<script>alert(1)</script>"}, "&lt;script&gt;"),
        ({"iss": "http://evil.example", "code": "x"}, "Another sign-in service"),
        ({}, "invalid_re"),
        ({"code": "x"}, "invalid_grant"),
    ],
)
def test_what_else_may_come_back_is_told(scene: Scene, query: dict[str, str], said: str) -> None:
    visitor = scene.visitor()
    state = parse_qs(urlsplit(visitor.get("/login/oidc").headers["Location"]).query)["state"][0]
    answer = visitor.get(f"/login/callback?{urlencode({**query, 'state': state})}")
    assert answer.status_code == 403
    assert said in alert(answer)
    assert "<script>" not in answer.text


def test_a_user_without_a_usable_name_is_told_so(scene: Scene) -> None:
    _, answer = scene.sign_in("no-name")
    assert answer.status_code == 403
    assert "--oidc-user-claim" in alert(answer)


def test_signing_out_ends_copies_of_the_cookie(scene: Scene) -> None:
    visitor, _ = scene.sign_in("ann")
    copy = scene.visitor()
    copy.session.cookies.update(visitor.session.cookies)
    assert copy.whoami().json()["how"] == "cookie"
    assert visitor.post("/logout", visitor.fields("/logout")).status_code == 200
    assert copy.whoami().status_code == 401


def test_an_account_with_a_password_is_nobody_elses(scene: Scene) -> None:
    make_user(scene.database, "carol")
    scene.provider.tamper(preferred_username="carol")
    try:
        visitor, answer = scene.sign_in("ann")
    finally:
        scene.provider.tamper()
    assert answer.status_code == 403
    assert "has a password on this server" in alert(answer)
    assert visitor.sign_in("carol").status_code == 303


def test_what_the_provider_says_is_renewed_at_each_login(scene: Scene) -> None:
    scene.provider.tamper(preferred_username="dora", groups=["lab", "boss", 7, ""])
    try:
        visitor, _ = scene.sign_in("ann")
        assert visitor.whoami().json()["groups"] == ["boss", "lab"]
        _, token = command(scene.database, "token", "create", "--user", "dora")
        scene.provider.tamper(preferred_username="dora", groups="guests")
        visitor, _ = scene.sign_in("ann")
    finally:
        scene.provider.tamper()
    who = visitor.whoami().json()
    assert (who["user"], who["groups"], who["admin"]) == ("dora", ["guests"], False)
    program = Visitor(scene.url)
    program.session.headers["Authorization"] = f"Bearer {token.strip()}"
    assert program.whoami().json()["groups"] == ["guests"]


@pytest.mark.parametrize(
    ("client", "options", "status", "said"),
    [
        ("public", ["--oidc-only"], 303, ""),
        ("tracking", ["--oidc-user-claim", "email"], 303, ""),
        ("tracking", ["--oidc-client-secret-file", "wrong"], 403, "invalid_client"),
    ],
)
def test_clients_of_other_kinds(
    client: str, options: list[str], status: int, said: str, tmp_path: Path
) -> None:
    port = free_port()
    secret = tmp_path / "wrong"
    secret.write_text("wrong\n")
    options = [str(secret) if option == "wrong" else option for option in options]
    variables = {} if client == "public" else {SECRET_VARIABLE: SECRET}
    with oidc_provider(tmp_path / "provider", f"http://127.0.0.1:{port}/ml/login/callback") as provider:
        common = ["--oidc-issuer", provider.url, "--oidc-client-id", client, *options]
        with start_standalone(
            tmp_path / "server", auth="users", port=port, prefix="/ml", options=common, variables=variables
        ) as server:
            scene = Scene(server.url, "", provider)
            visitor = scene.visitor()
            if "--oidc-only" in options:
                assert (
                    visitor.get("/login?next=/runs/x").headers["Location"]
                    == "/ml/login/oidc?next=%2Fruns%2Fx"
                )
                assert visitor.sign_in("ann").status_code in {403, 404}
            answer = visitor.get(scene.come_back(visitor, "ann"))
            assert answer.status_code == status
            if said:
                assert said in alert(answer)
                return
            expected = "ann@example.org" if "email" in options else "ann"
            assert visitor.whoami().json()["user"] == expected
            if "email" in options:
                _, answer = scene.sign_in("bob")
                assert (answer.status_code, "not verified" in alert(answer)) == (403, True)
            # Who is on the way when the provider goes is told, and may try again.
            waiting = scene.visitor()
            back = scene.come_back(waiting, "ann")
            provider.stop()
            answer = waiting.get(back)
            assert answer.status_code == 503
            assert "does not answer" in alert(answer)
            assert answer.headers["Retry-After"]
            assert visitor.whoami().status_code == 200


def test_a_provider_that_is_away_at_first_is_found_later(tmp_path: Path) -> None:
    issuer = f"http://127.0.0.1:{free_port()}"
    options = ["--oidc-issuer", issuer, "--oidc-client-id", "tracking"]
    with start_standalone(tmp_path, auth="users", options=options) as server:
        answer = Visitor(server.url).get("/login/oidc")
        assert answer.status_code == 503
        assert urlsplit(issuer).netloc in alert(answer)
        assert Visitor(server.url).get("/login/oidc", Accept="application/json").json()["error_code"] == (
            "TEMPORARILY_UNAVAILABLE"
        )


def test_a_provider_that_hangs_holds_up_nobody_else(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, contextlib.ExitStack() as stack:
        issuer = f"http://127.0.0.1:{silent.getsockname()[1]}"
        options = ["--oidc-issuer", issuer, "--oidc-client-id", "tracking", "--drain-timeout", "0"]
        with start_standalone(tmp_path, auth="users", options=options) as server:
            place = urlsplit(server.url)
            waiting = []
            for _ in range(MOST_WAITING + 1):
                one = stack.enter_context(
                    socket.create_connection((place.hostname or "", place.port or 0), 60)
                )
                one.sendall(f"GET /login/oidc HTTP/1.1\r\nHost: {place.netloc}\r\n\r\n".encode())
                waiting.append(one)
            (told, *_), _, _ = select.select(waiting, [], [], 60)
            answer = told.recv(65_536)
            assert b"503" in answer
            assert b"Too many wait" in answer
            assert Visitor(server.url).get("/login").status_code == 200
            server.kill()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"oidc_client_id": "x"}, "need --oidc-issuer"),
        ({"oidc_only": True}, "need --oidc-issuer"),
        ({"oidc_issuer": "https://id.example"}, "needs --oidc-client-id"),
        ({"oidc_issuer": "http://id.example", "oidc_client_id": "x"}, "https://"),
        ({"oidc_issuer": "id.example", "oidc_client_id": "x"}, "https://"),
        (
            {"oidc_issuer": "https://id.example", "oidc_client_id": "x", "oidc_admin_group": "boss"},
            "--oidc-groups-claim",
        ),
        (
            {
                "oidc_issuer": "https://id.example",
                "oidc_client_id": "x",
                "oidc_client_secret_file": "/no/file",
            },
            "--oidc-client-secret-file",
        ),
    ],
)
def test_settings_that_lack_something_are_refused(
    given: dict[str, str | bool], said: str, tmp_path: Path
) -> None:
    settings = Settings(
        backend_store_uri=f"sqlite:///{tmp_path / 'tracking.db'}",
        artifacts_destination=str(tmp_path / "artifacts"),
        auth="users",
        **given,  # type: ignore[arg-type]  # of settings of several types
    )
    server = Server(settings)
    with pytest.raises(ConfigurationError, match=said):
        browsers(settings, server, Passwords(server))
    _close(server)


def _close(server: Server) -> None:
    import asyncio

    asyncio.run(server.close())
