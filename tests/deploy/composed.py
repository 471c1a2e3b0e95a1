"""The services of ``deploy/compose.yaml`` as processes of this machine.

Their commands, environments and mounted files are those of the file; only addresses differ: a ``host:port``
becomes a free port on loopback, and PostgreSQL is one on a Unix socket, as the tests have it.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
import yaml

from tests.hub_servers import BIN, Hub, prepare
from tests.nginx import site_running
from tests.object_servers import running, wait_until
from tests.servers import Postgres, free_port, jupyter_environment

DEPLOY = Path(__file__).parents[2] / "deploy"
VARIABLE = re.compile(r"\$\{(\w+):\?\}")


def composed() -> dict[str, Any]:
    """The file, as it stands."""
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    return found


def secrets_made(folder: Path) -> dict[str, str]:
    """What `make_env.sh` makes, in a copy of its folder."""
    folder.mkdir()
    shutil.copy(DEPLOY / "make_env.sh", folder)
    subprocess.run([folder / "make_env.sh"], check=True)
    lines = (folder / ".env").read_text(encoding="ascii").splitlines()
    return dict(line.split("=", 1) for line in lines)


@dataclass
class Composition:
    """The scene.

    Attributes:
        secrets: by name, as the file has them.
        places: for each address in the file, the one that stands in.
        services: running ones, by name.
    """

    folder: Path
    secrets: Mapping[str, str]
    database: str
    places: dict[str, str] = field(default_factory=dict)
    services: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def here(self, text: str) -> str:
        """A text of the file with the secrets filled in, and the addresses of this machine."""
        text = VARIABLE.sub(lambda found: self.secrets[found[1]], text)
        if text.startswith("postgresql:"):
            return self.database
        for there, here in self.places.items():
            text = text.replace(there, here)
        return text

    def environment(self, name: str) -> dict[str, str]:
        """What a service finds in its environment: a home of its own, and what the file says."""
        service = composed()["services"][name]
        said = {key: self.here(value) for key, value in service.get("environment", {}).items()}
        path = {"PATH": f"{BIN}:/usr/bin:/bin"}
        return {**jupyter_environment(self.folder / name), **path, **said}

    def command(self, name: str, *more: str) -> list[str]:
        """What a service runs."""
        service = composed()["services"][name]
        return [*(self.here(word) for word in service["command"]), *more]

    def healthy(self, name: str) -> bool:
        """Whether the service's own check passes."""
        kind, *check = composed()["services"][name]["healthcheck"]["test"]
        assert kind == "CMD"
        port = self.places[f"{name}:5000"].rpartition(":")[2]
        check = [word.replace(":5000", f":{port}") for word in check]
        done = subprocess.run(
            [sys.executable if check[0] == "python" else check[0], *check[1:]],
            check=False,
            capture_output=True,
            timeout=30,
        )
        return done.returncode == 0


@contextlib.contextmanager
def composition(folder: Path, postgres: Postgres) -> Iterator[tuple[Composition, Hub]]:
    """All of it, for the length of a ``with`` block."""
    hosts = ["hub:8081", "balancer:80", "store:8333", "tracking-1:5000", "tracking-2:5000"]
    made = Composition(folder, secrets_made(folder / "deploy"), postgres.create_database())
    made.places = {there: f"127.0.0.1:{free_port()}" for there in hosts}
    # As its programs have it: the port, a dot, and the one of gRPC.
    made.places["store:9333"] = f"127.0.0.1:{free_port()}.{free_port()}"
    with contextlib.ExitStack() as stack:
        stack.enter_context(_store(made))
        hub = _hub(made)
        made.places["hub:8081"] = f"127.0.0.1:{hub.hub_port}"
        for name in ("tracking-1", "tracking-2"):
            stack.enter_context(replica(made, name))
        stack.enter_context(site_running(folder / "nginx", _balancer(made)))
        stack.callback(hub.stop)
        hub.start()
        yield made, hub
    postgres.drop_database(made.database)


@contextlib.contextmanager
def replica(made: Composition, name: str) -> Iterator[None]:
    """One of the two, for the length of a ``with`` block."""
    port = made.places[f"{name}:5000"].rpartition(":")[2]
    words = {"0.0.0.0": "127.0.0.1", "5000": port}
    environment = made.environment(name)
    command = [words.get(word, word) for word in made.command(name)]
    log = made.folder / name / "service.log"
    with running(command, log, environment) as process:
        wait_until(lambda: made.healthy(name), process, log)
        made.services[name] = process
        yield


@contextlib.contextmanager
def _store(made: Composition) -> Iterator[None]:
    """SeaweedFS, with free ports for all that it listens on beside S3."""
    data = made.folder / "store" / "volume"
    environment = made.environment("store")
    data.mkdir()
    words = {
        "-dir=/data": f"-dir={data}",
        "-ip=store": "-ip=127.0.0.1",
        "-ip.bind=0.0.0.0": "-ip.bind=127.0.0.1",
        "-s3.port=8333": f"-s3.port={made.places['store:8333'].rpartition(':')[2]}",
    }
    command = ["weed", *(words.get(word, word) for word in made.command("store"))]
    kinds = ("volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc", "s3.port.grpc")
    command += [*(f"-{kind}={free_port()}" for kind in kinds), "-s3.port.iceberg=0", "-s3.port.lance=0"]
    _, ports = made.places["store:9333"].split(":")
    command += [
        f"-master.port{kind}={port}" for kind, port in zip(("", ".grpc"), ports.split("."), strict=True)
    ]
    log = made.folder / "store" / "store.log"
    check = composed()["services"]["store"]["healthcheck"]["test"]
    with running(command, log, environment) as process:
        wait_until(lambda: _answers(made.here(check[-1])), process, log)
        made.services["store"] = process
        entrypoint = [made.here(word) for word in composed()["services"]["bucket"]["entrypoint"]]
        for _ in range(2):
            # Each start of the composition runs it.
            subprocess.run(entrypoint, check=True, env=made.environment("bucket"), timeout=60)
        yield


def _answers(url: str) -> bool:
    with contextlib.suppress(requests.ConnectionError):
        return requests.get(url, timeout=30).ok
    return False


def _hub(made: Composition) -> Hub:
    """The Hub's configuration as deployed; the authenticator, the spawner and the ports are the tests'."""
    configuration = (DEPLOY / "jupyterhub_config.py").read_text(encoding="utf-8")
    state = made.folder / "hub" / "state"
    state.mkdir(parents=True)
    configuration = made.here(configuration).replace("/srv/jupyterhub/state", str(state))
    configuration = configuration.replace('"0.0.0.0"', '"127.0.0.1"').replace('"hub"', '"127.0.0.1"')
    environment = composed()["services"]["hub"]["environment"]
    return prepare(
        made.folder / "hub", configuration, {name: made.here(value) for name, value in environment.items()}
    )


def _balancer(made: Composition) -> str:
    """The mounted file."""
    (mount,) = composed()["services"]["balancer"]["volumes"]
    source, target, _ = mount.split(":")
    assert target == "/etc/nginx/conf.d/default.conf"
    text = made.here((DEPLOY / source).read_text(encoding="utf-8"))
    return text.replace("listen 80;", f"listen {made.places['balancer:80']};")
