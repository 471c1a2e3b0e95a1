"""``jupyter tracking hub-service``: the server as a service of a JupyterHub, for all of its users."""

from __future__ import annotations

import argparse
import asyncio
import logging
from typing import TYPE_CHECKING

from ..config import SETTINGS, ConfigurationError, Settings
from ..hub_environment import HubEnvironment, hub_environment
from .flags import add_flags, settings_of

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

__all__ = ["add_command"]

_DECIDED = ("auth", "static_prefix", "insecure", "token_file", "client_", "proxy_", "trusted_", "oidc_")
"""What the names of settings begin with that the Hub decides, or that are of other ways to sign in."""


def add_command(commands: Commands) -> None:
    """Add the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "hub-service",
        help="serve the users of a JupyterHub, as one of its services",
        description="Serve the tracking API and the artifact proxy to the users of a JupyterHub. What the "
        "Hub tells its services in JUPYTERHUB_* says where to listen and how to ask the Hub; for a service "
        "that the Hub does not start itself, set JUPYTERHUB_API_TOKEN, JUPYTERHUB_API_URL, and "
        "JUPYTERHUB_SERVICE_NAME if it is not 'tracking'.",
    )
    add_flags(parser, [item.name for item in SETTINGS if not item.name.startswith(_DECIDED)])
    parser.set_defaults(run=_run)


def _run(given: argparse.Namespace) -> int:
    surroundings = hub_environment()
    given.auth, given.static_prefix = "hub", surroundings.prefix
    certificate = surroundings.certificate if surroundings.tls else None
    said = {
        "host": surroundings.host,
        "port": surroundings.port,
        # What the Hub's configuration says that people use.
        "public_url": surroundings.public_url,
        # Who asks is known by tokens: other clients than the Hub's proxy need no certificate.
        "certfile": certificate.certfile if certificate else "",
        "keyfile": certificate.keyfile if certificate else "",
        # Requests come by the Hub's name. A page that gives its own name this address gets nowhere: the
        # browser has no cookie for that name, and without a credential nothing is served.
        "allowed_hosts": "*",
    }
    own_certificate = "certfile" in vars(given)
    for name, value in said.items():
        if value and name not in vars(given) and not (name == "keyfile" and own_certificate):
            setattr(given, name, value)
    settings = settings_of(given)
    _check_tls(surroundings, settings)
    if not settings.port:
        raise ConfigurationError(
            "The Hub's proxy must know the port: set url of the service in jupyterhub_config.py, or --port."
        )
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.WARNING)
    # Imported here: help and mistakes in flags need no server.
    from ..http.standalone import Mode, serve  # noqa: PLC0415 - see above

    asyncio.run(serve(settings, Mode(announced=False)))
    return 0


def _check_tls(surroundings: HubEnvironment, settings: Settings) -> None:
    """Whether we can speak as the Hub's proxy will.

    Raises:
        ConfigurationError: it will speak TLS, and there is no certificate.
    """
    if surroundings.tls and not settings.certfile:
        raise ConfigurationError(
            "JUPYTERHUB_SERVICE_URL begins with https://, and there is no certificate: set "
            "c.JupyterHub.internal_ssl, by which the Hub gives one, or --certfile and --keyfile."
        )
