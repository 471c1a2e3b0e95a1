"""What a JupyterHub tells its services by their environment, and what stands in where it says nothing."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from .config import ConfigurationError

__all__ = ["CACHE_SECONDS", "HubEnvironment", "hub_environment"]

CACHE_SECONDS = 30.0
"""For how long the Hub's word on a token is believed, at most."""


@dataclass(frozen=True)
class HubEnvironment:
    """A service of a Hub.

    Attributes:
        name: of the service, as in the Hub's configuration.
        api_url: where the Hub answers services, without a slash at the end.
        api_token: by which the Hub knows this service; never shown.
        prefix: the path before every path of ours, without a slash at the end.
        base_url: the path before the Hub's own paths, with a slash at its end.
        client_id: by which the Hub knows this service when people log in.
        public_host: ``https://host`` where the Hub's pages are on another host than ours; else "".
        host, port: what to listen on; "" and 0 where nothing is said.
        cache_seconds: for how long the Hub's word on a token is believed.
    """

    name: str
    api_url: str
    api_token: str = field(repr=False)
    prefix: str
    base_url: str
    client_id: str
    public_host: str
    host: str
    port: int
    cache_seconds: float

    @property
    def scope(self) -> str:
        """What a token must carry to be let in."""
        return f"access:services!service={self.name}"


def hub_environment(variables: Mapping[str, str] = os.environ) -> HubEnvironment:
    """The service that the variables describe.

    Raises:
        ConfigurationError: one is missing or malformed; the message says where it comes from.
    """
    token, api_url = variables.get("JUPYTERHUB_API_TOKEN", ""), variables.get("JUPYTERHUB_API_URL", "")
    for name, value, example in (
        ("JUPYTERHUB_API_TOKEN", token, "the api_token of the service in jupyterhub_config.py"),
        ("JUPYTERHUB_API_URL", api_url, "such as http://127.0.0.1:8081/hub/api"),
    ):
        if not value:
            raise ConfigurationError(
                f"{name} is not set. A Hub sets it for a service with a command in c.JupyterHub.services; "
                f"for one that runs by itself, set it to what the Hub has: {example}."
            )
    _check_url("JUPYTERHUB_API_URL", api_url)
    service = variables.get("JUPYTERHUB_SERVICE_NAME") or "tracking"
    base_url = variables.get("JUPYTERHUB_BASE_URL") or "/"
    listen = variables.get("JUPYTERHUB_SERVICE_URL", "")
    if listen:
        _check_url("JUPYTERHUB_SERVICE_URL", listen)
    place = urlsplit(listen)
    return HubEnvironment(
        name=service,
        api_url=api_url.rstrip("/"),
        api_token=token,
        prefix=(variables.get("JUPYTERHUB_SERVICE_PREFIX") or f"{base_url}services/{service}").rstrip("/"),
        base_url=base_url,
        client_id=variables.get("JUPYTERHUB_CLIENT_ID") or f"service-{service}",
        public_host=variables.get("JUPYTERHUB_HOST", ""),
        host=place.hostname or "",
        port=place.port or 0,
        cache_seconds=_cache_seconds(variables.get("JUPYTER_TRACKING_HUB_CACHE", "")),
    )


def _check_url(name: str, value: str) -> None:
    try:
        place = urlsplit(value)
        sound = place.scheme in {"http", "https"} and bool(place.hostname) and place.port != 0
    except ValueError:
        sound = False
    if not sound:
        raise ConfigurationError(f"{name} must be an address such as http://127.0.0.1:10101.")


def _cache_seconds(text: str) -> float:
    """Shorter than usual only: what is revoked must not live longer."""
    try:
        seconds = float(text or CACHE_SECONDS)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= CACHE_SECONDS:
        raise ConfigurationError(f"JUPYTER_TRACKING_HUB_CACHE must be between 0 and {CACHE_SECONDS:.0f}.")
    return seconds
