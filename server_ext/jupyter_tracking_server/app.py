"""The embedded server: an extension of Jupyter Server at ``{base_url}tracking/``.

It opens the default store, serves beside Jupyter's own handlers, and tells the kernels that this Jupyter
starts where it is: through the environment, with a token that opens nothing else.
"""

from __future__ import annotations

import asyncio
import os

from jupyter_server.extension.application import ExtensionApp
from jupyter_server.serverapp import ServerApp
from jupyter_server.utils import url_path_join

from . import config
from .artifact_stores.registry import secrets_of
from .config import Settings, from_environment
from .hidden_variables import HiddenVariables
from .http.handler import Front
from .http.jupyter_handler import add_lane, embedded
from .http.routes import routes
from .identity import TokenAuthenticator, TokenRegistry
from .kernel_env import KernelEnvironment, Listener, find_endpoint
from .runtime_file import RuntimeFile
from .server import Server, user_name

__all__ = ["TrackingExtension"]


class TrackingExtension(ExtensionApp):
    """Tracks experiments inside Jupyter Server."""

    name = "jupyter_tracking_server"
    # Each setting is a trait of this class; a class body may write to its locals.
    locals().update(config.traits())

    server: Server
    tokens: TokenRegistry
    hidden: HiddenVariables
    kernel_environment: KernelEnvironment | None = None
    runtime_file: RuntimeFile | None = None

    @property
    def jupyter(self) -> ServerApp:
        """The server that this extends."""
        if self.serverapp is None:
            raise RuntimeError("The extension is not linked to a server.")
        return self.serverapp

    def initialize_settings(self) -> None:
        """Open the store."""
        given = {item.name: getattr(self, item.name) for item in config.SETTINGS if not item.standalone}
        changed = {name: value for name, value in given.items() if value != getattr(_DEFAULTS, name)}
        environment = {name: value for name, value in from_environment().items() if name in given}
        settings = Settings(**{**environment, **changed})
        self.server = Server(settings, user=user_name())
        self.hidden = self._hide_credentials(settings)
        self.tokens = TokenRegistry()

    def _hide_credentials(self, settings: Settings) -> HiddenVariables:
        hidden = HiddenVariables(() if settings.share_store_credentials else secrets_of(settings.store))
        if hidden.names:
            self.log.info(
                "Kernels do not get %s: the tracking server keeps them for its artifact store. "
                "TrackingExtension.share_store_credentials = True would pass them on.",
                ", ".join(hidden.names),
            )
        return hidden

    def initialize_handlers(self) -> None:
        """Put our routes beside Jupyter's."""
        front = Front(
            self.server,
            TokenAuthenticator(self.tokens),
            root=url_path_join(self.jupyter.base_url, "tracking"),
            gate=None,
            home=_home(self.jupyter),
        )
        add_lane(self.jupyter.web_app, front)
        self.handlers.extend(
            (f"/tracking{pattern}", handler, kwargs) for pattern, handler, kwargs in routes(front, embedded)
        )

    async def _start_jupyter_server_extension(self, serverapp: ServerApp) -> None:
        """Tell kernels where we are; the port is final only now."""
        self.server.begin_chores()
        listener = _listener(serverapp)
        endpoint = await asyncio.to_thread(find_endpoint, listener) if listener else None
        if endpoint is None:
            self.log.warning(
                "Kernels cannot be told how to reach the tracking server: it listens on a Unix socket, or "
                "its certificate does not name this machine. Set MLFLOW_TRACKING_URI for them yourself."
            )
            return
        url = endpoint.origin + url_path_join(serverapp.base_url, "tracking")
        token = self.tokens.issue(user_name())
        self.kernel_environment = KernelEnvironment(
            url, token, endpoint.certificate, direct_parts=self.server.signs_urls
        )
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
        self.hidden.give_back()
        await self.server.close()


_DEFAULTS = Settings()


def _home(jupyter: ServerApp) -> str:
    """Where people work: what Jupyter opens by default, or Lab if it is there; ``""`` on a bare server."""
    if jupyter.default_url.strip("/") != jupyter.base_url.strip("/"):
        return jupyter.default_url
    lab = jupyter.extension_manager.extensions.get("jupyterlab")
    return url_path_join(jupyter.base_url, "lab") if lab is not None and lab.enabled else ""


def _listener(jupyter: ServerApp) -> Listener | None:
    """What Jupyter listens on; None for a Unix socket."""
    if jupyter.sock:
        return None
    options = jupyter.ssl_options or {}
    return Listener(jupyter.ip, jupyter.port, bool(options), options.get("certfile", ""))
