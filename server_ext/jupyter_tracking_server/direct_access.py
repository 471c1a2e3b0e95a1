"""Short-lived tokens for kernels that reach the service by themselves, made anew before they end.

Under a Hub it makes them: tokens of the user that open the service and nothing else. A service of ours makes
its own. The newest is in a file that only this user can read and that appears whole.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import requests
from jupyter_core.paths import jupyter_runtime_dir

from .config import ConfigurationError
from .hub_environment import HubCertificate, hub_certificate
from .runtime_file import write_private
from .service import Service

__all__ = ["DirectAccess"]

PATIENCE = 30.0
"""Seconds for an answer of who makes tokens."""
PAUSE = 5.0
"""Seconds until a failed renewal is tried again; less where tokens live shorter."""
NOTE = "kernels of a Jupyter Server"

_log = logging.getLogger("jupyter_tracking")


class _Refused(Exception):
    """No token was made; the text says why, and what to do."""


class DirectAccess:
    """Has a token for the service at any time.

    Args:
        service: for which.
        lifetime: seconds that a token lives; it is renewed at half of that.
        environment: of this process, as it was when it began.

    Raises:
        ConfigurationError: kernels could not use the service by a token alone.

    Attributes:
        token: the newest; "" before ``start`` and where none could be made.
        path: the file that holds it.
        renewed: called with each new token after the first.
    """

    def __init__(self, service: Service, lifetime: int, environment: Mapping[str, str] = os.environ) -> None:
        if service.credentials.client_certificate:
            raise ConfigurationError(
                "With --service-access direct, kernels would need the key of the client certificate. "
                "Use --service-access relay."
            )
        self._service, self._lifetime = service, lifetime
        self._hub = {
            name: environment.get(f"JUPYTERHUB_{name}", "") for name in ("API_URL", "API_TOKEN", "USER")
        }
        self._hub_certificate = hub_certificate(environment)
        self.token = ""
        self.path = Path(jupyter_runtime_dir()) / f"jptracking-{os.getpid()}.token"
        self.renewed: Callable[[str], None] = lambda _: None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Get the first token; if there is none to be had, say so in the log."""
        try:
            await self._renew()
        except _Refused as error:
            _log.error("Kernels will reach the tracking service through Jupyter: %s", error)
            return
        self._task = asyncio.get_running_loop().create_task(self._keep_renewing())

    async def stop(self) -> None:
        """Renew no more; the last token ends by itself."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        self.path.unlink(missing_ok=True)

    @property
    def variables(self) -> dict[str, str]:
        """What kernels are told beside address and token."""
        found = {"MLFLOW_TRACKING_AUTH": "jupyter-tracking", "JUPYTER_TRACKING_TOKEN_FILE": str(self.path)}
        if self._service.credentials.verify is False:
            found["MLFLOW_TRACKING_INSECURE_TLS"] = "true"
        return found

    async def _keep_renewing(self) -> None:
        pause = self._lifetime / 2
        while True:
            await asyncio.sleep(pause)
            try:
                await self._renew()
                pause = self._lifetime / 2
            except _Refused as error:
                _log.warning("The token for the tracking service is not renewed yet: %s", error)
                pause = min(PAUSE, self._lifetime / 8)

    async def _renew(self) -> None:
        self.token = await asyncio.to_thread(self._make)
        await asyncio.to_thread(write_private, self.path, self.token + "\n")
        self.renewed(self.token)

    def _make(self) -> str:
        if not self._service.of_hub:
            url = f"{self._service.url}/api/2.0/jupyter-tracking/tokens/create"
            reply = self._ask(url, {"lifetime": self._lifetime, "note": NOTE})
            return str(reply["secret"])
        name = urlsplit(self._service.url).path.rpartition("/services/")[2].partition("/")[0]
        url = f"{self._hub['API_URL']}/users/{quote(self._hub['USER'], safe='')}/tokens"
        asked = {"expires_in": self._lifetime, "scopes": [f"access:services!service={name}"], "note": NOTE}
        return str(self._ask(url, asked, self._hub_certificate)["token"])

    def _ask(
        self, url: str, asked: dict[str, Any], certificate: HubCertificate | None = None
    ) -> dict[str, Any]:
        given = self._service.credentials
        try:
            with requests.Session() as session:
                # Else a password in ~/.netrc would take the place of the credential.
                session.trust_env = False
                session.verify = given.verify
                if certificate is not None:
                    session.verify = certificate.authorities
                    session.cert = (certificate.certfile, certificate.keyfile)
                headers = {"Authorization": given.authorization or ""}
                reply = session.post(url, json=asked, headers=headers, timeout=PATIENCE)
            if reply.ok:
                found: dict[str, Any] = reply.json()
                return found
        except (requests.RequestException, ValueError) as error:
            raise _Refused(f"{url} does not answer ({type(error).__name__}).") from None
        raise _Refused(f"{url} answers {reply.status_code}. {self._cure}")

    @property
    def _cure(self) -> str:
        if self._service.of_hub:
            return (
                "The administrator must add the scopes tokens!user and access:services!service=NAME to "
                "c.Spawner.server_token_scopes."
            )
        return (
            "Only a service of this project with --auth users makes tokens, for one of its users; for all "
            "others, use --service-access relay."
        )
