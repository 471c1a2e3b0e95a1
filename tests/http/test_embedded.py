"""Inside Jupyter Server, under an odd base URL: Jupyter's identity and rules, and a token of our own."""

from __future__ import annotations

import asyncio
import json
import os
import stat
from collections.abc import Awaitable, Callable
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import pytest
from jupyter_server.auth import Authorizer
from jupyter_server.serverapp import ServerApp
from tornado.httpclient import AsyncHTTPClient, HTTPResponse

from jupyter_tracking.protocol import CALLS
from jupyter_tracking_server.app import TrackingExtension

SEARCH = "api/2.0/mlflow/experiments/search"
JSON = {"Content-Type": "application/json"}

Ask = Callable[..., Awaitable[HTTPResponse]]


@pytest.fixture
def ask(jp_serverapp: ServerApp, jp_base_url: str, http_server_client: AsyncHTTPClient) -> Ask:
    """Send a request below the base URL with exactly these headers, and take any status as an answer."""

    async def send(verb: str, path: str, body: object = None, **headers: str) -> HTTPResponse:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        raw = json.dumps(body) if body is not None else None
        return await http_server_client.fetch(
            jp_base_url + path,
            method=verb,
            headers={**(JSON if raw else {}), **given},
            body=raw,
            raise_error=False,
            follow_redirects=False,
            allow_nonstandard_methods=True,
        )

    return send


@pytest.fixture
def bearer(jp_serverapp: ServerApp) -> dict[str, str]:
    """Jupyter's own token."""
    return {"Authorization": f"Bearer {jp_serverapp.identity_provider.token}"}


@pytest.fixture
def extension(jp_serverapp: ServerApp) -> TrackingExtension:
    found = jp_serverapp.extension_manager.extension_points["jupyter_tracking_server"].app
    assert isinstance(found, TrackingExtension)
    return found


