"""Certificates for tests: an authority of our own, a server's certificate for loopback, and clients'."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import trustme

__all__ = ["Authority", "make_authority"]


@dataclass(frozen=True)
class Authority:
    """An authority whose files lie in a folder.

    Attributes:
        ca: its own certificate.
    """

    folder: Path
    ca: Path
    _issuer: trustme.CA

    def server(self, *names: str) -> tuple[Path, Path]:
        """The files of a server's certificate and of its key, for loopback or some names."""
        issued = self._issuer.issue_cert(*(names or ("127.0.0.1", "localhost")))
        certificate, key = self.folder / "server.pem", self.folder / "server.key"
        issued.cert_chain_pems[0].write_to_path(certificate)
        issued.private_key_pem.write_to_path(key)
        return certificate, key

    def client(self, name: str | None, mail: str = "") -> Path:
        """One file with a client's certificate, of this common name or e-mail address, and its key."""
        issued = self._issuer.issue_cert(*([mail] if mail else ["client.example"]), common_name=name)
        path = self.folder / f"client-{name or mail}.pem"
        issued.private_key_and_cert_chain_pem.write_to_path(path)
        return path


def make_authority(folder: Path) -> Authority:
    """A new authority."""
    folder.mkdir(parents=True, exist_ok=True)
    issuer = trustme.CA()
    ca = folder / "ca.pem"
    issuer.cert_pem.write_to_path(ca)
    return Authority(folder, ca, issuer)
