"""Keeps the credentials of this process from the kernels and terminals that Jupyter starts.

They inherit this process's environment, and being the same user's they can read what it was at the start in
``/proc``. Whoever needs the variables has read them, so they can be taken out of both.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Sequence
from pathlib import Path

__all__ = ["HiddenVariables"]

_START, _END = 47, 48
"""Where ``/proc/self/stat`` has the bounds of the environment's block, counted after the command's name."""


class HiddenVariables:
    """Variables that are out of this process's environment until they are given back.

    Args:
        names: those that are not set are passed over.

    Attributes:
        names: those that were set.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._values = {name: os.environ.pop(name) for name in names if name in os.environ}
        self.names = tuple(self._values)
        if self.names and sys.platform == "linux":
            # Where the system does not say where the block is, it does not show it either.
            with contextlib.suppress(OSError, ValueError, IndexError):
                _wipe(self.names)

    def give_back(self) -> None:
        """Put them back; again is fine."""
        os.environ.update(self._values)
        self._values = {}


def _wipe(names: Sequence[str]) -> None:
    """Overwrite the values in the block that the system gave this process, which it shows to the user.

    Nothing points there any more: the variables have left the environment.
    """
    fields = Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    start, end = int(fields[_START]), int(fields[_END])
    at = start
    for entry in Path("/proc/self/environ").read_bytes().split(b"\0"):
        name, equals, value = entry.partition(b"=")
        if equals and name.decode("utf-8", "replace") in names and at + len(entry) <= end:
            ctypes.memset(at + len(name) + 1, ord("-"), len(value))
        at += len(entry) + 1