@pytest.fixture
def kernel(
    jp_serverapp: ServerApp,
    extension: TrackingExtension,
    jp_asyncio_loop: asyncio.AbstractEventLoop,
    monkeypatch: pytest.MonkeyPatch,
) -> dict[str, str]:
    """The headers of a client in a kernel; pytest-jupyter leaves the start hook to us."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    jp_asyncio_loop.run_until_complete(extension._start_jupyter_server_extension(jp_serverapp))
    return {"Authorization": f"Bearer {os.environ['MLFLOW_TRACKING_TOKEN']}"}


def error_code(answer: HTTPResponse) -> str:
    reply = json.loads(answer.body)
    assert set(reply) == {"error_code", "message"}
    assert answer.headers["Content-Type"] == "application/json"
    code: str = reply["error_code"]
    return code


async def cookies(ask: Ask, token: str) -> dict[str, str]:
    """What a browser holds after it opened Jupyter with the token: the login cookie and the XSRF token."""
    jar: SimpleCookie = SimpleCookie()
    for path in ("login", f"login?token={token}"):
        page = await ask("GET", path, Cookie=_line(jar))
        for line in page.headers.get_list("Set-Cookie"):
            jar.load(line)
    assert any(name.startswith("username-") for name in jar)
    return {"Cookie": _line(jar), "XSRF": jar["_xsrf"].value}


def _line(jar: SimpleCookie) -> str:
    return "; ".join(f"{name}={morsel.value}" for name, morsel in jar.items())


@pytest.mark.parametrize("scheme", ["Bearer", "token"])
async def test_jupyters_token_opens_it(ask: Ask, jp_serverapp: ServerApp, scheme: str) -> None:
    header = f"{scheme} {jp_serverapp.identity_provider.token}"
    answer = await ask("POST", f"tracking/{SEARCH}", {}, Authorization=header)
    assert answer.code == 200
    assert json.loads(answer.body)["experiments"][0]["name"] == "Default"


async def test_nobody_else_gets_in_by_any_call(ask: Ask) -> None:
    for call in CALLS:
        path = "tracking/" + call.url_path().replace("{", "").replace("}", "").replace("...", "")
        for headers in ({}, {"Authorization": "Bearer x"}):
            answer = await ask(call.verbs[0], path, {} if call.verbs[0] != "GET" else None, **headers)
            assert (answer.code, error_code(answer)) == (401, "UNAUTHENTICATED")
            assert "Location" not in answer.headers


async def test_what_needs_no_credential(ask: Ask) -> None:
    assert (await ask("GET", "tracking/health")).body == b"OK"
    assert (await ask("GET", "tracking/version")).code == 200
    assert (await ask("GET", "tracking/api/3.0/mlflow/server-info")).code == 200


async def test_a_kernels_token_opens_tracking_and_nothing_of_jupyters(
    ask: Ask, kernel: dict[str, str]
) -> None:
    made = await ask("POST", "tracking/api/2.0/mlflow/experiments/create", {"name": "k"}, **kernel)
    assert made.code == 200
    for path in ("api/contents", "api/kernels", "api/sessions", "api/me", "api/terminals"):
        assert (await ask("GET", path, **kernel)).code in {401, 403}
    assert (await ask("POST", "api/kernels", {}, **kernel)).code in {401, 403}


async def test_a_kernels_token_ends_with_the_server(
    ask: Ask, kernel: dict[str, str], extension: TrackingExtension
) -> None:
    extension.tokens.revoke(kernel["Authorization"].removeprefix("Bearer "))
    assert (await ask("POST", f"tracking/{SEARCH}", {}, **kernel)).code == 401


async def test_a_token_with_fewer_scopes_does_less(ask: Ask, extension: TrackingExtension) -> None:
    reader = {"Authorization": f"Bearer {extension.tokens.issue('jane', frozenset({'read'}))}"}
    assert (await ask("POST", f"tracking/{SEARCH}", {}, **reader)).code == 200
    made = await ask("POST", "tracking/api/2.0/mlflow/experiments/create", {"name": "x"}, **reader)
    assert (made.code, error_code(made)) == (403, "PERMISSION_DENIED")
    listed = await ask("GET", "tracking/api/2.0/mlflow-artifacts/artifacts", **reader)
    assert (listed.code, error_code(listed)) == (403, "PERMISSION_DENIED")


async def test_kernels_are_told_the_address_and_the_file_says_it_too(
    jp_serverapp: ServerApp, jp_base_url: str, kernel: dict[str, str], jp_runtime_dir: Path
) -> None:
    url = f"http://localhost:{jp_serverapp.port}{jp_base_url}tracking"
    assert os.environ["MLFLOW_TRACKING_URI"] == url
    path = jp_runtime_dir / f"jptracking-{os.getpid()}.json"
    found = json.loads(path.read_text())
    assert found["url"] == url
    assert found["kind"] == "embedded"
    assert found["root_dir"] == jp_serverapp.root_dir
    assert found["token"] != jp_serverapp.identity_provider.token
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_kernels_were_told_is_taken_back(
    kernel: dict[str, str],
    extension: TrackingExtension,
    jp_runtime_dir: Path,
    jp_asyncio_loop: asyncio.AbstractEventLoop,
) -> None:
    jp_asyncio_loop.run_until_complete(extension.stop_extension())
    assert "MLFLOW_TRACKING_URI" not in os.environ
    assert "MLFLOW_TRACKING_TOKEN" not in os.environ
    assert not list(jp_runtime_dir.glob("jptracking-*"))


async def test_a_browser_reads_with_its_cookie_and_writes_with_the_xsrf_token_too(
    ask: Ask, jp_serverapp: ServerApp, http_server_port: tuple[Any, int]
) -> None:
    login = await cookies(ask, jp_serverapp.identity_provider.token)
    cookie, xsrf = {"Cookie": login["Cookie"]}, {"X_XSRFToken": login["XSRF"]}
    assert (
        await ask("GET", "tracking/api/2.0/mlflow/experiments/search?max_results=1", **cookie)
    ).code == 200
    path = "tracking/api/2.0/mlflow/experiments/create"
    refused = await ask("POST", path, {"name": "a"}, **cookie)
    assert (refused.code, error_code(refused)) == (403, "PERMISSION_DENIED")
    assert "X-XSRFToken" in json.loads(refused.body)["message"]
    assert (await ask("POST", path, {"name": "b"}, **cookie, X_XSRFToken="x")).code == 403
    assert (await ask("POST", path, {"name": "c"}, **cookie, **xsrf)).code == 200
    assert (
        await ask("POST", path, {"name": "d"}, **cookie, **xsrf, Sec_Fetch_Site="same-origin")
    ).code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
    ],
)
async def test_a_foreign_page_gets_nothing_from_a_browsers_cookie(
    ask: Ask, jp_serverapp: ServerApp, headers: dict[str, str]
) -> None:
    login = await cookies(ask, jp_serverapp.identity_provider.token)
    mine = {"Cookie": login["Cookie"], "X_XSRFToken": login["XSRF"]}
    for verb, body in (("GET", None), ("POST", {})):
        answer = await ask(verb, f"tracking/{SEARCH}", body, **mine, **headers)
        assert (answer.code, error_code(answer)) == (403, "PERMISSION_DENIED")


@pytest.mark.parametrize("host", ["evil.example", "10.evil.example", "127.0.0.1.evil.example"])
async def test_a_foreign_host_is_refused(ask: Ask, bearer: dict[str, str], host: str) -> None:
    for path in ("tracking/health", f"tracking/{SEARCH}"):
        answer = await ask("GET", path, **bearer, Host=host)
        assert (answer.code, error_code(answer)) == (403, "PERMISSION_DENIED")


@pytest.mark.parametrize(
    "path", ["nothing", "api/2.0/mlflow/nothing", "ajax-api/3.0/mlflow/traces", "graphql", "api/contents"]
)
async def test_an_unlisted_route_is_refused(ask: Ask, bearer: dict[str, str], path: str) -> None:
    for verb in ("GET", "POST", "PUT", "DELETE", "OPTIONS"):
        answer = await ask(verb, f"tracking/{path}", **bearer)
        assert (answer.code, error_code(answer)) == (404, "ENDPOINT_NOT_FOUND")


async def test_the_runs_user_is_the_systems_not_a_random_one(
    ask: Ask, bearer: dict[str, str], kernel: dict[str, str], extension: TrackingExtension
) -> None:
    for credential in (bearer, kernel):
        made = await ask("POST", "tracking/api/2.0/mlflow/runs/create", {"experiment_id": "0"}, **credential)
        assert json.loads(made.body)["run"]["info"]["user_id"] == extension.server.user


async def test_replies_carry_no_permission_for_other_origins(ask: Ask, bearer: dict[str, str]) -> None:
    answer = await ask("POST", f"tracking/{SEARCH}", {}, **bearer, Origin="http://evil.example")
    assert answer.code == 200
    assert "Access-Control-Allow-Origin" not in answer.headers


async def test_the_root_is_a_page_where_there_is_no_lab(ask: Ask) -> None:
    for path in ("tracking", "tracking/"):
        answer = await ask("GET", path, Accept="text/html")
        assert answer.code == 200
        assert b"Jupyter Tracking" in answer.body


async def test_its_things_lie_below_jupyters_data_folder(jp_serverapp: ServerApp, jp_data_dir: Path) -> None:
    assert (jp_data_dir / "tracking" / "tracking.db").exists()
    assert stat.S_IMODE((jp_data_dir / "tracking").stat().st_mode) == 0o700


class ReadOnly(Authorizer):
    """Lets everybody read tracking data, and nothing else."""

    def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:
        del handler, user
        return (action, resource) == ("read", "tracking")


class TestAuthorizer:
    """Jupyter's authorizer is asked, for each call by its own action."""

    @pytest.fixture
    def jp_server_config(self, jp_server_config: Any) -> Any:
        jp_server_config.ServerApp.authorizer_class = ReadOnly
        return jp_server_config

    async def test_it_is_believed(self, ask: Ask, bearer: dict[str, str], kernel: dict[str, str]) -> None:
        for credential in (bearer, kernel):
            assert (await ask("POST", f"tracking/{SEARCH}", {}, **credential)).code == 200
            made = await ask(
                "POST", "tracking/api/2.0/mlflow/experiments/create", {"name": "x"}, **credential
            )
            assert (made.code, error_code(made)) == (403, "PERMISSION_DENIED")
            assert (await ask("POST", f"tracking/{SEARCH}", {}, **credential)).code == 200


