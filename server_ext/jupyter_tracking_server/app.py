"""The embedded server: an extension of Jupyter Server at ``{base_url}tracking/``.

It opens a store (``embedded.py``) or stands for a service elsewhere (``relayed.py``). It serves beside
Jupyter's own handlers, and tells the kernels that this Jupyter starts where it is: through the environment,
with a token that opens nothing else.
"""

from __future__ import annotations

import asyncio
import os

from jupyter_server.extension.application import ExtensionApp
from jupyter_server.serverapp import ServerApp
from jupyter_server.utils import url_path_join

from . import config
from .config import Settings, from_environment
from .embedded import Embedded
from .http.jupyter_handler import add_lane
from .identity import TokenRegistry
from .kernel_env import KernelEnvironment, Listener, find_endpoint, public_endpoint
from .relayed import Relayed
from .runtime_file import RuntimeFile
from .server import Server, user_name
from .service import find_service

__all__ = ["TrackingExtension"]


class TrackingExtension(ExtensionApp):
    """Tracks experiments inside Jupyter Server."""

    name = "jupyter_tracking_server"
    # Each setting is a trait of this class; a class body may write to its locals.
    locals().update(config.traits())

    way: Embedded | Relayed
    tokens: TokenRegistry
    kernel_environment: KernelEnvironment | None = None
    runtime_file: RuntimeFile | None = None

    @property
    def jupyter(self) -> ServerApp:
        """The server that this extends."""
        if self.serverapp is None:
            raise RuntimeError("The extension is not linked to a server.")
        return self.serverapp

    @property
    def server(self) -> Server:
        """The store's services; there are none where this stands for a service elsewhere."""
        if not isinstance(self.way, Embedded):
            raise TypeError("There is no store here.")
        return self.way.server

    def initialize_settings(self) -> None:
        """Open the store, or find the service in its place."""
        given = {item.name: getattr(self, item.name) for item in config.SETTINGS if not item.standalone}
        changed = {name: value for name, value in given.items() if value != getattr(_DEFAULTS, name)}
        environment = {name: value for name, value in from_environment().items() if name in given}
        settings = Settings(**{**environment, **changed})
        service = find_service(settings)
        self.way = Embedded(settings) if service is None else Relayed(settings, service)
        self.tokens = TokenRegistry()
        if service is not None:
            self.log.info("Tracking goes to the service at %s.", service.url)

    def initialize_handlers(self) -> None:
        """Put our routes beside Jupyter's."""
        root = url_path_join(self.jupyter.base_url, "tracking")
        front = self.way.front(self.tokens, root=root, home=_home(self.jupyter))
        add_lane(self.jupyter.web_app, self.way.lane(front))
        self.handlers.extend(
            (f"/tracking{pattern}", handler, kwargs) for pattern, handler, kwargs in self.way.routes(front)
        )

    async def _start_jupyter_server_extension(self, serverapp: ServerApp) -> None:
        """Tell kernels where we are; the port is final only now."""
        _read_hub_token(serverapp)
        await self.way.start()
        if self.way.hidden.names:
            self.log.info(self.way.notice, ", ".join(self.way.hidden.names))
        listener = _listener(serverapp)
        endpoint = await asyncio.to_thread(find_endpoint, listener) if listener else None
        endpoint = endpoint or public_endpoint()
        if endpoint is None:
            self.log.warning(
                "Kernels cannot be told how to reach the tracking server: it listens on a Unix socket, "
                "its certificate does not name this machine, or it wants one of its clients. Set "
                "MLFLOW_TRACKING_URI for them yourself; with internal_ssl of a Hub, c.JupyterHub.public_url."
            )
            return
        url = endpoint.origin + url_path_join(serverapp.base_url, "tracking")
        token = self.tokens.issue(user_name())
        self.kernel_environment = self.way.kernel_environment(url, token, endpoint.certificate)
        self.kernel_environment.set()
        self.runtime_file = RuntimeFile(
            url=url,
            token=token,
            pid=os.getpid(),
            kind="embedded",
            root_dir=serverapp.root_dir,
        )
        self.runtime_file.write()

    async def stop_extension(self) -> None:
        """Take back what kernels were told, and close the store."""
        if self.kernel_environment is not None:
            self.kernel_environment.unset()
        if self.runtime_file is not None:
            self.runtime_file.remove()
        await self.way.stop()


_DEFAULTS = Settings()


def _home(jupyter: ServerApp) -> str:
    """Where people work: what Jupyter opens by default, or Lab if it is there; ``""`` on a bare server."""
    if jupyter.default_url.strip("/") != jupyter.base_url.strip("/"):
        return jupyter.default_url
    lab = jupyter.extension_manager.extensions.get("jupyterlab")
    return url_path_join(jupyter.base_url, "lab") if lab is not None and lab.enabled else ""


def _read_hub_token(jupyter: ServerApp) -> None:
    """Have Jupyter's own part of the Hub read its token, before that leaves the environment."""
    apps = jupyter.extension_manager.extension_apps.values()
    for owner in (jupyter, jupyter.identity_provider, *(app for group in apps for app in group)):
        getattr(getattr(owner, "hub_auth", None), "api_token", None)


def _listener(jupyter: ServerApp) -> Listener | None:
    """What Jupyter listens on; None for a Unix socket, and where clients must show a certificate."""
    if jupyter.sock or jupyter.client_ca:
        return None
    options = jupyter.ssl_options or {}
    return Listener(jupyter.ip, jupyter.port, bool(options), options.get("certfile", ""))
