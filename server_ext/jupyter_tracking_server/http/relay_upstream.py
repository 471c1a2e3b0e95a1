"""Connections to the service: opened as needed, and kept for a moment for the next request."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import deque
from urllib.parse import urlsplit

from tornado.iostream import IOStream, StreamClosedError
from tornado.tcpclient import TCPClient

from jupyter_tracking.protocol.errors import PermissionDenied, TemporarilyUnavailable

from ..config import ConfigurationError
from ..service import Service

__all__ = ["Line", "Upstream"]

PATIENCE = 15.0
"""Seconds for a connection, with its TLS handshake."""
KEPT = 4.0
"""Seconds that an idle connection is kept. Stock servers end theirs after five: a request that meets such an
end on its way cannot always be sent again."""
MOST_KEPT = 64


class Line:
    """One connection to the service.

    Attributes:
        stream: the connection itself.
        used: a request went over it before.
    """

    def __init__(self, stream: IOStream) -> None:
        self.stream = stream
        self.used = False


class Upstream:
    """The service as the relay reaches it.

    Attributes:
        service: which one.
        prefix: the path before every path of its own.
        host: what its ``Host`` header says.
    """

    def __init__(self, service: Service) -> None:
        self.service = service
        parts = urlsplit(service.url)
        self.prefix = parts.path
        self.host = parts.netloc
        self.origin = f"{parts.scheme}://{parts.netloc}"
        self._name = parts.hostname or ""
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._tls = _tls(service) if parts.scheme == "https" else None
        self._idle: deque[tuple[Line, asyncio.TimerHandle]] = deque()
        # Made when it is first used: it belongs to the event loop that runs then.
        self._client: TCPClient | None = None

    async def line(self) -> Line:
        """A connection, perhaps a used one.

        Raises:
            TemporarilyUnavailable: the service cannot be reached.
            PermissionDenied: it is not who it should be, or does not take our certificate.
        """
        while self._idle:
            # The newest is the least likely to be ended by the other side.
            line, alarm = self._idle.pop()
            alarm.cancel()
            line.stream.set_close_callback(None)
            if not line.stream.closed():
                return line
        return await self.new_line()

    async def new_line(self) -> Line:
        """A connection of its own."""
        if self._client is None:
            self._client = TCPClient()
        try:
            stream = await self._client.connect(
                self._name, self._port, ssl_options=self._tls, timeout=PATIENCE, max_buffer_size=2**22
            )
        except StreamClosedError as error:
            raise self.away(error.real_error or error) from None
        except (OSError, asyncio.TimeoutError) as error:
            raise self.away(error) from None
        stream.set_nodelay(True)
        return Line(stream)

    def keep(self, line: Line) -> None:
        """Take back a connection over which a whole exchange went."""
        line.used = True
        if line.stream.closed():
            return
        if len(self._idle) >= MOST_KEPT:
            line.stream.close()
            return
        # With it, the stream listens, and so notices an end.
        line.stream.set_close_callback(lambda: None)
        alarm = asyncio.get_running_loop().call_later(KEPT, line.stream.close)
        self._idle.append((line, alarm))
        while self._idle and self._idle[0][0].stream.closed():
            self._idle.popleft()[1].cancel()

    @property
    def is_plain(self) -> bool:
        """Whether there is no TLS on the way."""
        return self._tls is None

    def refused(self) -> PermissionDenied:
        """What to tell a client if the service does not take the credential of this process."""
        credential = "JUPYTERHUB_API_TOKEN"
        if not self.service.of_hub:
            credential = "MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
        return PermissionDenied(
            f"The tracking service at {self.service.url} does not take this Jupyter Server's credential. "
            f"The administrator of this Jupyter Server must start it with a {credential} that is good there."
        )

    def close(self) -> None:
        """End all idle connections."""
        while self._idle:
            line, alarm = self._idle.pop()
            alarm.cancel()
            line.stream.close()

    def away(self, error: BaseException) -> TemporarilyUnavailable | PermissionDenied:
        """What to tell a client whose request did not get through."""
        name = self.service.url
        if isinstance(error, ssl.SSLCertVerificationError):
            return PermissionDenied(
                f"The certificate of the tracking service at {name} is not trusted "
                f"({error.verify_message}). The administrator of this Jupyter Server must name the authority "
                "that signed it in MLFLOW_TRACKING_SERVER_CERT_PATH."
            )
        if isinstance(error, ssl.SSLError):
            return PermissionDenied(
                f"There is no TLS connection to the tracking service at {name} ({error.reason}). The "
                "administrator of this Jupyter Server must check its address, and whether it asks for a "
                "certificate, to be named in MLFLOW_TRACKING_CLIENT_CERT_PATH."
            )
        if isinstance(error, socket.gaierror):
            why = "its name is not known"
        elif isinstance(error, ConnectionRefusedError):
            why = "nothing listens there"
        elif isinstance(error, asyncio.TimeoutError | TimeoutError):
            why = "it does not answer"
        else:
            why = "it ended the connection"
        return TemporarilyUnavailable(f"The tracking service at {name} cannot be reached: {why}.")


def _tls(service: Service) -> ssl.SSLContext:
    given = service.credentials
    try:
        authorities = given.verify if isinstance(given.verify, str) else None
        context = ssl.create_default_context(cafile=authorities)
        if given.client_certificate:
            context.load_cert_chain(given.client_certificate)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            "MLFLOW_TRACKING_SERVER_CERT_PATH or MLFLOW_TRACKING_CLIENT_CERT_PATH names no usable PEM file "
            f"({error})."
        ) from error
    if given.verify is False:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
