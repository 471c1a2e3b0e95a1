"""The set-up beside a JupyterHub, from both ends: the service's, and that of a user's notebook server.

Each cure names the line of ``jupyterhub_config.py`` that is to be changed.
"""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from http.client import HTTPException
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from ..artifact_stores.registry import KINDS
from ..config import ConfigurationError
from ..hub_environment import HubEnvironment, hub_environment
from .findings import Finding, bad, look, ok

__all__ = ["check_notebook", "check_service", "is_notebook", "is_service"]

PATIENCE = 10.0
OLDEST = 5
SERVICE_URI = "JUPYTER_TRACKING_SERVICE_URI"
_SPAWNER = f'c.Spawner.environment.update({{"{SERVICE_URI}": "…/services/tracking"}})'
_ROLES = (
    'c.JupyterHub.load_roles must give the role "user" the scope {scope}, and c.Spawner.server_token_scopes '
    "must hold it, too; then restart the Hub, and this notebook server."
)


class _Answer(NamedTuple):
    """``status`` is 0, and ``said`` the reason, where nobody answers."""

    status: int
    said: Any

    @property
    def message(self) -> str:
        said = self.said.get("message", "") if isinstance(self.said, dict) else self.said
        return str(said)[:500]


def is_service(variables: Mapping[str, str]) -> bool:
    """Whether this process has the environment of a Hub's service."""
    return bool(variables.get("JUPYTERHUB_SERVICE_NAME")) and not is_notebook(variables)


def is_notebook(variables: Mapping[str, str]) -> bool:
    """Whether this process belongs to a notebook server that a Hub started."""
    return bool(variables.get("JUPYTERHUB_USER"))


def check_service(variables: Mapping[str, str]) -> Iterator[Finding]:
    """What the Hub tells the service, and whether it knows it."""
    try:
        surroundings = hub_environment(variables)
    except ConfigurationError as error:
        yield bad(str(error), "Run this with the environment of the service.")
        return
    try:
        trust = _trust(surroundings)
    except OSError as error:
        yield bad(
            f"The files of JUPYTERHUB_SSL_* cannot be used: {error}.",
            "Set c.JupyterHub.internal_certs_location to an absolute path that the service can read.",
        )
        return
    hub = _ask(surroundings.api_url, trust=trust)
    if hub.status != 200 or not isinstance(hub.said, dict):
        yield bad(
            f"No Hub answers at {surroundings.api_url}: {hub.message or hub.status}.",
            "Check JUPYTERHUB_API_URL, and that c.JupyterHub.hub_ip can be reached from here.",
        )
        return
    version = str(hub.said.get("version", ""))
    if version.partition(".")[0].isdecimal() and int(version.partition(".")[0]) >= OLDEST:
        yield ok(f"JupyterHub {version} answers at {surroundings.api_url}.")
    else:
        yield look(
            f"The Hub says that it is version {version!r}.", "This is made for JupyterHub 5 and later."
        )
    yield _own_token(surroundings, trust)
    yield from _place(surroundings)


def _trust(surroundings: HubEnvironment) -> ssl.SSLContext | None:
    """How a Hub with ``internal_ssl`` is asked."""
    files = surroundings.certificate
    if files is None:
        return None
    made = ssl.create_default_context(cafile=files.authorities)
    made.load_cert_chain(files.certfile, files.keyfile)
    return made


def _own_token(surroundings: HubEnvironment, trust: ssl.SSLContext | None) -> Finding:
    """Users' names, groups and rights come with their own tokens; the service's needs no scope for that."""
    known = _ask(f"{surroundings.api_url}/user", surroundings.api_token, trust)
    if known.status != 200 or not isinstance(known.said, dict):
        return bad(
            f"The Hub does not know this service's token (it answers {known.status}).",
            'Put the same "api_token" into the entry of c.JupyterHub.services and into JUPYTERHUB_API_TOKEN.',
        )
    kind, name = known.said.get("kind"), known.said.get("name")
    if (kind, name) != ("service", surroundings.name):
        return bad(
            f"The Hub knows this service's token as the {kind} {name}, not as the service "
            f"{surroundings.name}.",
            f'Set "name" in the entry of c.JupyterHub.services, or JUPYTERHUB_SERVICE_NAME={name}.',
        )
    return ok(f"The Hub knows this service as {name}; users' tokens must carry {surroundings.scope}.")


def _place(surroundings: HubEnvironment) -> Iterator[Finding]:
    expected = f"{surroundings.base_url}services/{surroundings.name}"
    if surroundings.prefix == expected:
        yield ok(f"Its path is {surroundings.prefix}/.")
    else:
        yield bad(
            f"Its path is {surroundings.prefix}/, but the Hub's proxy leads {expected}/ to it.",
            "Unset JUPYTERHUB_SERVICE_PREFIX, or set JUPYTERHUB_BASE_URL to c.JupyterHub.base_url.",
        )
    if not surroundings.port:
        yield look(
            "Nothing says where the service listens.",
            'Set "url" in the entry of c.JupyterHub.services, or start it with --host and --port.',
        )
        return
    host = f"[{surroundings.host}]" if ":" in surroundings.host else surroundings.host
    url = f"{'https' if surroundings.tls else 'http'}://{host}:{surroundings.port}{surroundings.prefix}"
    own = None
    if surroundings.tls and surroundings.certificate is not None:
        # It is signed for the Hub's proxy, by an authority that nobody else trusts: ours is this very one.
        own = ssl.create_default_context(cafile=surroundings.certificate.certfile)
        own.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if _ask(f"{url}/health", trust=own).status == 200:
        yield ok(f"It answers at {url}.")
    else:
        yield look(f"It does not answer at {url}.", "Start it: jupyter tracking hub-service")


