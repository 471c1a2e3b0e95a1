"""Artifacts in HDFS.

``hdfs://namenode:8020/path``, ``hdfs://nameservice/path``, ``hdfs:///path`` and ``viewfs://cluster/path``
speak HDFS's own protocol and read Hadoop's configuration (``HADOOP_CONF_DIR``) if there is one.
``webhdfs://host:port/path`` and ``swebhdfs://`` (TLS) speak HTTP, for clusters behind a gateway.

Kerberos: a ticket of this account (``kinit``, ``KRB5CCNAME``, or a keytab in ``KRB5_CLIENT_KTNAME``), or the
cache in ``MLFLOW_KERBEROS_TICKET_CACHE`` for the principal in ``MLFLOW_KERBEROS_USER``. Without Kerberos the
user is that of ``HADOOP_USER_NAME``, or this account.
"""

from __future__ import annotations

import getpass
import os
import re
from importlib import import_module
from urllib.parse import SplitResult, unquote, urlsplit

from requests.auth import AuthBase

from .base import Options
from .registry import UnusableDestination
from .remote_files import RemoteFiles
from .remote_store import RemoteStore
from .remote_threads import RemoteThreads
from .webhdfs_files import WebHdfsFiles

__all__ = ["open_store"]

PLAIN = re.compile(r"[A-Za-z0-9._=/-]+")
THREADS = 16
SENDERS = 64
DEFAULT_PORT = {"webhdfs": 9870, "swebhdfs": 9871}
# The library's own would try for minutes to reach a name node; a client would long have gone.
PATIENCE = {
    "dfs.client.failover.max.attempts": "4",
    "dfs.client.failover.sleep.base.millis": "200",
    "dfs.client.failover.sleep.max.millis": "2000",
}


def open_store(destination: str, options: Options) -> RemoteStore:
    """The store at a URL of HDFS; nothing is asked of it yet.

    Raises:
        UnusableDestination: the URL or Hadoop's configuration is wrong.
        ImportError: hdfs-native is missing.
    """
    url = urlsplit(destination)
    scheme = url.scheme.lower()
    root = unquote(url.path).rstrip("/")
    if not _is_plain(url) or not root or re.search(r"/\.{1,2}(/|$)", root):
        raise UnusableDestination(f"A {scheme}: destination looks like {scheme}://host:port/folder.")
    if scheme in DEFAULT_PORT and not PLAIN.fullmatch(root):
        # Data nodes decode a path once more than name nodes encode it.
        raise UnusableDestination(
            f"Over {scheme}: the folder's name may have letters, digits and . _ = - only."
        )
    files = _by_http(url) if scheme in DEFAULT_PORT else _by_rpc(url, durable=options.durable)
    place = url.netloc.rpartition("@")[2]
    return RemoteStore(files, f"{scheme}://{place}{url.path.rstrip('/')}", root)


def _is_plain(url: SplitResult) -> bool:
    try:
        return url.port != 0 and url.password is None and not url.query and not url.fragment
    except ValueError:
        return False


def _by_rpc(url: SplitResult, *, durable: bool) -> RemoteFiles:
    if url.username is not None:
        raise UnusableDestination("Name the user for HDFS in HADOOP_USER_NAME, not in the URL.")
    library, files = import_module("hdfs_native"), import_module(".hdfs_files", __package__)
    given = {
        "kerberos_cache": os.environ.get("MLFLOW_KERBEROS_TICKET_CACHE") or None,
        "kerberos_principal": os.environ.get("MLFLOW_KERBEROS_USER") or None,
    }
    try:
        client = library.Client(f"{url.scheme}://{url.netloc}" if url.netloc else None, PATIENCE, **given)
    except (RuntimeError, ValueError, OSError) as error:
        raise UnusableDestination(
            f"HDFS at {url.netloc or 'fs.defaultFS'} cannot be used: {error}"
        ) from error
    made: RemoteFiles = files.HdfsFiles(client, RemoteThreads("artifact-hdfs", THREADS), durable=durable)
    return made


def _by_http(url: SplitResult) -> RemoteFiles:
    if not url.hostname:
        raise UnusableDestination("A webhdfs: destination names its host: webhdfs://host:port/folder.")
    host = f"[{url.hostname}]" if ":" in url.hostname else url.hostname
    protocol = "https" if url.scheme.lower() == "swebhdfs" else "http"
    base = f"{protocol}://{host}:{url.port or DEFAULT_PORT[url.scheme.lower()]}/webhdfs/v1"
    auth = _kerberos()
    user = url.username or os.environ.get("HADOOP_USER_NAME") or (None if auth else getpass.getuser())
    threads, senders = (
        RemoteThreads("artifact-webhdfs", THREADS),
        RemoteThreads("artifact-webhdfs-put", SENDERS),
    )
    return WebHdfsFiles(base, user, auth, threads, senders)


def _kerberos() -> AuthBase | None:
    """Answers a cluster that asks for Kerberos, if the package for that is there."""
    try:
        negotiate: AuthBase = import_module("requests_gssapi").HTTPSPNEGOAuth()
    except ImportError:
        return None
    return negotiate
