"""A real OpenSSH server on a free loopback port, with host key, configuration and user key of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import asyncssh

from .servers import START_TIMEOUT, ServerDiedError, free_port, log_tail

PROGRAM = "/usr/sbin/sshd"
SEPARATION = Path("/run/sshd")
"""sshd wants this folder where it runs as root; a system that starts it makes the folder."""


class Sshd:
    """The server; only the user who started it may log in, by the key in ``home``.

    Attributes:
        port: where it listens.
        home: a home folder whose ``.ssh`` has the user's key and knows the server's.
        host_key: the server's public key, as ``known_hosts`` has it.
    """

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.home = folder / "home"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        ssh = self.home / ".ssh"
        ssh.mkdir(parents=True)
        user, host = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
        user.write_private_key(ssh / "id_ed25519")
        user.write_public_key(folder / "authorized_keys")
        host.write_private_key(folder / "host_key")
        for private in (ssh / "id_ed25519", folder / "host_key"):
            private.chmod(0o600)
        self.host_key = host.export_public_key().decode().strip()
        self.know(self.host_key)
        (folder / "sshd_config").write_text(
            f"""
            Port {self.port}
            ListenAddress 127.0.0.1
            HostKey {folder / "host_key"}
            PidFile {folder / "sshd.pid"}
            AuthorizedKeysFile {folder / "authorized_keys"}
            StrictModes no
            UsePAM no
            PasswordAuthentication no
            PermitRootLogin prohibit-password
            Subsystem sftp internal-sftp
            """,
            encoding="utf-8",
        )

    def know(self, *host_keys: str) -> None:
        """Have the user know these host keys as the server's, and no others."""
        lines = [f"[127.0.0.1]:{self.port} {key}\n" for key in host_keys]
        (self.home / ".ssh" / "known_hosts").write_text("".join(lines), encoding="utf-8")

    def url(self, folder: Path) -> str:
        """What is said to open a store there."""
        return f"sftp://127.0.0.1:{self.port}{folder}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        if os.geteuid() == 0:
            SEPARATION.mkdir(mode=0o755, exist_ok=True)
        log = self._folder / "sshd.log"
        with log.open("wb") as output:
            command = [PROGRAM, "-D", "-e", "-f", str(self._folder / "sshd_config")]
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=output)
        deadline = time.monotonic() + START_TIMEOUT
        while f"port {self.port}" not in log_tail(log):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise ServerDiedError(log_tail(log))
            time.sleep(0.02)

    def connections(self) -> int:
        """How many there are."""
        assert self._process is not None
        return len(_children().get(self._process.pid, []))

    def cut(self) -> None:
        """End all connections at once; the server goes on listening."""
        assert self._process is not None
        for pid in _below(self._process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def stop(self) -> None:
        """End it and all connections at once."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)
            self.cut()
            self._process.kill()
            self._process.wait()
            self._process = None


@contextlib.contextmanager
def sshd(folder: Path) -> Iterator[Sshd]:
    """A server for the length of a ``with`` block."""
    server = Sshd(folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()


def _children() -> dict[int, list[int]]:
    """The processes that each process has started."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                # After the command's closing parenthesis: state, parent.
                fields = (entry / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
                children.setdefault(int(fields[1]), []).append(int(entry.name))
    return children


def _below(pid: int) -> list[int]:
    """The processes that a process has started, and theirs."""
    children = _children()
    found, waiting = [], [pid]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found