def check_notebook(variables: Mapping[str, str]) -> Iterator[Finding]:
    """What kernels and terminals of a notebook server reach, as whom, and what they hold."""
    user = variables["JUPYTERHUB_USER"]
    uri, token = variables.get("MLFLOW_TRACKING_URI", ""), variables.get("MLFLOW_TRACKING_TOKEN", "")
    yield from _below_the_hub(variables)
    if urlsplit(uri).scheme not in {"http", "https"}:
        yield bad(
            "Nothing tells kernels where to track: MLFLOW_TRACKING_URI is not set.",
            "Install jupyter-tracking where notebook servers run, and look into this server's log.",
        )
    else:
        yield _way(uri, variables)
        yield from _identity(uri, token, user)
    yield from _held(variables)


def _below_the_hub(variables: Mapping[str, str]) -> Iterator[Finding]:
    """A service of another path gets no token of this Hub."""
    uri, services = variables.get(SERVICE_URI, ""), f"{variables.get('JUPYTERHUB_BASE_URL', '/')}services/"
    path = urlsplit(uri).path
    if path.startswith("/services/") and not path.startswith(services):
        yield look(
            f"{SERVICE_URI} is {uri}, and the services of this Hub are below {services}.",
            f"If that is one of them: {_SPAWNER.replace('/services/', services)}",
        )


def _way(uri: str, variables: Mapping[str, str]) -> Finding:
    own = f"{variables.get('JUPYTERHUB_SERVICE_PREFIX', '/')}tracking"
    if urlsplit(uri).path.rstrip("/") == own:
        return ok(f"Kernels track through this notebook server: {uri}")
    return ok(f"Kernels track straight to {uri}")


def _identity(uri: str, token: str, user: str) -> Iterator[Finding]:
    health = _ask(f"{uri}/health", token)
    answer = _ask(f"{uri}/api/2.0/jupyter-tracking/whoami", token)
    if answer.status == 0 or answer.status in {502, 503, 504} or health.status == 0:
        yield bad(
            f"The service does not answer: {answer.message or health.message}",
            'Check "url" and "command" of the service in c.JupyterHub.services, and that the address in '
            f"{_SPAWNER} can be reached from here.",
        )
    elif answer.status == 401:
        yield bad(
            f"The Hub does not know this server's token: {answer.message}", "Restart this notebook server."
        )
    elif answer.status == 403:
        scope = next((word.strip(".;,") for word in answer.message.split() if word.startswith("access:")), "")
        cure = _ROLES.format(scope=scope or "access:services!service=tracking")
        yield bad(f"The service does not let this server in: {answer.message}", cure)
    elif answer.status != 200 or not isinstance(answer.said, dict):
        yield bad(
            f"The service does not say who this is (it answers {answer.status}).",
            "Is it of this version? Its log says more.",
        )
    elif not answer.said.get("rights"):
        yield bad("This notebook server keeps runs by itself; the service gets none.", f"Add: {_SPAWNER}")
    else:
        yield from _known(answer.said, user)


def _known(said: Mapping[str, Any], user: str) -> Iterator[Finding]:
    name, groups = said.get("user"), said.get("groups") or []
    if name != user:
        yield bad(f"The service takes {user} for {name}.", "Unset MLFLOW_TRACKING_TOKEN for this server.")
        return
    rank = ", an administrator" if said.get("admin") else ""
    yield ok(f"The service knows this user as {name}{rank}.")
    if groups:
        yield ok(f"Groups: {', '.join(groups)}.")
    else:
        yield look(
            "This user is in no group of the Hub.", "If that is not meant so, see c.JupyterHub.load_groups."
        )


def _held(variables: Mapping[str, str]) -> Iterator[Finding]:
    """Credentials that belong to the service or the server alone."""
    known = {name for kind in KINDS.values() for name in kind.secrets}
    # Those of a tracking server are what a kernel is to have.
    names = sorted(name for name in known if variables.get(name) and not name.startswith("MLFLOW_TRACKING_"))
    if "@" in variables.get("MLFLOW_BACKEND_STORE_URI", ""):
        names.append("MLFLOW_BACKEND_STORE_URI")
    if names:
        yield bad(
            f"This process holds ${', $'.join(names)}.",
            "Take them out of c.Spawner.environment and c.Spawner.env_keep: the service alone needs them.",
        )
    else:
        yield ok("This process holds no credential of a database or an object store.")
    if variables.get("JUPYTERHUB_API_TOKEN"):
        yield look(
            "This process holds the notebook server's own token of the Hub.",
            "Kernels do not get it where the server relays; this may be the server itself.",
        )


def _ask(url: str, token: str = "", trust: ssl.SSLContext | None = None) -> _Answer:
    request = urllib.request.Request(  # noqa: S310 - its scheme has been looked at
        url, headers={"Authorization": f"Bearer {token}"} if token else {}
    )
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE, context=trust) as reply:  # noqa: S310 - the same
            return _Answer(reply.status, _read(reply.read(2**20)))
    except urllib.error.HTTPError as error:
        with error:
            return _Answer(error.code, _read(error.read(2**20)))
    except (OSError, HTTPException) as error:
        return _Answer(0, str(error.reason if isinstance(error, urllib.error.URLError) else error))


def _read(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return ""
