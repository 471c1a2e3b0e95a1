"""Each kind of request by each kind of caller, on both databases, against a real server.

What is refused must change nothing, and what somebody may not know of must look as if it were not there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tornado.web import RequestHandler

from jupyter_tracking.protocol import CALLS
from jupyter_tracking.protocol.call import PREFIXES, VERSIONS
from jupyter_tracking_server.config import Settings
from jupyter_tracking_server.http.call_handler import CallHandler
from jupyter_tracking_server.http.routes import routes
from jupyter_tracking_server.http.sign_in import sign_in
from jupyter_tracking_server.server import Server
from tests.http.conftest import Answer
from tests.http.rights_row import ADMIN, ANYONE, KNOWN, Row
from tests.http.rights_rows import CALL_ROWS, ROUTE_ROWS, ROWS
from tests.http.rights_rows_people import PAGE_ROWS, PEOPLE_ROWS
from tests.http.rights_scene import NOWHERE, PEOPLE, Site, Things, make_things, state

CALLERS = ("anonymous", *PEOPLE)
RANK = {"stranger": 0, "reader": 1, "editor": 2, "owner": 3, "read-only": 3, "admin": 3}
PLACES = [f"/{prefix}/{version}/" for prefix in PREFIXES for version in VERSIONS]
METHODS = ("get", "head", "post", "put", "patch", "delete")


@pytest.fixture(scope="module")
def kept(site: Site) -> Iterator[Things]:
    """Things that nobody changes who may not."""
    things = make_things(site)
    before = state(site, things)
    yield things
    assert state(site, things) == before


def expected(row: Row, who: str) -> int:
    """The status of the reply to a caller."""
    if who in row.but:
        return row.but[who]
    if row.least == ANYONE:
        return row.status
    if who == "anonymous":
        return 401
    if who == "read-only" and (row.writes or row.moves_bytes):
        return 403
    if row.least == KNOWN or who == "admin":
        return row.status
    if row.least == ADMIN:
        return 403
    if who == "stranger":
        return 404
    return row.status if RANK[who] >= RANK[row.least] else 403


def ask(site: Site, row: Row, who: str, things: Things) -> Answer:
    made = row.ask(things)
    return site.send(who, made.verb, made.path, made.body, made.headers)


@pytest.mark.parametrize("who", CALLERS)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_request_is_served_to_whom_it_is_for(row: Row, who: str, site: Site, kept: Things) -> None:
    allowed = expected(row, who) == row.status
    changes = allowed and (row.writes or row.least == ANYONE)
    uploader = who if changes and who in {"editor", "admin"} else "owner"
    things = make_things(site, uploader) if changes or row.prepare else kept
    if row.prepare is not None:
        row.prepare(site, things)
    answer = ask(site, row, who, things)
    assert answer.status == expected(row, who), answer
    if row.shows is not None and allowed:
        assert (row.shows(things) in answer.body.decode()) == (who != "stranger")
    if not allowed and answer.body:
        codes = {401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "RESOURCE_DOES_NOT_EXIST"}
        assert answer.error_code == codes[answer.status]


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row.least not in {ANYONE, KNOWN, ADMIN}], ids=lambda row: row.name
)
def test_what_is_foreign_looks_as_if_it_were_not_there(row: Row, site: Site, kept: Things) -> None:
    foreign, missing = ask(site, row, "stranger", kept), ask(site, row, "stranger", NOWHERE)
    assert foreign.status == missing.status == 404
    assert kept.shown_in(foreign) == NOWHERE.shown_in(missing)
    assert set(foreign.headers) == set(missing.headers)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_the_gate_is_the_same_under_each_prefix_and_version(row: Row, site: Site, kept: Things) -> None:
    made = row.ask(kept)
    for place in PLACES if row.prepare is None else ():
        path = made.path.replace("/api/2.0/", place)
        for who in ("anonymous", "stranger", "read-only"):
            status = expected(row, who)
            if status in {401, 403, 404}:
                assert site.send(who, made.verb, path, made.body, made.headers).status == status, place


@pytest.mark.parametrize("row", [row for row in ROWS if row.shows], ids=lambda row: row.name)
def test_a_list_without_what_is_foreign_is_that_of_nothing(row: Row, site: Site, kept: Things) -> None:
    if row.name != "search_experiments":
        foreign, missing = ask(site, row, "stranger", kept), ask(site, row, "stranger", NOWHERE)
        assert foreign.body == missing.body


def test_each_call_has_a_row() -> None:
    assert {row.name for row in CALL_ROWS + PEOPLE_ROWS} == {call.name for call in CALLS}


def test_each_route_that_is_no_call_has_a_row(tmp_path: Path) -> None:
    settings = Settings(
        auth="users",
        backend_store_uri=f"sqlite:///{tmp_path / 'tracking.db'}",
        artifacts_destination=str(tmp_path),
    )
    nothing: Any = None
    server = Server(settings)
    further = sign_in(settings, server, local=False).routes
    asyncio.run(server.close())
    handlers = [handler for _, handler, _ in [*further, *routes(nothing, lambda handler: handler)]]
    found = {
        f"{handler.__name__}.{method}"
        for handler in handlers
        if handler is not CallHandler
        for method in METHODS
        if getattr(handler, method) is not getattr(RequestHandler, method)
    }
    assert {row.name.split(" ")[0] for row in ROUTE_ROWS + PAGE_ROWS} == found