class TestAllowedOrigin:
    """Where Jupyter is told of another front end, that origin passes and no other does."""

    @pytest.fixture
    def jp_server_config(self, jp_server_config: Any) -> Any:
        jp_server_config.ServerApp.allow_origin = "https://front.example"
        return jp_server_config

    async def test_it_passes_with_the_xsrf_token(self, ask: Ask, jp_serverapp: ServerApp) -> None:
        login = await cookies(ask, jp_serverapp.identity_provider.token)
        mine = {"Cookie": login["Cookie"], "X_XSRFToken": login["XSRF"], "Sec_Fetch_Site": "cross-site"}
        assert (
            await ask("POST", f"tracking/{SEARCH}", {}, **mine, Origin="https://front.example")
        ).code == 200
        del mine["X_XSRFToken"]
        assert (
            await ask("POST", f"tracking/{SEARCH}", {}, **mine, Origin="https://front.example")
        ).code == 403
        answer = await ask("GET", f"tracking/{SEARCH}", **mine, Origin="https://evil.example")
        assert (answer.code, error_code(answer)) == (403, "PERMISSION_DENIED")


class TestTraits:
    """Settings come from Jupyter's configuration."""

    @pytest.fixture
    def jp_server_config(self, jp_server_config: Any, tmp_path: Path) -> Any:
        jp_server_config.TrackingExtension.backend_store_uri = f"sqlite:///{tmp_path}/own.db"
        jp_server_config.TrackingExtension.default_artifact_root = "s3://bucket"
        return jp_server_config

    async def test_they_are_obeyed(self, ask: Ask, bearer: dict[str, str], tmp_path: Path) -> None:
        await ask("POST", "tracking/api/2.0/mlflow/experiments/create", {"name": "x"}, **bearer)
        path = "tracking/api/2.0/mlflow/experiments/get-by-name?experiment_name=x"
        found = json.loads((await ask("GET", path, **bearer)).body)["experiment"]
        assert found["artifact_location"] == f"s3://bucket/{found['experiment_id']}"
        assert (tmp_path / "own.db").exists()
