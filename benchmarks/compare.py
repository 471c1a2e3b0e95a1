"""The same load on our server, on stock `mlflow server` and on FastTrackML, side by side: medians and ratios.

    python -m benchmarks.compare [--postgres] [--runs 10000] [--rounds 3] [--seconds 3] [--only search]

Within a round every scenario visits the servers in turn, in an order that rotates with the round, so that
whatever else the machine does falls on all of them alike. A ratio is taken within each round; the table
has the medians, and the lowest and highest ratio in brackets. Each server's durability: see
`benchmarks/peers.py`.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import load
from benchmarks.peers import PEERS, Peer
from benchmarks.scenarios import SCENARIOS, Goals, Scenario, Seeded
from tests.servers import Server, postgres, session_memory

MIB = 2**20
START_GOALS: Goals = {("sqlite", "fasttrackml"): 0.1, ("postgresql", "fasttrackml"): 0.1}
MEMORY_GOALS: Goals = {
    (database, peer): goal
    for database in ("sqlite", "postgresql")
    for peer, goal in (("stock", 30), ("fasttrackml", 0.5))
}


@dataclass
class Row:
    """One line of the table: per peer the figure of each round (None: it has no such endpoint)."""

    name: str
    unit: str
    goals: Goals
    figures: dict[str, list[float | None]] = field(default_factory=dict)

    def note(self, peer: str, figure: float | None) -> None:
        """Add a round's figure of a peer."""
        self.figures.setdefault(peer, []).append(figure)

    def median(self, peer: str) -> str:
        """The peer's median over the rounds."""
        known = [figure for figure in self.figures.get(peer, ()) if figure is not None]
        if not known:
            return "none"
        middle = statistics.median(known)
        return f"{middle:,.0f}" if middle >= 100 else f"{middle:.3g}"

    def ratio(self, ours: str, peer: str, database: str) -> str:
        """How many times better ours is, by round: median, lowest and highest, and the goal."""
        pairs = zip(self.figures.get(ours, ()), self.figures.get(peer, ()), strict=True)
        rates = self.unit.endswith("/s")
        ratios = [mine / theirs if rates else theirs / mine for mine, theirs in pairs if mine and theirs]
        if not ratios:
            return "none"
        middle = statistics.median(ratios)
        text = f"{middle:.3g} ({min(ratios):.3g} to {max(ratios):.3g})"
        goal = self.goals.get((database, peer))
        return text if goal is None else f"{text}, goal {goal:g}{'' if middle >= goal else ' **missed**'}"


@dataclass(frozen=True)
class Comparison:
    """One run of the whole: which servers, on which database, how long."""

    peers: Sequence[Peer]
    database: str
    make_backend: Callable[[], str | None]
    runs: int
    rounds: int
    seconds: float
    scenarios: Sequence[Scenario]

    def measure(self) -> list[Row]:
        """Start and seed every server, then do all rounds."""
        at_rest = [Row("start to /health", "s", START_GOALS), Row("memory at rest", "MiB", MEMORY_GOALS)]
        rows = [Row(scenario.name, scenario.unit, scenario.goals) for scenario in self.scenarios]
        for number in range(self.rounds):
            for peer in self._turn(number):
                self._measure_rest(peer, *at_rest)
        with ExitStack() as stack:
            seeded = {peer.name: self._seed(peer, stack) for peer in self.peers}
            check_answers(seeded)
            for number in range(self.rounds):
                say(f"round {number + 1} of {self.rounds}")
                for scenario, row in zip(self.scenarios, rows, strict=True):
                    for peer in self._turn(number):
                        row.note(peer.name, self._visit(scenario, peer, seeded[peer.name]))
        return [*rows, *at_rest]

    def _turn(self, number: int) -> list[Peer]:
        """The peers in this round's order."""
        shift = number % len(self.peers)
        return [*self.peers[shift:], *self.peers[:shift]]

    @contextmanager
    def _started(self, peer: Peer) -> Iterator[Server]:
        with (
            tempfile.TemporaryDirectory(prefix="jt-bench-", ignore_cleanup_errors=True) as folder,
            peer.start(Path(folder), self.make_backend()) as server,
        ):
            yield server

    def _seed(self, peer: Peer, stack: ExitStack) -> Seeded:
        server = stack.enter_context(self._started(peer))
        began = time.monotonic()
        seeded = Seeded(server, self.runs)
        say(f"{peer.name}: {self.runs} runs and one long history in {time.monotonic() - began:.1f} s")
        return seeded

    def _measure_rest(self, peer: Peer, start: Row, memory: Row) -> None:
        began = time.monotonic()
        with self._started(peer) as server:
            start.note(peer.name, time.monotonic() - began)
            memory.note(peer.name, settled_memory(server) / MIB)

    def _visit(self, scenario: Scenario, peer: Peer, seeded: Seeded) -> float | None:
        """One scenario on one server, after a short warm-up of the same requests."""
        requests = scenario.requests(seeded)
        url, connections = seeded.server.url, scenario.connections
        load.run(url, requests, connections=connections, seconds=self.seconds / 10)
        result = load.run(url, requests, connections=connections, seconds=self.seconds)
        if result.errors:
            say(f"{scenario.name}, {peer.name}: {result.errors} errors: {result.first_error[:300]}")
        return scenario.value(result) if result.latencies else None


