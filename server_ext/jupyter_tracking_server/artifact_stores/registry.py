"""Which class serves which scheme of ``--artifacts-destination``.

A class is imported only when it is used, so that a package which only one kind of store needs is needed
only there.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import NamedTuple, cast
from urllib.parse import urlsplit

from ..config import ConfigurationError
from .base import ArtifactStore, Options

__all__ = ["KINDS", "Kind", "UnusableDestination", "open_store"]


class UnusableDestination(ConfigurationError):
    """No store can be made for this destination; the message says what to change."""


class Kind(NamedTuple):
    """A kind of store: ``module`` (beside this file) has ``open_store(destination, options)``.

    ``requirement`` is what to install when importing the module fails.
    """

    module: str
    requirement: str


KINDS: dict[str, Kind] = {
    "file": Kind("file", "jupyter-tracking"),
    "memory": Kind("memory", "jupyter-tracking"),
    "s3": Kind("s3", "jupyter-tracking"),
    "gs": Kind("gs", "jupyter-tracking[gs]"),
    "wasb": Kind("azure", "jupyter-tracking[azure]"),
    "wasbs": Kind("azure", "jupyter-tracking[azure]"),
    "abfs": Kind("azure", "jupyter-tracking[azure]"),
    "abfss": Kind("azure", "jupyter-tracking[azure]"),
    "hdfs": Kind("hdfs", "jupyter-tracking[hdfs]"),
    "webhdfs": Kind("hdfs", "jupyter-tracking[hdfs]"),
    "swebhdfs": Kind("hdfs", "jupyter-tracking[hdfs]"),
    "viewfs": Kind("hdfs", "jupyter-tracking[hdfs]"),
    "sftp": Kind("sftp", "jupyter-tracking[sftp]"),
    "http": Kind("upstream", "jupyter-tracking"),
    "https": Kind("upstream", "jupyter-tracking"),
}


def open_store(destination: str, options: Options | None = None) -> ArtifactStore:
    """The store for a destination: a path, or a URL whose scheme is in ``KINDS``.

    Args:
        destination: where the artifacts are kept.
        options: what the administrator set.

    Raises:
        UnusableDestination: the scheme is not known, a package is missing or the place cannot be used.
    """
    scheme = urlsplit(destination).scheme.lower()
    # One letter is the drive of a Windows path.
    kind = KINDS.get(scheme if len(scheme) > 1 else "file")
    if kind is None:
        raise UnusableDestination(
            f"Artifacts cannot be kept at {scheme}:// … ; use a path or one of: {', '.join(sorted(KINDS))}."
        )
    try:
        module = import_module(f".{kind.module}", __package__)
    except ImportError as error:
        raise UnusableDestination(
            f"Artifacts at {scheme}:// need a package that is missing ({error.name}); "
            f"run: pip install '{kind.requirement}'"
        ) from error
    opener = cast("Callable[[str, Options], ArtifactStore]", module.open_store)
    return opener(destination, options or Options())
