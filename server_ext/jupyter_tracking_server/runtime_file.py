"""The file by which kernels that Jupyter did not start find a running server: who runs where, with a token.

It lies among Jupyter's own runtime files, readable by its owner alone, and is removed when the server ends.
Readers must expect a left-over of a killed server: check that ``pid`` lives.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from jupyter_core.paths import jupyter_runtime_dir

__all__ = ["RuntimeFile", "write_private"]


@dataclass(frozen=True)
class RuntimeFile:
    """What the file says.

    Attributes:
        url: what a client takes as tracking URI.
        token: what it sends as Bearer; empty where none is asked for, None where each user has their own.
        root_dir: the folder whose notebooks the server is for; empty if it is for any.
        certificate: the SHA-256 of the server's, in hex, by which clients know it; "" without TLS.
    """

    url: str
    token: str | None
    pid: int
    kind: Literal["embedded", "standalone", "local"]
    root_dir: str
    certificate: str = ""

    @property
    def path(self) -> Path:
        """``jptracking-<pid>.json`` in Jupyter's runtime folder."""
        return Path(jupyter_runtime_dir()) / f"jptracking-{self.pid}.json"

    def write(self) -> None:
        """Make the file appear, whole."""
        write_private(self.path, json.dumps(asdict(self)))

    def remove(self) -> None:
        """Remove the file; it may be gone."""
        self.path.unlink(missing_ok=True)


def write_private(path: Path, text: str) -> None:
    """Write a file that its owner alone can read (0600); it appears whole or not at all."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    part.replace(path)
