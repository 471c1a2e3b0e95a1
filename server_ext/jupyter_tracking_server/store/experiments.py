"""Experiments and their tags."""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain, count
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from jupyter_tracking.protocol.enums import LifecycleStage
from jupyter_tracking.protocol.errors import ResourceAlreadyExists, ResourceConflict
from jupyter_tracking.protocol.experiments import Experiment, ExperimentTag
from jupyter_tracking.protocol.grants import Grant

from . import grants
from .bulk import BulkInsert
from .codes import ACTIVE, DELETED, LIFECYCLE
from .tables import experiment_tags, experiments

if TYPE_CHECKING:
    from .database import Transaction

_SELECT = "SELECT id, name, artifact_location, lifecycle, updated, created, namespace FROM experiments"
_PUT_TAGS = BulkInsert(
    experiment_tags,
    ("experiment", "key", "value"),
    "ON CONFLICT (experiment, key) DO UPDATE SET value = excluded.value",
)


@dataclass(frozen=True)
class NewExperiment:
    """An experiment to be made.

    Attributes:
        root: where artifacts go if ``location`` is empty: ``<root>/<id>``.
        now: milliseconds since the epoch.
        owner: who makes it.
        namespace: within which its name is taken: a user's, or "" for the one that all share.
        namesake: that user, who takes the name from an experiment in which they have no role any more; None
            for the one that all share.
        grants: who may do what in it.
    """

    name: str
    root: str
    now: int
    location: str = ""
    tags: Sequence[ExperimentTag] = field(default_factory=list)
    owner: str = ""
    namespace: str = ""
    namesake: grants.Subject | None = None
    grants: Sequence[Grant] = ()


def create(tx: Transaction, new: NewExperiment) -> int:
    """Store a new, active experiment and return its id.

    Raises:
        ResourceAlreadyExists: the name is taken, perhaps by a deleted experiment.
    """
    if new.namesake is not None:
        make_free(tx, new.name, new.namespace, new.namesake)
    row = (new.name, new.location, ACTIVE, new.now, new.now, new.owner, new.namespace)
    made = tx.driver(
        "INSERT INTO experiments (name, artifact_location, lifecycle, created, updated, owner, namespace) "
        "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (name, namespace) DO NOTHING RETURNING id",
        row,
    )
    if not made:
        raise _taken(new.name)
    number: int = made[0][0]
    if not new.location:
        location = f"{new.root}/{number}"
        tx.driver("UPDATE experiments SET artifact_location = ? WHERE id = ?", (location, number))
    _put_tags(tx, number, {tag.key: tag.value for tag in new.tags})
    grants.put(tx, number, new.grants)
    return number


def get(tx: Transaction, number: int) -> Experiment | None:
    """An experiment by id, also a deleted one."""
    return _one(tx, tx.driver(f"{_SELECT} WHERE id = ?", [number]))


def get_by_name(
    tx: Transaction, name: str, namespace: str = "", subject: grants.Subject | None = None
) -> Experiment | None:
    """An experiment by name, also a deleted one: that of the namespace, else one that the subject may read.

    Of several the one in which the subject has the greatest role, then the oldest; without a subject, the
    oldest of all.
    """
    if subject is None:
        sql = "SELECT id FROM experiments WHERE name = ? ORDER BY namespace <> ?, id LIMIT 1"
        found = tx.driver(sql, (name, namespace))
    else:
        condition, parameters = grants.among_subjects(tx, subject)
        found = tx.driver(
            "SELECT id FROM experiments JOIN grants ON grants.experiment = id "
            f"WHERE experiments.name = ? AND {condition} "
            "GROUP BY id, namespace ORDER BY namespace <> ?, max(role) DESC, id LIMIT 1",
            (name, *parameters, namespace),
        )
    return get(tx, found[0][0]) if found else None


def own(tx: Transaction, name: str, namespace: str, subject: grants.Subject) -> int | None:
    """The id of the experiment that has the name in the namespace, also a deleted one.

    None if there is none, or the subject has no role in it any more.
    """
    condition, parameters = _has_role(tx, subject)
    found = tx.driver(
        f"SELECT id FROM experiments WHERE name = ? AND namespace = ? AND {condition}",
        (name, namespace, *parameters),
    )
    return found[0][0] if found else None


def find(tx: Transaction, text: str) -> list[int]:
    """The ids of the experiments that an administrator may mean: by id, or as ``namespace/name``."""
    if text.isascii() and text.isdigit() and len(text) <= 18:
        rows = tx.driver("SELECT id FROM experiments WHERE id = ?", [int(text)])
    else:
        rows = tx.driver("SELECT id FROM experiments WHERE namespace || '/' || name = ? ORDER BY id", [text])
    return [number for (number,) in rows]


def hand_over(tx: Transaction, namespace: str, heir: str) -> list[tuple[str, str]]:
    """Bring all experiments of a namespace into another one.

    Returns:
        The old and the new name of each; it changes where the heir has one of that name.
    """
    taken = {name for (name,) in tx.driver("SELECT name FROM experiments WHERE namespace = ?", [heir])}
    moved: list[tuple[str, str]] = []
    rows = tx.driver("SELECT id, name FROM experiments WHERE namespace = ? ORDER BY id", [namespace])
    for number, name in rows:
        names = chain([name, f"{name} ({namespace})"], (f"{name} ({namespace}, {n})" for n in count(2)))
        new = next(free for free in names if free not in taken)
        taken.add(new)
        tx.driver("UPDATE experiments SET namespace = ?, name = ? WHERE id = ?", (heir, new, number))
        moved.append((name, new))
    return moved


