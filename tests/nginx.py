"""A real nginx before a server, as an administrator would put it there.

Debian's package `nginx-light` is enough. Like the servers in `servers.py`, it is a process of its own on a
free loopback port, with all its files in a folder; nothing here knows pytest.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tests.certificates import Authority
from tests.servers import START_TIMEOUT, Server, ServerDiedError, free_port, log_tail

HEAD = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 1024; }}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
"""
CONFIGURATION = (
    HEAD
    + """
    client_max_body_size {largest};
    server {{
        listen 127.0.0.1:{port}{tls};
        location {prefix}/ {{
            proxy_pass {upstream};
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-Proto $scheme;
            {more}
        }}
    }}
}}
"""
)
AROUND = HEAD + "include {folder}/site.conf; }}"
DEPLOYED = Path(__file__).parents[1] / "deploy" / "nginx.conf"


@dataclass(frozen=True)
class Nginx:
    """An nginx that passes requests on.

    Attributes:
        url: what a client takes as tracking URI, with the prefix.
        access_log: a line for each request.
    """

    url: str
    access_log: Path


@contextlib.contextmanager
def nginx(
    folder: Path,
    server: Server,
    *,
    prefix: str,
    strips: bool,
    largest: str = "16m",
    authority: Authority | None = None,
) -> Iterator[Nginx]:
    """An nginx before a server, for the length of a `with` block.

    Args:
        folder: for its files.
        server: where requests go.
        prefix: the path before every path, as `/ml`.
        strips: takes the prefix away and says so in `X-Forwarded-Prefix`; else the server knows it.
        largest: body that it takes.
        authority: speak TLS by a certificate of its, and ask clients for one.
    """
    folder.mkdir(parents=True)
    port, upstream = free_port(), urlsplit(server.url)
    configuration = folder / "nginx.conf"
    configuration.write_text(
        CONFIGURATION.format(
            folder=folder,
            port=port,
            prefix=prefix,
            largest=largest,
            tls=_tls(authority) if authority else "",
            # With a path, if only a slash, nginx replaces what the location matched.
            upstream=f"http://{upstream.netloc}{'/' if strips else ''}",
            more=f"proxy_set_header X-Forwarded-Prefix {prefix};" if strips else "",
        )
    )
    with _running(folder, configuration):
        scheme = "https" if authority else "http"
        yield Nginx(f"{scheme}://127.0.0.1:{port}{prefix}", folder / "access.log")


def _tls(authority: Authority) -> str:
    certificate, key = authority.server()
    return (
        f" ssl; ssl_certificate {certificate}; ssl_certificate_key {key}; "
        f"ssl_client_certificate {authority.ca}; ssl_verify_client on"
    )


@contextlib.contextmanager
def balancer(folder: Path, servers: Sequence[Server], *, prefix: str = "") -> Iterator[Nginx]:
    """The nginx of ``deploy/`` before two servers, for the length of a ``with`` block.

    Args:
        folder: for its files.
        servers: in the places of ``tracking-1`` and ``tracking-2``; others may come to their ports later.
        prefix: the path that the servers know to be before every path.
    """
    port, site = free_port(), DEPLOYED.read_text()
    for number, server in enumerate(servers, 1):
        site = site.replace(f"tracking-{number}:5000", urlsplit(server.url).netloc)
    with site_running(folder, site.replace("listen 80;", f"listen 127.0.0.1:{port};")):
        yield Nginx(f"http://127.0.0.1:{port}{prefix}", folder / "access.log")


@contextlib.contextmanager
def site_running(folder: Path, site: str) -> Iterator[None]:
    """An nginx with this file in its ``conf.d``, for the length of a ``with`` block."""
    folder.mkdir(parents=True)
    (folder / "site.conf").write_text(site)
    configuration = folder / "nginx.conf"
    configuration.write_text(AROUND.format(folder=folder))
    with _running(folder, configuration):
        yield


@contextlib.contextmanager
def _running(folder: Path, configuration: Path) -> Iterator[None]:
    program = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin") or "nginx"
    log = folder / "output.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [program, "-c", str(configuration), "-p", str(folder), "-e", str(folder / "error.log")],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_until_listening(process, folder / "nginx.pid", log)
        yield
    finally:
        process.terminate()
        process.wait(30)


def _wait_until_listening(process: subprocess.Popen[bytes], pid_file: Path, log: Path) -> None:
    """It writes the file when it has its sockets."""
    deadline = time.monotonic() + START_TIMEOUT
    while not pid_file.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise ServerDiedError(f"nginx did not start\n{log_tail(log)}")
        time.sleep(0.02)
