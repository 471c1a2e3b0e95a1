"""Stock clients send big files in parts through this server: to a folder and to S3, also behind nginx.

What goes in parts is seen in the server's own access log, and in nginx's.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.compat.environments import ROOT, program
from tests.nginx import nginx
from tests.object_servers import S3Server
from tests.servers import Server, jupyter_environment, log_tail, start_standalone

MEBIBYTE = 2**20
BIG, SMALL = 600 * MEBIBYTE, 40 * MEBIBYTE
PART = 10 * MEBIBYTE
"""What clients send at a time."""
FROM_THE_START = {"MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE": str(PART)}

pytestmark = [pytest.mark.peer, pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[int, Path]]:
    """A file of each size, no two mebibytes of which are equal."""
    folder, block = tmp_path_factory.mktemp("files"), os.urandom(MEBIBYTE - 8)
    found = {size: folder / f"{size}.bin" for size in (BIG, SMALL)}
    for size, file in found.items():
        with file.open("wb") as output:
            for number in range(size // MEBIBYTE):
                output.write(number.to_bytes(8, "big") + block)
    yield found
    for file in found.values():
        file.unlink()


@dataclass(frozen=True)
class Tracked:
    """A server, and how many requests of a kind it has served."""

    server: Server
    access_log: Path

    def served(self, endpoint: str) -> int:
        lines = [json.loads(line) for line in self.access_log.read_text(encoding="utf-8").splitlines()]
        return sum(line["endpoint"] == endpoint and line["status"] == 200 for line in lines)


@pytest.fixture(params=["file", "s3"])
def destination(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Mapping[str, str]]:
    """Where artifacts are kept, and the variables that open it; only the server has them."""
    if request.param == "file":
        return (tmp_path / "kept").as_uri(), {}
    store: S3Server = request.getfixturevalue("s3_server")
    return f"s3://{store.create_bucket()}/some/folder", store.environment


@pytest.fixture
def prefix() -> str:
    """What the server takes as its prefix."""
    return ""


@pytest.fixture
def tracked(destination: tuple[str, Mapping[str, str]], prefix: str, tmp_path: Path) -> Iterator[Tracked]:
    url, variables = destination
    log = tmp_path / "requests.log"
    options = ["--artifacts-destination", url, "--access-log", str(log)]
    with start_standalone(tmp_path / "server", prefix=prefix, options=options, variables=variables) as server:
        yield Tracked(server, log)


def log_big_file(
    client: str, server: Server, file: Path, folder: Path, variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the client's script; the store's credentials are not in its environment."""
    (folder / "down").mkdir(parents=True)
    return subprocess.run(
        [
            str(program(client, "python")),
            "-m",
            "tests.compat.client_big_file",
            str(file),
            str(folder / "down"),
        ],
        cwd=ROOT,
        env={
            **jupyter_environment(folder),
            **server.client_environment,
            "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
            **(variables or {}),
        },
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )


def check(done: subprocess.CompletedProcess[str], tracked: Tracked, size: int) -> None:
    """All went well, and the file went up in parts alone."""
    log = tracked.server.log
    assert done.returncode == 0, f"{done.stderr[-6000:]}\n--- server ---\n{log_tail(log)}"
    assert tracked.served("artifact_part") == size // PART
    assert tracked.served("create_multipart_upload") == 1
    assert tracked.served("complete_multipart_upload") == 1


def test_600_mebibytes_go_in_parts(tracked: Tracked, files: Mapping[int, Path], tmp_path: Path) -> None:
    """With all the client's defaults."""
    done = log_big_file("mlflow3", tracked.server, files[BIG], tmp_path / "client")
    check(done, tracked, BIG)


def test_600_mebibytes_pass_a_proxy_that_takes_16(
    tracked: Tracked, files: Mapping[int, Path], tmp_path: Path
) -> None:
    """It strips a prefix; the addresses of parts have it all the same."""
    with nginx(tmp_path / "nginx", tracked.server, prefix="/team/ml", strips=True) as front:
        behind = Server(front.url, tracked.server.process, tracked.server.log, tracked.server.token)
        done = log_big_file("mlflow3", behind, files[BIG], tmp_path / "client")
        check(done, tracked, BIG)
        passed = front.access_log.read_text(encoding="utf-8")
    assert passed.count('"PUT /team/ml/api/2.0/mlflow-artifacts/mpu/part/') == BIG // PART


@pytest.mark.parametrize("prefix", ["/team/ml"])
@pytest.mark.parametrize("destination", ["file"], indirect=True)
def test_a_prefix_that_the_server_knows_is_in_the_addresses_once(
    tracked: Tracked, files: Mapping[int, Path], tmp_path: Path
) -> None:
    with nginx(tmp_path / "nginx", tracked.server, prefix="/team/ml", strips=False) as front:
        behind = Server(front.url, tracked.server.process, tracked.server.log, tracked.server.token)
        done = log_big_file("mlflow3", behind, files[SMALL], tmp_path / "client", FROM_THE_START)
        check(done, tracked, SMALL)
        # The proxy does say no to what is larger, so that it is the parts that pass.
        whole = log_big_file("mlflow3", behind, files[SMALL], tmp_path / "whole")
    assert whole.returncode != 0
    assert "413" in whole.stderr


@pytest.mark.parametrize("destination", ["file"], indirect=True)
def test_older_clients_do_so_if_they_are_told(
    tracked: Tracked, files: Mapping[int, Path], tmp_path: Path
) -> None:
    told = {**FROM_THE_START, "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD": "true"}
    done = log_big_file("mlflow2", tracked.server, files[SMALL], tmp_path / "client", told)
    check(done, tracked, SMALL)
    assert done.stdout.split()[-1] == "2.16.2"
