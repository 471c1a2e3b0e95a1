"""Giving stored locations another beginning, when the files have been brought elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .database import Transaction

__all__ = ["Moved", "below", "relocate"]

_COLUMNS = (
    ("experiments", "id", "artifact_location"),
    ("runs", "rid", "artifact_uri"),
    ("logged_models", "mid", "artifact_uri"),
)
_BELOW = "({column} = ? OR substr({column}, 1, ?) = ?)"


class Moved(NamedTuple):
    """How many locations were changed."""

    experiments: int
    runs: int
    models: int


def below(tx: Transaction, old: str) -> list[str]:
    """The locations of runs and logged models below a place, itself without a slash at its end."""
    found: list[str] = []
    for table, _, column in _COLUMNS[1:]:
        sql = f"SELECT {column} FROM {table} WHERE {_BELOW.format(column=column)} ORDER BY {column}"
        found += [location for (location,) in tx.driver(sql, _parameters(old))]
    return found


def relocate(tx: Transaction, old: str, new: str) -> Moved:
    """Replace the beginning of every location that is ``old`` or lies below it; both without a slash."""
    counts: list[int] = []
    for table, number, column in _COLUMNS:
        rows = tx.driver(
            f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE {_BELOW.format(column=column)} "
            f"RETURNING {number}",
            [new, len(old) + 1, *_parameters(old)],
        )
        counts.append(len(rows))
    return Moved(*counts)


def _parameters(old: str) -> list[object]:
    return [old, len(old) + 1, f"{old}/"]
