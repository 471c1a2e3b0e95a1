"""The trash: runs, logged models and experiments that were deleted, and which of them are due to go for good.

An *owner* is a run, a logged model or an experiment. A run and a model are due when they have been in the
trash for long enough. So is an experiment if all of its runs are; its models go with it. The experiment
``Default`` stays, as clients that name none log there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from .codes import ACTIVE, DELETED

if TYPE_CHECKING:
    from .database import Transaction

__all__ = ["KINDS", "Choice", "Kind", "Owner", "condition", "count", "due", "missing"]

Kind = Literal["run", "model", "experiment"]
KINDS: tuple[Kind, ...] = ("run", "model", "experiment")
"""In the order in which they go."""


class Owner(NamedTuple):
    """``number`` is the internal one, ``name`` the id on the wire, ``location`` where its artifacts are."""

    kind: Kind
    number: int
    name: str
    location: str


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What is to go.

    Attributes:
        before: milliseconds since the epoch; what came into the trash later stays.
        run_ids, model_ids, experiment_ids: if any is given, only these go, and what is in the experiments.
    """

    before: int
    run_ids: Sequence[str] = ()
    model_ids: Sequence[str] = ()
    experiment_ids: Sequence[int] = ()

    @property
    def is_all(self) -> bool:
        """Whether nothing is named."""
        return not (self.run_ids or self.model_ids or self.experiment_ids)


class _Noun(NamedTuple):
    table: str
    number: str
    name: str
    location: str


_NOUNS: dict[Kind, _Noun] = {
    "run": _Noun("runs", "rid", "run_id", "artifact_uri"),
    "model": _Noun("logged_models", "mid", "model_id", "artifact_uri"),
    "experiment": _Noun("experiments", "id", "id", "artifact_location"),
}

_EXPERIMENT_IS_DUE = (
    f"experiments.id <> 0 AND experiments.lifecycle = {DELETED} AND experiments.updated <= ? "
    "AND NOT EXISTS (SELECT 1 FROM runs AS r WHERE r.experiment = experiments.id "
    f"AND (r.lifecycle = {ACTIVE} OR r.deleted_time > ?))"
)
_IN_DUE_EXPERIMENT = f"experiment IN (SELECT id FROM experiments WHERE {_EXPERIMENT_IS_DUE})"


def condition(kind: Kind, before: int) -> tuple[str, list[object]]:
    """SQL that is true of the rows that are due, with its parameters."""
    if kind == "run":
        return f"lifecycle = {DELETED} AND deleted_time <= ?", [before]
    if kind == "model":
        return f"((lifecycle = {DELETED} AND updated <= ?) OR {_IN_DUE_EXPERIMENT})", [before] * 3
    return _EXPERIMENT_IS_DUE, [before] * 2


def due(tx: Transaction, kind: Kind, choice: Choice, after: int = -1, limit: int = 500) -> list[Owner]:
    """What is due, by number; at most ``limit``, after the number ``after``."""
    noun = _NOUNS[kind]
    where, parameters = _chosen(tx, kind, choice)
    rows = tx.driver(
        f"SELECT {noun.number}, {noun.name}, {noun.location} FROM {noun.table} "
        f"WHERE {noun.number} > ? AND {where} ORDER BY {noun.number} LIMIT ?",
        [after, *parameters, limit],
    )
    return [Owner(kind, number, str(name), location) for number, name, location in rows]


def count(tx: Transaction, choice: Choice) -> int:
    """How many owners are due."""
    total = 0
    for kind in KINDS:
        where, parameters = _chosen(tx, kind, choice)
        ((number,),) = tx.driver(f"SELECT count(*) FROM {_NOUNS[kind].table} WHERE {where}", parameters)
        total += number
    return total


def missing(tx: Transaction, choice: Choice) -> list[tuple[Kind, str]]:
    """Those named that are not due: not there, not in the trash or not for long enough."""
    found: list[tuple[Kind, str]] = []
    for kind, names in _named(choice):
        noun = _NOUNS[kind]
        where, parameters = condition(kind, choice.before)
        rows = tx.driver(
            f"SELECT {noun.name} FROM {noun.table} "
            f"WHERE {tx.among(noun.name, 'bigint' if kind == 'experiment' else 'text')} AND {where}",
            [tx.array(names), *parameters],
        )
        there = {name for (name,) in rows}
        found += [(kind, str(name)) for name in names if name not in there]
    return found


def _named(choice: Choice) -> list[tuple[Kind, Sequence[str] | Sequence[int]]]:
    named: list[tuple[Kind, Sequence[str] | Sequence[int]]] = [
        ("run", choice.run_ids),
        ("model", choice.model_ids),
        ("experiment", choice.experiment_ids),
    ]
    return [(kind, names) for kind, names in named if names]


def _chosen(tx: Transaction, kind: Kind, choice: Choice) -> tuple[str, list[object]]:
    where, parameters = condition(kind, choice.before)
    if choice.is_all:
        return where, parameters
    numbers = tx.array(choice.experiment_ids)
    if kind == "experiment":
        return f"{tx.among('id')} AND {where}", [numbers, *parameters]
    names = choice.run_ids if kind == "run" else choice.model_ids
    chosen = f"({tx.among(_NOUNS[kind].name, 'text')} OR ({tx.among('experiment')} AND {_IN_DUE_EXPERIMENT}))"
    return f"{chosen} AND {where}", [tx.array(names), numbers, choice.before, choice.before, *parameters]
