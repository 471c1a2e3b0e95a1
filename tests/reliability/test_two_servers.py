"""Two Jupyter Servers of one user, both with the default store, log at the same time."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests

from tests.reliability.ledger import Ledger, create_run, get, post
from tests.servers import Server, start_embedded

WRITERS_EACH = 3

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[list[Server]]:
    """Two servers of one home, started at the same moment, so that they race for making the store too."""
    with ExitStack() as stack, ThreadPoolExecutor(2) as starters:
        started = [starters.submit(start_embedded, tmp_path) for _ in range(2)]
        yield [stack.enter_context(future.result()) for future in started]


def test_all_that_either_acknowledged_is_seen_by_both(servers: list[Server]) -> None:
    """Writers on both servers, none of which ever sees an error; both servers then show everything."""
    ledger = Ledger()
    with ledger.writers(servers * WRITERS_EACH):
        ledger.wait_for_acknowledged(200)
    assert ledger.failures == []
    for server in servers:
        ledger.check(server)


def test_one_run_through_both(servers: list[Server]) -> None:
    """One run takes points, params and tags from both at once; what one acknowledged the other shows next."""
    count = 40
    with requests.Session() as http:
        run_id = create_run(http, servers[0])

    def write(number: int) -> None:
        mine, other = servers[number], servers[1 - number]
        with requests.Session() as session:
            for step in range(count):
                point = {"key": "m", "value": float(number), "timestamp": 1 + step, "step": step}
                param = {"key": f"p{number}.{step}", "value": "x"}
                tag = {"key": "last", "value": f"{number}.{step}"}
                body = {"run_id": run_id, "metrics": [point], "params": [param], "tags": [tag]}
                post(session, mine, "runs/log-batch", body)
                data = get(session, other, "runs/get", run_id=run_id)["run"]["data"]
                assert param in data["params"]

    with ThreadPoolExecutor(2) as writers:
        list(writers.map(write, range(2)))
    expected = [(step, float(number)) for step in range(count) for number in range(2)]
    with requests.Session() as http:
        for server in servers:
            history = get(http, server, "metrics/get-history", run_id=run_id, metric_key="m")["metrics"]
            assert [(point["step"], point["value"]) for point in history] == expected
            data = get(http, server, "runs/get", run_id=run_id)["run"]["data"]
            assert len(data["params"]) == 2 * count
