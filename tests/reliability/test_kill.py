"""A server that is killed or stopped in the middle of its work loses nothing that it acknowledged."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.reliability.ledger import Ledger
from tests.servers import free_port, start_standalone

WRITERS = 6
ROUNDS = 5

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_kill_loses_no_acknowledged_batch(
    database: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """`kill -9` five times, each after another number of batches; then each lost batch is sent again."""
    backend = request.getfixturevalue("postgres_uri") if database == "postgresql" else None
    chance, port, ledger = random.Random(20261123), free_port(), Ledger()
    server = start_standalone(tmp_path, backend=backend, auth="none", port=port)
    try:
        for _ in range(ROUNDS):
            target = ledger.acknowledged + chance.randrange(40, 200)
            with ledger.writers([server] * WRITERS):
                ledger.wait_for_acknowledged(target)
                server.kill()
            server = start_standalone(tmp_path, backend=backend, auth="none", port=port)
            ledger.check(server)
            ledger.resend_unacknowledged(server)
        ledger.check(server)
        assert ledger.acknowledged == len(ledger.batches)
        # Five times six writers were cut off, and by nothing else than the end of their connection.
        assert all(
            failure.startswith(("ConnectionError", "ChunkedEncodingError")) for failure in ledger.failures
        )
    finally:
        server.kill()


def test_terminate_drains(tmp_path: Path) -> None:
    """SIGTERM under load: exit code 0, all that was acknowledged is there, no batch is torn."""
    ledger = Ledger()
    server = start_standalone(tmp_path, auth="none")
    try:
        with ledger.writers([server] * WRITERS):
            ledger.wait_for_acknowledged(100)
            code = server.stop(timeout=20)
        assert code == 0
    finally:
        server.kill()
    with start_standalone(tmp_path, auth="none") as again:
        ledger.check(again)
        ledger.resend_unacknowledged(again)
        ledger.check(again)
