"""The dictionary of metric, param and tag names: text ↔ small integer, kept in the process.

Names are only ever added, so what is cached stays right; ids made in a transaction enter the cache when it
is committed, never before.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .database import Transaction


class Keys:
    """The cache of one database, shared by its threads."""

    def __init__(self) -> None:
        self._ids: dict[str, int] = {}
        self._texts: dict[int, str] = {}

    def find(self, tx: Transaction, texts: Collection[str]) -> dict[str, int]:
        """The ids of those names that exist."""
        found, missing = self._known(tx, texts)
        if missing:
            found.update(self._select(tx, missing))
        return found

    def intern(self, tx: Transaction, texts: Collection[str]) -> dict[str, int]:
        """The ids of all these names; new ones are made."""
        found, missing = self._known(tx, texts)
        if missing:
            found.update(self._select(tx, missing))
            # Sorted, so that two transactions making the same names cannot wait for each other.
            new = sorted(text for text in missing if text not in found)
            for text in new:
                tx.driver("INSERT INTO keys (text) VALUES (?) ON CONFLICT DO NOTHING", [text])
            found.update(self._select(tx, new))
        return found

    def texts(self, tx: Transaction, ids: Collection[int]) -> dict[int, str]:
        """The names that these ids stand for."""
        cached = self._texts
        found = {number: cached[number] for number in ids if number in cached}
        missing = [number for number in ids if number not in found]
        if missing:
            rows = tx.driver(f"SELECT text, id FROM keys WHERE {tx.among('id')}", [tx.array(missing)])
            tx.fresh_keys.update(rows)
            found.update((number, text) for text, number in rows)
        return found

    def publish(self, fresh: dict[str, int]) -> None:
        """Add committed names to the cache."""
        for text, number in fresh.items():
            self._ids[text] = number
            self._texts[number] = text

    def _known(self, tx: Transaction, texts: Collection[str]) -> tuple[dict[str, int], list[str]]:
        found: dict[str, int] = {}
        missing: list[str] = []
        for text in texts:
            number = self._ids.get(text) or tx.fresh_keys.get(text)
            if number is None:
                missing.append(text)
            else:
                found[text] = number
        return found, missing

    def _select(self, tx: Transaction, texts: list[str]) -> dict[str, int]:
        if not texts:
            return {}
        rows = tx.driver(f"SELECT text, id FROM keys WHERE {tx.among('text', 'text')}", [tx.array(texts)])
        tx.fresh_keys.update(rows)
        return dict(rows)
