"""A token in a file that its maker renews: read anew for each request, so that work of days outlives tokens.

The stock client does so by ``MLFLOW_TRACKING_AUTH=jupyter-tracking``, for which this package registers a
provider; the file is what ``JUPYTER_TRACKING_TOKEN_FILE`` names. Nothing here imports mlflow.
"""

from __future__ import annotations

import os
from pathlib import Path

import requests
from requests.auth import AuthBase

__all__ = ["NAME", "VARIABLE", "TokenFileAuth", "TokenFileProvider"]

NAME = "jupyter-tracking"
VARIABLE = "JUPYTER_TRACKING_TOKEN_FILE"


class TokenFileAuth(AuthBase):
    """Sends the token that the file holds at that moment.

    Where there is no file any more, the request goes out as it is, and the server says what it thinks of it.
    """

    def __init__(self, path: str) -> None:
        self._path = Path(path)

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Called by ``requests``."""
        try:
            token = self._path.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            return request
        if token:
            request.headers["Authorization"] = f"Bearer {token}"
        return request


class TokenFileProvider:
    """What the stock client asks, by the entry point ``mlflow.request_auth_provider``."""

    def get_name(self) -> str:
        """For which ``MLFLOW_TRACKING_AUTH`` it stands."""
        return NAME

    def get_auth(self) -> AuthBase | None:
        """The credential of each request; None where no file is named."""
        path = os.environ.get(VARIABLE)
        return TokenFileAuth(path) if path else None
