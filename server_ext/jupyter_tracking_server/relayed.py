"""Tracking inside Jupyter Server for a service elsewhere: no store here, and all requests go there."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from .config import Settings
from .direct_access import DirectAccess
from .hidden_variables import HiddenVariables
from .http.handler import Front
from .http.jupyter_handler import embedded, log_failure
from .http.relay import relay_routes
from .http.relay_lane import RelayLane
from .http.relay_upstream import Upstream
from .http.routes import Route
from .identity import Chain, TokenAuthenticator, TokenRegistry
from .identity.own_basic import OwnBasicAuthenticator
from .journal import open_journal
from .kernel_env import KernelEnvironment
from .metrics import Metrics
from .observer import Observer
from .server import user_name
from .service import Service

if TYPE_CHECKING:
    from .server import Server

__all__ = ["Relayed"]


class Host:
    """What a relay's handlers know of their server; the services of a ``Server`` are elsewhere.

    Attributes:
        user: who works in this Jupyter.
        observer: told of each request.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.user = user_name()
        self.observer = Observer(
            Metrics(),
            open_journal(settings.access_log, "--access-log"),
            open_journal(settings.audit_log, "--audit-log"),
        )


class Relayed:
    """Stands for a service.

    Attributes:
        server: what handlers know of this side.
        hidden: the variables with its credentials.
    """

    notice = (
        "Kernels do not get %s: the tracking server keeps them for its service. "
        "TrackingExtension.share_service_credentials = True would pass them on."
    )

    def __init__(self, settings: Settings, service: Service) -> None:
        self.service = service
        self.server = Host(settings)
        self.upstream = Upstream(service)
        direct = settings.service_access == "direct"
        self._direct = DirectAccess(service, settings.service_token_lifetime) if direct else None
        self.hidden = HiddenVariables(())

    def front(self, tokens: TokenRegistry, *, root: str, home: str) -> Front:
        """What the handlers share; ``root`` is their path, ``home`` where people work."""
        # Handlers that would ask it for more than a Host has are not among the routes.
        server = cast("Server", self.server)
        own = OwnBasicAuthenticator(self.server.user, self.service.credentials.authorization)
        known = Chain([TokenAuthenticator(tokens), own])
        return Front(server, known, root=root, gate=None, home=home or self._page)

    def lane(self, front: Front) -> RelayLane:
        """What passes small calls on before Jupyter's handlers."""
        return RelayLane(front, self.upstream, log_failure)

    def routes(self, front: Front) -> list[Route]:
        """Every route below the root."""
        found = relay_routes(front, self.upstream, self._page)
        return [(pattern, embedded(handler), kwargs) for pattern, handler, kwargs in found]

    @property
    def _page(self) -> str:
        return self.server.settings.service_page or self.service.page

    async def start(self) -> None:
        """Hide the credentials, and get what kernels need to reach the service by themselves, if they may."""
        kept = self.service.kept
        # Where requests go is no secret, but must not lead kernels past this process.
        self.hidden = HiddenVariables(kept[:1] if self.server.settings.share_service_credentials else kept)
        if self._direct is not None:
            await self._direct.start()

    def kernel_environment(self, url: str, token: str, certificate: str) -> KernelEnvironment:
        """What kernels are told; ``certificate`` is a file that they must trust, or ""."""
        direct = self._direct
        if direct is None or not direct.token:
            return KernelEnvironment(url, token, certificate)
        verify = self.service.credentials.verify
        trusted = verify if isinstance(verify, str) else ""
        made = KernelEnvironment(self.service.url, direct.token, trusted, more=direct.variables)
        direct.renewed = made.renew
        return made

    async def stop(self) -> None:
        """End the connections, and give back what was hidden."""
        if self._direct is not None:
            await self._direct.stop()
        self.upstream.close()
        self.hidden.give_back()
        self.server.observer.close()
