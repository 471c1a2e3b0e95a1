"""What a JupyterHub tells its services by their environment, and what stands in where it says nothing."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from .config import ConfigurationError

__all__ = ["CACHE_SECONDS", "HubCertificate", "HubEnvironment", "hub_certificate", "hub_environment"]

CACHE_SECONDS = 30.0
"""For how long the Hub's word on a token is believed, at most."""


@dataclass(frozen=True)
class HubCertificate:
    """What a Hub with ``internal_ssl`` gives each process that it starts: PEM files.

    Attributes:
        certfile, keyfile: of this process, as a server and as a client of the Hub.
        authorities: by which the Hub and its proxy are known.
    """

    certfile: str
    keyfile: str
    authorities: str


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
        public_host: ``https://host`` of the Hub's pages where the Hub says it; else "".
        public_url: our address in browsers, without a slash at the end, where the Hub says it; else "".
        callback: to which the Hub sends browsers back: a path, or an address where we have a host of our own.
        host, port: what to listen on; "" and 0 where nothing is said.
        tls: whether to listen with TLS.
        certificate: with ``internal_ssl``; else None.
        cache_seconds: for how long the Hub's word on a token is believed.
    """

    name: str
    api_url: str
    api_token: str = field(repr=False)
    prefix: str
    base_url: str
    client_id: str
    public_host: str
    public_url: str
    callback: str
    host: str
    port: int
    tls: bool
    certificate: HubCertificate | None
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
    prefix = (variables.get("JUPYTERHUB_SERVICE_PREFIX") or f"{base_url}services/{service}").rstrip("/")
    public_url = variables.get("JUPYTERHUB_PUBLIC_URL", "").rstrip("/")
    if public_url:
        _check_url("JUPYTERHUB_PUBLIC_URL", public_url)
    return HubEnvironment(
        name=service,
        api_url=api_url.rstrip("/"),
        api_token=token,
        prefix=prefix,
        base_url=base_url,
        client_id=variables.get("JUPYTERHUB_CLIENT_ID") or f"service-{service}",
        public_host=variables.get("JUPYTERHUB_HOST", "").rstrip("/"),
        public_url=public_url,
        callback=variables.get("JUPYTERHUB_OAUTH_CALLBACK_URL") or _callback(variables, public_url, prefix),
        host=place.hostname or "",
        port=place.port or 0,
        tls=place.scheme == "https",
        certificate=hub_certificate(variables),
        cache_seconds=_cache_seconds(variables.get("JUPYTER_TRACKING_HUB_CACHE", "")),
    )


def hub_certificate(variables: Mapping[str, str] = os.environ) -> HubCertificate | None:
    """What ``internal_ssl`` gave this process; None without it."""
    files = [variables.get(f"JUPYTERHUB_SSL_{name}", "") for name in ("CERTFILE", "KEYFILE", "CLIENT_CA")]
    return HubCertificate(*files) if all(files) else None


def _callback(variables: Mapping[str, str], public_url: str, prefix: str) -> str:
    """As the Hub has it: an address if we have a host of our own (``subdomain_host``), else a path."""
    hub = urlsplit(variables.get("JUPYTERHUB_HOST", "")).hostname
    apart = hub and public_url and urlsplit(public_url).hostname != hub
    return f"{public_url if apart else prefix}/oauth_callback"


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
