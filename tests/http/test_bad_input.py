"""Every field of every call against values that clients should not send: a right answer or a 4xx in shape.

Derived from ``CALLS``, so that a new call is covered by being declared.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from msgspec import inspect as shape

from jupyter_tracking.protocol import CALLS, Call
from tests.http.bad_values import ABSENT, TOO_BIG, cases, fields, good, plain, to_json
from tests.http.conftest import Answer, Client
from tests.http.rights_site import command
from tests.servers import Postgres, start_standalone

FIELDS = [(call, field) for call in CALLS for field in fields(call.request)]
PERMANENT_REFUSALS = {
    "get_presigned_download",
    "get_user_permission",
    "grant_user_permission",
    "revoke_user_permission",
}
"""What a local folder does not do, and rights on what is no experiment: clients expect 501."""


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def client(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, postgres_server: Postgres
) -> Iterator[Client]:
    """An administrator, who may do everything, where users sign in, so that every call is served.

    Both databases: what one takes silently the other may refuse with an error of its own.
    """
    backend = postgres_server.create_database() if request.param == "postgresql" else None
    folder = tmp_path_factory.mktemp("bad-input")
    database = backend or f"sqlite:///{folder / 'tracking.db'}"
    with start_standalone(folder, backend=database, auth="users") as server:
        assert command(database, "user", "create", "root", "--no-password", "--admin")[0] == 0
        code, token = command(database, "token", "create", "--user", "root")
        assert code == 0
        yield Client(replace(server, token=token.strip()))
    if backend:
        postgres_server.drop_database(backend)


@pytest.fixture(scope="module")
def known(client: Client) -> dict[str, Any]:
    """Things that are there, by the name of the field that names them."""
    experiment = client.call("experiments/create", {"name": "bad input"})["experiment_id"]
    run = client.call("runs/create", {"experiment_id": experiment})["run"]["info"]["run_id"]
    model = client.call("logged-models", {"experiment_id": experiment, "name": "m"})
    model_id = model["model"]["info"]["model_id"]
    return {
        "experiment_id": experiment,
        "run_id": run,
        "source_run_id": run,
        "model_id": model_id,
        "artifact_path": f"{experiment}/{run}/artifacts",
        "filter": "",
        "page_token": ABSENT,
        "resource_type": "experiment",
        "resource_id": experiment,
        "order_by": [],
        "experiment_name": "bad input",
        "artifact_location": "",
        "model_json": '{"artifact_path": "m", "flavors": {}, "utc_time_created": "now", "run_id": "r"}',
    }


def whole(call: Call[Any, Any], known: dict[str, Any]) -> dict[str, Any]:
    """A request that is in order, with the fields that it needs."""
    return {
        field.encode_name: value
        for field in fields(call.request)
        if field.required and (value := good(field.type, field.encode_name, known)) is not ABSENT
    }


def send(client: Client, call: Call[Any, Any], request: dict[str, Any]) -> Answer:
    """The request by the call's first verb, with what belongs there in the path and in the query."""
    verb = call.verbs[0]
    path, rest = "/" + call.url_path(), dict(request)
    for field in fields(call.request):
        for placeholder in (f"{{{field.encode_name}}}", f"{{{field.encode_name}...}}"):
            if placeholder in path:
                path = path.replace(placeholder, quote(as_text(rest.pop(field.encode_name, "")), safe=""))
    if verb == "GET":
        pairs = [
            (name, as_text(item))
            for name, value in rest.items()
            for item in (value if isinstance(value, list) else [value])
        ]
        return client.send("GET", f"{path}?{urlencode(pairs, errors='surrogatepass')}")
    return client.send(verb, path, to_json(rest))


def as_text(value: Any) -> str | bytes:
    """A value as a query or path writes it."""
    text = value if isinstance(value, str) else str(value)
    return text.replace(TOO_BIG, "1e400").encode("utf-8", "surrogatepass")


def in_url(call: Call[Any, Any], field: shape.Field) -> bool:
    """Whether a field travels as text in the URL."""
    return call.verbs[0] == "GET" or f"{{{field.encode_name}" in call.path


def check(answer: Answer, call: Call[Any, Any], label: str) -> None:
    """Right, or refused in the protocol's shape; never a failure of ours."""
    if answer.status == 200:
        assert isinstance(answer.json(), dict), label
        return
    code = answer.error_code
    if answer.status == 501:
        assert call.name in PERMANENT_REFUSALS, label
        assert code == "NOT_IMPLEMENTED"
        return
    assert 400 <= answer.status < 500, (label, answer)
    message = answer.json()["message"]
    for innards in ("sqlite", "psycopg", "Traceback", "SELECT ", "INSERT ", "UPDATE "):
        assert innards not in message, (label, message)


@pytest.mark.parametrize(
    ("call", "field"), FIELDS, ids=[f"{call.name}-{field.encode_name}" for call, field in FIELDS]
)
def test_a_field_takes_no_nonsense(
    call: Call[Any, Any], field: shape.Field, known: dict[str, Any], client: Client
) -> None:
    sane = whole(call, known)
    for case in cases(field, known):
        if in_url(call, field) and (
            not isinstance(case.value, str | int | float) or len(str(case.value)) > 40_000
        ):
            continue
        request = {name: value for name, value in sane.items() if name != field.encode_name}
        if case.value is not ABSENT:
            request[field.encode_name] = case.value
        answer = send(client, call, request)
        label = f"{call.name}.{field.encode_name}: {case.label} -> {answer.status} {answer.body[:200]!r}"
        check(answer, call, label)
        # In a URL everything is text, so that a number is a fine name there.
        if case.refused and not (
            in_url(call, field) and isinstance(plain(field.type), shape.StrType | shape.ListType)
        ):
            assert answer.status >= 400, label


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
class TestWholeRequests:
    """What is wrong with a request as a whole."""

    def test_an_unknown_field_changes_nothing(
        self, call: Call[Any, Any], known: dict[str, Any], client: Client
    ) -> None:
        request = {**whole(call, known), "nobody_knows": "x"}
        answer = send(client, call, request)
        check(answer, call, call.name)
        assert b"nobody_knows" not in answer.body

    @pytest.mark.parametrize(
        "body",
        [b"", b"null", b"[]", b"5", b'"text"', b"{", b"\xff\xfe", b"{}" * 2, b"[" * 100_000, b'{"a":' * 5000],
        ids=[
            "empty",
            "null",
            "list",
            "number",
            "text",
            "cut",
            "not utf-8",
            "two",
            "deep list",
            "deep object",
        ],
    )
    def test_a_body_that_is_no_object(self, call: Call[Any, Any], body: bytes, client: Client) -> None:
        path = "/" + call.url_path().split("{")[0] + ("x/x" if "{" in call.path else "")
        check(client.send(call.verbs[0], path, body), call, repr(body[:20]))

    def test_a_query_that_is_not_utf8(self, call: Call[Any, Any], client: Client) -> None:
        path = "/" + call.url_path().split("{")[0] + ("x/x" if "{" in call.path else "")
        check(client.send(call.verbs[0], f"{path}?run_id=%FF&experiment_id=%FF"), call, "not utf-8")


@pytest.fixture(scope="module", autouse=True)
def _the_server_survives(client: Client) -> Any:
    """After all of it, it still works, and its log holds no defect."""
    yield
    client.call("experiments/search", {"max_results": 1})
    assert "Internal error" not in client.server.log.read_text(encoding="utf-8")
