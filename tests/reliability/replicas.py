"""Two replicas on one PostgreSQL and one object store, behind the nginx of ``deploy/``, and their clients."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from tests.compat.environments import program
from tests.nginx import balancer
from tests.object_servers import S3Server
from tests.servers import Server, free_port, jupyter_environment, log_tail, start_standalone

DRAIN_DELAY = 3
"""Seconds: longer than nginx's `fail_timeout`, so that the other replica is in use again by then."""
STEPS_TIMEOUT = 60


@dataclass
class Site:
    """Two replicas and the balancer.

    Attributes:
        backend, bucket: what the replicas share.
        options: further flags of the replicas.
        running: the replicas, by number.
        balanced: a replica as it is reached through the balancer.
    """

    folder: Path
    backend: str
    store: S3Server
    bucket: str
    options: Sequence[str] = ()
    auth: str = "none"
    running: list[Server] = field(default_factory=list)
    balanced: Server = field(init=False)
    _ports: list[int] = field(default_factory=lambda: [free_port(), free_port()])

    def start(self, number: int) -> Server:
        """A new replica in the place of one, or the first there; the balancer knows it by its port."""
        options = [f"--artifacts-destination=s3://{self.bucket}/kept", f"--drain-delay={DRAIN_DELAY}"]
        return start_standalone(
            self.folder / f"replica-{number}",
            backend=self.backend,
            auth=self.auth,
            port=self._ports[number],
            options=[*options, *self.options],
            variables=self.store.environment,
        )

    def renew(self, number: int) -> int:
        """Stop one replica with SIGTERM, start a new one, and return the old one's exit code."""
        code = self.running[number].stop()
        self.running[number] = self.start(number)
        return code


@contextlib.contextmanager
def site(folder: Path, backend: str, store: S3Server, *, auth: str = "none") -> Iterator[Site]:
    """A site, for the length of a ``with`` block."""
    made = Site(folder, backend, store, store.create_bucket(), auth=auth)
    try:
        for number in range(2):
            made.running.append(made.start(number))
        with balancer(folder / "nginx", made.running) as front:
            made.balanced = replace(made.running[0], url=front.url)
            yield made
    finally:
        for server in made.running:
            server.kill()


def patient() -> requests.Session:
    """A client with the stock client's rules of what it tries again; its waits are shorter."""
    retry = Retry(
        total=7,
        connect=7,
        read=7,
        status=7,
        backoff_factor=0.1,
        allowed_methods=None,
        status_forcelist={408, 429, 500, 502, 503, 504},
        raise_on_status=False,
    )
    session = requests.Session()
    session.mount("http://", HTTPAdapter(max_retries=retry))
    return session


class StockLogger:
    """The stock client in a process of its own, which logs until it is told to stop.

    Raises:
        AssertionError: it failed.
    """

    def __init__(self, folder: Path, server: Server) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._stop, self.log = folder / "stop", folder / "stock.log"
        environment = {**jupyter_environment(folder), **server.client_environment}
        script = Path(__file__).with_name("stock_logger.py")
        with self.log.open("wb") as output:
            self._process = subprocess.Popen(
                [str(program("mlflow3", "python")), str(script), str(self._stop)],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def steps(self) -> int:
        """How many it has logged."""
        assert self._process.poll() is None, log_tail(self.log)
        return sum(line.isdecimal() for line in self.log.read_text().split())

    def end(self) -> None:
        """Have it stop, and check what it logged."""
        self._stop.touch()
        code = self._process.wait(STEPS_TIMEOUT)
        text = log_tail(self.log)
        assert code == 0, text
        assert text.endswith("sound"), text

    def kill(self) -> None:
        """End it, whatever it does; again is fine."""
        self._process.kill()
        self._process.wait()


@contextlib.contextmanager
def stock_logger(folder: Path, server: Server) -> Iterator[StockLogger]:
    """The process, for the length of a ``with`` block at most."""
    logger = StockLogger(folder, server)
    try:
        yield logger
    finally:
        logger.kill()
