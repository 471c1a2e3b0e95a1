"""What the ``MLFLOW_TRACKING_*`` variables say about identity and TLS, as stock clients read them."""

from __future__ import annotations

import base64
import configparser
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .. import token_file
from ..protocol.errors import InvalidParameterValue

_TRUE, _FALSE = frozenset({"true", "1"}), frozenset({"false", "0", ""})


@dataclass(frozen=True)
class Credentials:
    """How to present oneself to a server.

    Attributes:
        authorization: the value of the ``Authorization`` header, None for none.
        verify: whether to check the server's certificate, or the file with the authorities to check by.
        client_certificate: a PEM file with certificate and key.
        token_file: a file with a token that is read anew for each request; "" for none. It wins.
        certificate: the SHA-256 of the server's certificate, in hex, which then is checked by that alone.
    """

    authorization: str | None = None
    verify: bool | str = True
    client_certificate: str | None = None
    certificate: str = ""
    token_file: str = ""

    def __repr__(self) -> str:
        kind = self.authorization.split(" ", 1)[0] if self.authorization else "none"
        return f"Credentials(authorization={kind}, verify={self.verify!r})"


def bearer(token: str) -> Credentials:
    """The credentials of a token that came with the server's address."""
    return Credentials(authorization=f"Bearer {token}")


def from_environment(environment: Mapping[str, str] = os.environ, home: Path | None = None) -> Credentials:
    """The credentials that the environment and ``~/.mlflow/credentials`` hold.

    A user name with its password is sent before a token; one half alone counts as nothing.

    Raises:
        InvalidParameterValue: the TLS variables contradict each other.
    """
    return Credentials(
        authorization=_authorization(environment, home or Path.home()),
        verify=_verify(environment),
        client_certificate=environment.get("MLFLOW_TRACKING_CLIENT_CERT_PATH") or None,
        token_file=_token_file(environment),
    )


def flag(environment: Mapping[str, str], name: str, default: bool) -> bool:
    """A variable that is ``true``, ``1``, ``false`` or ``0``.

    Raises:
        InvalidParameterValue: it is something else.
    """
    value = environment.get(name)
    if value is None:
        return default
    if value.lower() in _TRUE | _FALSE:
        return value.lower() in _TRUE
    raise InvalidParameterValue(f"{name} is {value!r}; set it to true or false.")


def _token_file(environment: Mapping[str, str]) -> str:
    ours = environment.get("MLFLOW_TRACKING_AUTH") == token_file.NAME
    return environment.get(token_file.VARIABLE, "") if ours else ""


def _authorization(environment: Mapping[str, str], home: Path) -> str | None:
    user, password = (
        environment.get(f"MLFLOW_TRACKING_{half}") or _from_file(home, half)
        for half in ("USERNAME", "PASSWORD")
    )
    if user and password:
        pair = base64.b64encode(f"{user}:{password}".encode()).decode()
        return f"Basic {pair}"
    token = environment.get("MLFLOW_TRACKING_TOKEN")
    return f"Bearer {token}" if token else None


def _from_file(home: Path, half: str) -> str | None:
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read(home / ".mlflow" / "credentials", encoding="utf-8")
        return parser.get("mlflow", f"mlflow_tracking_{half.lower()}", fallback=None)
    except (configparser.Error, OSError, UnicodeDecodeError):
        return None


def _verify(environment: Mapping[str, str]) -> bool | str:
    insecure = flag(environment, "MLFLOW_TRACKING_INSECURE_TLS", default=False)
    authorities = environment.get("MLFLOW_TRACKING_SERVER_CERT_PATH")
    if insecure and authorities:
        raise InvalidParameterValue(
            "MLFLOW_TRACKING_INSECURE_TLS=true and MLFLOW_TRACKING_SERVER_CERT_PATH exclude each other: "
            "one turns the check of the server's certificate off, the other says what to check it by. "
            "Unset one of them."
        )
    return authorities or not insecure
