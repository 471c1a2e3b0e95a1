"""What a list of experiments tells of each beside the experiment itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from .codes import ACTIVE

if TYPE_CHECKING:
    from .database import Transaction

__all__ = ["MOST_COUNTED", "Facts", "facts"]

MOST_COUNTED = 10_000
"""Runs of an experiment from which on they are not counted any more: a list must not read them all."""


class Facts(NamedTuple):
    """Of one experiment.

    Attributes:
        runs: active ones, up to one more than ``MOST_COUNTED``.
        newest: when the newest of them started, in milliseconds; None without any.
    """

    runs: int
    newest: int | None


def facts(tx: Transaction, numbers: Sequence[int]) -> dict[int, Facts]:
    """The facts of these experiments, by id."""
    return {number: _facts(tx, number) for number in numbers}


def _facts(tx: Transaction, number: int) -> Facts:
    some = (
        "SELECT start_time FROM runs WHERE experiment = ? AND lifecycle = ? ORDER BY start_time DESC, run_id "
        f"LIMIT {MOST_COUNTED + 1}"
    )
    ((count, newest),) = tx.driver(
        f"SELECT count(*), max(start_time) FROM ({some}) AS newest_runs", (number, ACTIVE)
    )
    return Facts(count, newest)
