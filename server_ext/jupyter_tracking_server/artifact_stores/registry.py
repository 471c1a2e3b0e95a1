"""Which class serves which scheme of ``--artifacts-destination``.

A class is imported only when it is used, so that a package which only one kind of store needs is needed
only there.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from importlib import import_module
from typing import NamedTuple, cast
from urllib.parse import urlsplit

from ..config import ConfigurationError
from .base import ArtifactStore, Options

__all__ = ["KINDS", "Kind", "UnusableDestination", "open_store", "secrets_of"]


class UnusableDestination(ConfigurationError):
    """No store can be made for this destination; the message says what to change."""


class Kind(NamedTuple):
    """A kind of store: ``module`` (beside this file) has ``open_store(destination, options)``.

    ``requirement`` is what to install when importing the module fails. ``secrets`` are the environment
    variables that hold its credentials; it has read them once ``open_store`` returns. ``talkative`` are the
    libraries whose debug log would hold what opens the store.
    """

    module: str
    requirement: str
    secrets: tuple[str, ...] = ()
    talkative: tuple[str, ...] = ("urllib3",)


_AWS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN")
_GOOGLE = ("GOOGLE_APPLICATION_CREDENTIALS",)
_AZURE = (
    "AZURE_STORAGE_CONNECTION_STRING",
    "AZURE_STORAGE_ACCESS_KEY",
    "AZURE_STORAGE_ACCOUNT_KEY",
    "AZURE_STORAGE_SAS_TOKEN",
    "AZURE_CLIENT_SECRET",
)
_UPSTREAM = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")

KINDS: dict[str, Kind] = {
    "file": Kind("file", "jupyter-tracking", talkative=()),
    "memory": Kind("memory", "jupyter-tracking"),
    "s3": Kind("s3", "jupyter-tracking", _AWS, ("botocore", "boto3", "urllib3")),
    "gs": Kind("gs", "jupyter-tracking[gs]", _GOOGLE, ("google", "urllib3")),
    "wasb": Kind("azure", "jupyter-tracking[azure]", _AZURE),
    "wasbs": Kind("azure", "jupyter-tracking[azure]", _AZURE),
    "abfs": Kind("azure", "jupyter-tracking[azure]", _AZURE),
    "abfss": Kind("azure", "jupyter-tracking[azure]", _AZURE),
    "hdfs": Kind("hdfs", "jupyter-tracking[hdfs]"),
    "webhdfs": Kind("hdfs", "jupyter-tracking[hdfs]"),
    "swebhdfs": Kind("hdfs", "jupyter-tracking[hdfs]"),
    "viewfs": Kind("hdfs", "jupyter-tracking[hdfs]"),
    "sftp": Kind("sftp", "jupyter-tracking[sftp]", talkative=("asyncssh",)),
    "http": Kind("upstream", "jupyter-tracking", _UPSTREAM),
    "https": Kind("upstream", "jupyter-tracking", _UPSTREAM),
    "mlflow-artifacts": Kind("upstream", "jupyter-tracking", _UPSTREAM),
}


def secrets_of(destination: str) -> tuple[str, ...]:
    """The environment variables that may hold the credentials of the store at a destination."""
    kind = KINDS.get(urlsplit(destination).scheme.lower())
    return kind.secrets if kind else ()


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
    for name in kind.talkative:
        # At its lowest level it writes signed requests, and tokens with them, into the log.
        logging.getLogger(name).setLevel(logging.INFO)
    opener = cast("Callable[[str, Options], ArtifactStore]", module.open_store)
    return opener(destination, options or Options())
