"""`jupyter tracking doctor` beside a real Hub, at the service's end and at a notebook server's."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.hub.conftest import SCOPE, Site
from tests.servers import free_port, jupyter_environment, start_embedded

pytestmark = [pytest.mark.slow]


def doctor(folder: Path, variables: Mapping[str, str], *flags: str) -> tuple[int, str]:
    """Exit code and output."""
    ended = subprocess.run(
        [sys.executable, "-m", "jupyter_tracking_server", "doctor", *flags],
        env={**jupyter_environment(folder), **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "Traceback" not in ended.stderr, ended.stderr
    return ended.returncode, ended.stdout


def of_service(site: Site, **changed: str) -> dict[str, str]:
    """The service's environment, with changes."""
    return {
        "JUPYTERHUB_SERVICE_NAME": "tracking",
        "JUPYTERHUB_API_TOKEN": site.api_token,
        "JUPYTERHUB_API_URL": site.hub.api_url,
        "JUPYTERHUB_SERVICE_URL": site.replicas["quick"].removesuffix("/services/tracking"),
        "MLFLOW_BACKEND_STORE_URI": f"sqlite:///{site.hub.folder / 'tracking.db'}",
        "MLFLOW_ARTIFACTS_DESTINATION": str(site.hub.folder / "artifacts"),
        **changed,
    }


def of_notebook(uri: str, token: str) -> dict[str, str]:
    """The environment of a kernel of jane's."""
    return {
        "JUPYTERHUB_USER": "jane",
        "JUPYTERHUB_SERVICE_PREFIX": "/user/jane/",
        "MLFLOW_TRACKING_URI": uri,
        "MLFLOW_TRACKING_TOKEN": token,
    }


def test_a_service_beside_the_hub_s_path_is_noticed(tmp_path: Path) -> None:
    uri = f"http://127.0.0.1:{free_port()}/services/tracking"
    told = {"JUPYTERHUB_BASE_URL": "/jhub/", "JUPYTER_TRACKING_SERVICE_URI": uri}
    code, said = doctor(tmp_path, {**of_notebook(f"{uri}/none", "any"), **told})
    assert code == 1
    assert f"{uri}, and the services of this Hub are below /jhub/services/." in said
    assert '"…/jhub/services/tracking"' in said


def test_a_good_service_is_good(site: Site, tmp_path: Path) -> None:
    code, said = doctor(tmp_path, of_service(site))
    assert code == 0, said
    assert f"The Hub knows this service as tracking; users' tokens must carry {SCOPE}." in said
    assert f"It answers at {site.replicas['quick']}." in said
    assert "The artifact store" in said
    assert "Its schema is this version's" in said


@pytest.mark.parametrize(
    ("changed", "said", "cure"),
    [
        ({"JUPYTERHUB_API_TOKEN": "wrong"}, "does not know this service's token", '"api_token"'),
        ({"JUPYTERHUB_API_TOKEN": ""}, "JUPYTERHUB_API_TOKEN is not set", "environment of the service"),
        ({"JUPYTERHUB_API_URL": "http://127.0.0.1:9/hub/api"}, "No Hub answers", "c.JupyterHub.hub_ip"),
        ({"JUPYTERHUB_SERVICE_NAME": "other"}, "as the service tracking, not", "JUPYTERHUB_SERVICE_NAME"),
        ({"JUPYTERHUB_SERVICE_PREFIX": "/elsewhere/"}, "Its path is /elsewhere/", "c.JupyterHub.base_url"),
    ],
)
def test_what_is_wrong_at_the_service_is_named(
    site: Site, tmp_path: Path, changed: dict[str, str], said: str, cure: str
) -> None:
    code, text = doctor(tmp_path, of_service(site, **changed), "--hub-service")
    assert code == 1
    bad = text[text.index("BAD") :]
    assert said in bad
    assert cure in bad


def test_a_service_whose_port_is_free_does_not_run(site: Site, tmp_path: Path) -> None:
    port = free_port()
    code, said = doctor(tmp_path, of_service(site, JUPYTERHUB_SERVICE_URL=f"http://127.0.0.1:{port}"))
    assert code == 0
    assert f"It does not answer at http://127.0.0.1:{port}/services/tracking." in said


def test_a_good_notebook_server_is_good(site: Site, tmp_path: Path) -> None:
    token = site.hub.token_of("jane", SCOPE)
    code, said = doctor(tmp_path, of_notebook(site.url, token))
    assert code == 0, said
    assert "The service knows this user as jane." in said
    assert "Groups: lab." in said
    assert "holds no credential of a database or an object store" in said


def test_a_server_without_the_scope_is_told_which_lines_to_change(site: Site, tmp_path: Path) -> None:
    site.hub.spawn("jane")
    token = site.hub.token_of("jane", "access:servers!user=jane")
    code, said = doctor(tmp_path, of_notebook(f"{site.hub.url}/user/jane/tracking", token))
    assert code == 1
    assert f"it lacks the scope {SCOPE}" in said
    assert f'c.JupyterHub.load_roles must give the role "user" the scope {SCOPE}' in said
    assert "c.Spawner.server_token_scopes" in said


@pytest.mark.parametrize(
    ("held", "said", "cure"),
    [
        ({"MLFLOW_TRACKING_URI": ""}, "MLFLOW_TRACKING_URI is not set", "Install jupyter-tracking"),
        (
            {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"},
            "The service does not answer",
            "JUPYTER_TRACKING_SERVICE_URI",
        ),
        ({"MLFLOW_TRACKING_TOKEN": "garbage"}, "does not know this server's token", "Restart this notebook"),
        ({"JUPYTERHUB_USER": "joe"}, "The service takes joe for jane", "MLFLOW_TRACKING_TOKEN"),
        ({"AWS_SECRET_ACCESS_KEY": "k"}, "holds $AWS_SECRET_ACCESS_KEY", "c.Spawner.env_keep"),
    ],
)
def test_what_is_wrong_at_a_notebook_server_is_named(
    site: Site, tmp_path: Path, held: dict[str, str], said: str, cure: str
) -> None:
    variables = {**of_notebook(site.url, site.hub.token_of("jane", SCOPE)), **held}
    code, text = doctor(tmp_path, variables)
    assert code == 1
    bad = text[text.index("BAD") :]
    assert said in bad
    assert cure in bad


def test_a_server_that_keeps_runs_itself_is_told(tmp_path: Path) -> None:
    with start_embedded(tmp_path) as server:
        code, said = doctor(tmp_path, of_notebook(server.url, server.token or ""))
    assert code == 1
    assert 'c.Spawner.environment.update({"JUPYTER_TRACKING_SERVICE_URI"' in said