def vacate(tx: Transaction, namespace: str) -> None:
    """Make all names of a namespace free, for a later user of that name; the experiments keep theirs."""
    tx.driver("UPDATE experiments SET namespace = ? WHERE namespace = ?", (_left(namespace), namespace))


def make_free(tx: Transaction, name: str, namespace: str, subject: grants.Subject) -> None:
    """Make one name of a namespace free, if it is that of an experiment in which the subject has no role."""
    condition, parameters = _has_role(tx, subject)
    tx.driver(
        f"UPDATE experiments SET namespace = ? WHERE name = ? AND namespace = ? AND NOT {condition}",
        (_left(namespace), name, namespace, *parameters),
    )


def _left(namespace: str) -> str:
    """A namespace that nobody has: no user has a colon in the name."""
    return f"{namespace}:{secrets.token_hex(4)}"


def _has_role(tx: Transaction, subject: grants.Subject) -> tuple[str, list[object]]:
    """SQL with its parameters: the subject has a role in a row of ``experiments``."""
    condition, parameters = grants.among_subjects(tx, subject)
    return (
        f"EXISTS (SELECT 1 FROM grants WHERE grants.experiment = experiments.id AND {condition})",
        parameters,
    )


def locations(tx: Transaction, numbers: Sequence[int], visible: grants.Visible) -> dict[int, str]:
    """The artifact locations of those among some experiments that are ``visible``."""
    columns = experiments.c
    wanted = select(columns.id, columns.artifact_location).where(columns.id.in_(numbers), visible(columns.id))
    return {row.id: row.artifact_location for row in tx.rows(wanted)}


def load(tx: Transaction, numbers: Sequence[int]) -> list[Experiment]:
    """Experiments, whole, in the order of these ids; two statements for any number of them."""
    rows = {row[0]: row for row in tx.driver(f"{_SELECT} WHERE {tx.among('id')}", [tx.array(numbers)])}
    tags = _tags(tx, numbers)
    return [_experiment(rows[number], tags[number]) for number in numbers if number in rows]


def set_lifecycle(tx: Transaction, number: int, stage: LifecycleStage, now: int) -> bool:
    """Delete or restore an experiment and all its runs; False if it is there already, or missing."""
    code, runs_deleted = (DELETED, now) if stage is LifecycleStage.DELETED else (ACTIVE, None)
    moved = tx.driver(
        "UPDATE experiments SET lifecycle = ?, updated = ? WHERE id = ? AND lifecycle <> ? RETURNING id",
        (code, now, number, code),
    )
    if moved:
        tx.driver(
            "UPDATE runs SET lifecycle = ?, deleted_time = ? WHERE experiment = ?",
            (code, runs_deleted, number),
        )
    return bool(moved)


def rename(tx: Transaction, number: int, name: str, now: int) -> None:
    """Give an experiment another name.

    Raises:
        ResourceAlreadyExists: the name is taken by another experiment.
    """
    try:
        with tx.savepoint():
            tx.driver("UPDATE experiments SET name = ?, updated = ? WHERE id = ?", (name, now, number))
    except ResourceConflict:
        raise _taken(name) from None


def set_tag(tx: Transaction, number: int, key: str, value: str) -> None:
    """Set a tag, in place of an older value."""
    _put_tags(tx, number, {key: value})


def delete_tag(tx: Transaction, number: int, key: str) -> bool:
    """Remove a tag; False if there is none."""
    sql = "DELETE FROM experiment_tags WHERE experiment = ? AND key = ? RETURNING key"
    found = tx.keys.find(tx, [key])
    return key in found and bool(tx.driver(sql, (number, found[key])))


def _put_tags(tx: Transaction, number: int, tags: dict[str, str]) -> None:
    ids = tx.keys.intern(tx, tags)
    _PUT_TAGS.run(tx, [(number, ids[key], value) for key, value in tags.items()])


def _tags(tx: Transaction, numbers: Sequence[int]) -> dict[int, list[ExperimentTag]]:
    sql = f"SELECT experiment, key, value FROM experiment_tags WHERE {tx.among('experiment')}"
    rows = tx.driver(sql, [tx.array(numbers)])
    texts = tx.keys.texts(tx, {key for _, key, _ in rows})
    tags: dict[int, list[ExperimentTag]] = defaultdict(list)
    for number, key, value in rows:
        tags[number].append(ExperimentTag(texts[key], value))
    for items in tags.values():
        items.sort(key=lambda tag: tag.key)
    return tags


def _one(tx: Transaction, rows: list[tuple[Any, ...]]) -> Experiment | None:
    return _experiment(rows[0], _tags(tx, [rows[0][0]])[rows[0][0]]) if rows else None


def _experiment(row: tuple[Any, ...], tags: list[ExperimentTag]) -> Experiment:
    number, name, location, lifecycle, updated, created, namespace = row
    # Also of a name that was left, whose it was.
    owner = namespace.partition(":")[0]
    return Experiment(str(number), name, location, LIFECYCLE[lifecycle], updated, created, tags, owner)


def _taken(name: str) -> ResourceAlreadyExists:
    return ResourceAlreadyExists(f"Experiment(name={name}) already exists.")
