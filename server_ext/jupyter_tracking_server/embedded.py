"""Tracking inside Jupyter Server with a store of its own."""

from __future__ import annotations

from .artifact_stores.registry import secrets_of
from .config import Settings
from .hidden_variables import HiddenVariables
from .http.handler import Front
from .http.jupyter_handler import embedded, log_failure
from .http.lane import Lane
from .http.routes import Route, routes
from .identity import TokenAuthenticator, TokenRegistry
from .kernel_env import KernelEnvironment
from .server import Server, user_name

__all__ = ["Embedded"]


class Embedded:
    """Opens the store; its credentials stay with this process.

    Attributes:
        server: the services on it.
        hidden: the variables with its credentials.
    """

    def __init__(self, settings: Settings) -> None:
        self.server = Server(settings, user=user_name())
        self.hidden = HiddenVariables(() if settings.share_store_credentials else secrets_of(settings.store))
        self.notice = (
            "Kernels do not get %s: the tracking server keeps them for its artifact store. "
            "TrackingExtension.share_store_credentials = True would pass them on."
        )

    def front(self, tokens: TokenRegistry, *, root: str, home: str) -> Front:
        """What the handlers share; ``root`` is their path, ``home`` where people work."""
        return Front(self.server, TokenAuthenticator(tokens), root=root, gate=None, home=home)

    def lane(self, front: Front) -> Lane:
        """What serves plain calls before Jupyter's handlers."""
        return Lane(front, log_failure)

    def routes(self, front: Front) -> list[Route]:
        """Every route below the root."""
        return routes(front, embedded)

    async def start(self) -> None:
        """Begin what is done from time to time."""
        self.server.begin_chores()

    def kernel_environment(self, url: str, token: str, certificate: str) -> KernelEnvironment:
        """What kernels are told; ``certificate`` is a file that they must trust, or ""."""
        return KernelEnvironment(url, token, certificate, direct_parts=self.server.signs_urls)

    async def stop(self) -> None:
        """Close the store."""
        self.hidden.give_back()
        await self.server.close()
