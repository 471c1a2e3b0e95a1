"""A real nginx before a server, as an administrator would put it there.

Debian's package `nginx-light` is enough. Like the servers in `servers.py`, it is a process of its own on a
free loopback port, with all its files in a folder; nothing here knows pytest.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tests.servers import START_TIMEOUT, Server, ServerDiedError, free_port, log_tail

CONFIGURATION = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 256; }}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    client_max_body_size {largest};
    server {{
        listen 127.0.0.1:{port};
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
    folder: Path, server: Server, *, prefix: str, strips: bool, largest: str = "16m"
) -> Iterator[Nginx]:
    """An nginx before a server, for the length of a `with` block.

    Args:
        folder: for its files.
        server: where requests go.
        prefix: the path before every path, as `/ml`.
        strips: takes the prefix away and says so in `X-Forwarded-Prefix`; else the server knows it.
        largest: body that it takes.
    """
    program = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin") or "nginx"
    folder.mkdir(parents=True)
    port, upstream = free_port(), urlsplit(server.url)
    configuration = folder / "nginx.conf"
    configuration.write_text(
        CONFIGURATION.format(
            folder=folder,
            port=port,
            prefix=prefix,
            largest=largest,
            # With a path, if only a slash, nginx replaces what the location matched.
            upstream=f"http://{upstream.netloc}{'/' if strips else ''}",
            more=f"proxy_set_header X-Forwarded-Prefix {prefix};" if strips else "",
        )
    )
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
        yield Nginx(f"http://127.0.0.1:{port}{prefix}", folder / "access.log")
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
