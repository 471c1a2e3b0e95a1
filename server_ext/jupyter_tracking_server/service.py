"""The tracking service elsewhere for which a Jupyter Server stands: where it is, and what proves who asks.

The credential is what this process finds when it starts: under a Hub the server's own token, if the service
is one of the Hub's; else what stock clients read, the ``MLFLOW_TRACKING_*`` variables and
``~/.mlflow/credentials``. It stays in this process.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from jupyter_tracking.client import credentials
from jupyter_tracking.client.credentials import Credentials
from jupyter_tracking.protocol.errors import InvalidParameterValue

from .config import ConfigurationError, Settings
from .kernel_env import MARK

__all__ = ["NO_SERVICE", "Service", "find_service"]

NO_SERVICE = "none"
"""What ``service_uri`` is where a ``MLFLOW_TRACKING_URI`` must not be taken for it."""

_URI = "MLFLOW_TRACKING_URI"
_HUB_TOKENS = ("JUPYTERHUB_API_TOKEN", "JPY_API_TOKEN")
_OURS = (
    "MLFLOW_TRACKING_TOKEN",
    "MLFLOW_TRACKING_USERNAME",
    "MLFLOW_TRACKING_PASSWORD",
    "MLFLOW_TRACKING_CLIENT_CERT_PATH",
    "MLFLOW_TRACKING_SERVER_CERT_PATH",
    "MLFLOW_TRACKING_INSECURE_TLS",
)
_OF_THE_OTHER_JUPYTER = ("MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_SERVER_CERT_PATH")


@dataclass(frozen=True)
class Service:
    """A tracking service.

    Attributes:
        url: its tracking URI, without a slash at the end.
        credentials: what this process sends it.
        kept: the variables that hold them, or that would lead kernels past this process.
        of_hub: whether it is a service of the Hub under which this process runs.
        page: where browsers find it: a path where that is on the host by which they reach this process.
    """

    url: str
    credentials: Credentials = field(repr=False)
    kept: tuple[str, ...] = ()
    of_hub: bool = False
    page: str = ""


def find_service(
    settings: Settings, environment: Mapping[str, str] = os.environ, home: Path | None = None
) -> Service | None:
    """The service that the settings or the environment name; None if there is none.

    Args:
        settings: of this Jupyter Server.
        environment: as it was when this process began.
        home: the folder with ``.mlflow/credentials``; the user's own by default.

    Raises:
        ConfigurationError: its address is malformed, or the variables contradict each other.
    """
    if settings.service_uri == NO_SERVICE:
        return None
    inherited = environment.get(_URI, "") == environment.get(MARK)
    url, name = settings.service_uri, "TrackingExtension.service_uri"
    if not url and not inherited and environment.get(_URI, "").startswith(("http://", "https://")):
        url, name = environment[_URI], _URI
    if not url:
        return None
    url = _checked(url, name)
    if _is_of_hub(url, environment):
        sent = credentials.from_environment(_tls_only(environment), Path(os.devnull))
        token = next(environment[variable] for variable in _HUB_TOKENS if environment.get(variable))
        sent = Credentials(f"Bearer {token}", sent.verify, sent.client_certificate)
        page = f"{url}/" if _has_subdomains(environment) else f"{urlsplit(url).path}/"
        return Service(url, sent, (_URI, *_HUB_TOKENS, *_OURS), of_hub=True, page=page)
    dropped = _OF_THE_OTHER_JUPYTER if inherited else ()
    own = {variable: value for variable, value in environment.items() if variable not in dropped}
    return Service(url, _read(own, home), (_URI, *_OURS), page=f"{url}/")


def _checked(url: str, name: str) -> str:
    try:
        parts = urlsplit(url)
        sound = parts.scheme in {"http", "https"} and parts.hostname and not (parts.query or parts.fragment)
        sound = sound and not any(character.isspace() for character in url) and parts.port != 0
    except ValueError:
        sound = False
    if not sound:
        raise ConfigurationError(f"{name} must be an address such as https://host.example/path, or none.")
    if parts.username is not None:
        raise ConfigurationError(
            f"{name} must not hold a name or password; give them in MLFLOW_TRACKING_USERNAME and "
            "MLFLOW_TRACKING_PASSWORD."
        )
    return url.rstrip("/")


def _is_of_hub(url: str, environment: Mapping[str, str]) -> bool:
    """By its path: the Hub's services are below ``/services/`` of its base URL."""
    root = environment.get("JUPYTERHUB_BASE_URL", "/").rstrip("/") + "/services/"
    under_hub = any(environment.get(variable) for variable in _HUB_TOKENS)
    return under_hub and urlsplit(url).path.startswith(root)


def _has_subdomains(environment: Mapping[str, str]) -> bool:
    """Whether the Hub has a host, and this server another."""
    hub, own = (
        urlsplit(environment.get(name, "")).hostname for name in ("JUPYTERHUB_HOST", "JUPYTERHUB_PUBLIC_URL")
    )
    return bool(hub and own and hub != own)


def _tls_only(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: environment[name] for name in _OURS[3:] if name in environment}


def _read(environment: Mapping[str, str], home: Path | None) -> Credentials:
    try:
        return credentials.from_environment(environment, home)
    except InvalidParameterValue as error:
        raise ConfigurationError(error.message) from None