def check_answers(seeded: Mapping[str, Seeded]) -> None:
    """Demand that every server finds the same runs in the same order, so that the work is the same.

    Raises:
        RuntimeError: two servers disagree.
    """
    for scenario in SCENARIOS:
        if scenario.unit == "ms" and scenario.name.startswith("search"):
            found = {name: data.names_found(scenario) for name, data in seeded.items()}
            if len({tuple(names) for names in found.values()}) > 1:
                heads = {name: names[:5] for name, names in found.items()}
                raise RuntimeError(f"{scenario.name}: the answers differ: {heads}")


def settled_memory(server: Server) -> int:
    """The PSS of a server's processes in bytes, when it has changed by less than 1 % in a second."""
    before, now = 0, session_memory(server.pid)
    while abs(now - before) > now / 100:
        time.sleep(1.0)
        before, now = now, session_memory(server.pid)
    return now


def table(rows: Sequence[Row], peers: Sequence[str], database: str) -> str:
    """A Markdown table: each peer's median, then the ratios of ours."""
    ours = [name for name in peers if name.startswith("ours")]
    pairs = [(mine, other) for mine in ours for other in peers if other not in ours]
    # Stock's durability is our default's.
    pairs = [pair for pair in pairs if pair != ("ours-normal", "stock")]
    head = [f"{database}", "unit", *peers, *(f"{mine} / {other}" for mine, other in pairs)]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for row in rows:
        cells = [row.name, row.unit, *(row.median(name) for name in peers)]
        cells += [row.ratio(mine, other, database) for mine, other in pairs]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def sqlite() -> None:
    """The backend URI by which each server makes an SQLite file of its own."""


def say(text: str) -> None:
    """Tell how far it is, beside the table."""
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    """Parse the options, measure, print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--postgres", action="store_true", help="all on PostgreSQL instead of SQLite")
    parser.add_argument("--runs", type=int, default=2000, help="runs that the searches go over")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0, help="length of one visit")
    parser.add_argument("--only", default="", help="only scenarios whose name contains this")
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS))
    options = parser.parse_args()
    for name in options.peers:
        PEERS[name].prepare()
    with ExitStack() as stack:
        make_backend: Callable[[], str | None] = sqlite
        if options.postgres:
            # There both durabilities are the same: PostgreSQL's own.
            options.peers = [name for name in options.peers if name != "ours-normal"]
            make_backend = stack.enter_context(postgres(durable=True)).create_database
        comparison = Comparison(
            peers=[PEERS[name] for name in options.peers],
            database="postgresql" if options.postgres else "sqlite",
            make_backend=make_backend,
            runs=options.runs,
            rounds=options.rounds,
            seconds=options.seconds,
            scenarios=[scenario for scenario in SCENARIOS if options.only in scenario.name],
        )
        print(table(comparison.measure(), options.peers, comparison.database))


if __name__ == "__main__":
    main()
