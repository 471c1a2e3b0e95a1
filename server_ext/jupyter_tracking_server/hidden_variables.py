"""Keeps the object store's credentials from the kernels and terminals that Jupyter starts.

They inherit this process's environment. The store has read its credentials when it was opened, so the
variables can be taken out of the environment then.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

__all__ = ["HiddenVariables"]


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

    def give_back(self) -> None:
        """Put them back; again is fine."""
        os.environ.update(self._values)
        self._values = {}
