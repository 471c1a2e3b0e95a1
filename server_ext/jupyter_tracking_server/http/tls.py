"""TLS of the standalone server: its own certificate, and the authorities of its clients'."""

from __future__ import annotations

import hashlib
import re
import ssl
from pathlib import Path

from ..config import ConfigurationError, Settings

__all__ = ["context", "fingerprint"]

_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def context(settings: Settings) -> ssl.SSLContext | None:
    """How connections are secured; None for not at all.

    Raises:
        ConfigurationError: files are missing, unreadable or do not fit each other, or flags contradict.
    """
    if not settings.certfile:
        for flag, given in (("--keyfile", settings.keyfile), ("--client-ca", settings.client_ca)):
            if given:
                raise ConfigurationError(f"{flag} needs --certfile, the server's own certificate.")
        if settings.client_certificates == "required":
            raise ConfigurationError("--client-certificates required needs --certfile and --client-ca.")
        return None
    keyfile = settings.keyfile or settings.certfile
    _check_file("--certfile", settings.certfile)
    _check_file("--keyfile", keyfile)
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        # A password, so that OpenSSL does not ask for one on the terminal.
        made.load_cert_chain(settings.certfile, keyfile, password=lambda: "")
    except (ssl.SSLError, ValueError) as error:
        raise ConfigurationError(_explained(error, settings.certfile, keyfile)) from error
    _ask_clients(made, settings)
    return made


def fingerprint(settings: Settings) -> str:
    """The SHA-256 of the server's certificate, in hex; "" without TLS."""
    if not settings.certfile:
        return ""
    found = _CERTIFICATE.search(Path(settings.certfile).read_text(encoding="utf-8", errors="replace"))
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(found[0])).hexdigest() if found else ""


def _ask_clients(made: ssl.SSLContext, settings: Settings) -> None:
    """Have clients show a certificate, if they have one; who must is told so by ``CertificateRequired``."""
    if not settings.client_ca:
        if settings.client_certificates == "required":
            raise ConfigurationError("--client-certificates required needs --client-ca.")
        return
    if settings.auth != "users":
        raise ConfigurationError("--client-ca signs users in, which needs --auth users.")
    _check_file("--client-ca", settings.client_ca)
    try:
        made.load_verify_locations(settings.client_ca)
    except ssl.SSLError as error:
        raise ConfigurationError(
            f"--client-ca {settings.client_ca} holds no certificate in PEM form."
        ) from error
    made.verify_mode = ssl.CERT_OPTIONAL


def _check_file(flag: str, name: str) -> None:
    try:
        with Path(name).open("rb") as file:
            file.read(1)
    except OSError as error:
        raise ConfigurationError(f"{flag} {name} cannot be read: {error.strerror}.") from error


def _explained(error: Exception, certfile: str, keyfile: str) -> str:
    reason = getattr(error, "reason", None) or ""
    if reason == "KEY_VALUES_MISMATCH":
        return f"The key in {keyfile} is not that of the certificate in {certfile}."
    text = Path(keyfile).read_text(encoding="utf-8", errors="replace")
    if "ENCRYPTED" in text:
        return (
            f"The key in {keyfile} is encrypted; give one without a password, readable by the server alone."
        )
    if "PRIVATE KEY-----" not in text:
        return f"{keyfile} holds no key in PEM form; name the file that does by --keyfile."
    if _CERTIFICATE.search(Path(certfile).read_text(encoding="utf-8", errors="replace")) is None:
        return f"--certfile {certfile} holds no certificate in PEM form."
    return f"The certificate in {certfile} or the key in {keyfile} cannot be used: {reason or error}."
