"""What can be searched: for each noun its entities, keys, comparators and columns, declared once.

A *noun* is what a search returns. An *attribute* is a column of the noun's own table. An *entity* is a
family of keyed values in a table beside it, such as the metrics of a run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from ..store.codes import MODEL_STATUS, RUN_STATUS

__all__ = ["EXPERIMENTS", "LOGGED_MODELS", "RUNS", "Attribute", "Entity", "Field", "Noun"]

Kind = Literal["text", "number", "id"]
"""How values compare; an ``id`` is an integer that filters write in quotes."""

NUMBER = ("=", "!=", "<", "<=", ">", ">=")
TEXT = ("=", "!=", "LIKE", "ILIKE")
LIST = ("IN", "NOT IN")
NULL = ("IS NULL", "IS NOT NULL")


@dataclass(frozen=True)
class Attribute:
    """A column of the noun's table.

    Attributes:
        nullable: some rows have no value; in any order these come last.
        spellings: for a column of codes, the texts that each code is known by: one mapping for each way
            of saying it, the first of which also gives the order.
    """

    column: str
    kind: Kind
    comparators: tuple[str, ...]
    nullable: bool = False
    spellings: tuple[Mapping[int, str], ...] = field(default=(), hash=False)


@dataclass(frozen=True)
class Entity:
    """Keyed values in ``table``.

    Attributes:
        name: as error messages say it.
        keys: the only keys, for an entity whose keys are columns; empty where any key may be.
        indexed: (key, value, row) is an index, from which a search can start.
    """

    name: str
    table: str
    kind: Kind
    comparators: tuple[str, ...]
    keys: tuple[str, ...] = ()
    orderable: bool = True
    indexed: bool = False


Field = Attribute | Entity


@dataclass(frozen=True)
class Noun:
    """Something that can be searched.

    Attributes:
        table: its rows; ``row`` is the column of their integer key.
        owner: the column of the entities' tables that refers to ``row``.
        prefixes: what may stand before an attribute's name.
        attributes: by each name that a request may use.
        entities: by each prefix.
        default_order: attribute and whether descending, where a request gives no order.
        ties: appended to the order that a request gives.
        lenient: takes bare words and numbers for text, and keys without the quotes they should have.
    """

    table: str
    row: str
    owner: str
    prefixes: tuple[str, ...]
    attributes: Mapping[str, Attribute]
    entities: Mapping[str, Entity]
    default_order: tuple[tuple[str, bool], ...]
    ties: tuple[tuple[str, bool], ...]
    lenient: bool = False


_RUN_NAME = Attribute("name", "text", TEXT)
_START_TIME = Attribute("start_time", "number", NUMBER)
_METRICS = Entity("metric", "latest_metrics", "number", NUMBER, indexed=True)
_PARAMS = Entity("parameter", "params", "text", TEXT + NULL, indexed=True)
_TAGS = Entity("tag", "tags", "text", TEXT + NULL, indexed=True)
_DATASETS = Entity(
    "dataset", "dataset_inputs", "text", TEXT + LIST, keys=("name", "digest", "context"), orderable=False
)
_RUN_ORDER = (("start_time", True), ("run_id", False))

RUNS = Noun(
    table="runs",
    row="rid",
    owner="rid",
    prefixes=("attribute", "attributes", "attr", "run"),
    attributes={
        "run_id": Attribute("run_id", "text", TEXT + LIST),
        "run_name": _RUN_NAME,
        "run name": _RUN_NAME,
        "Run name": _RUN_NAME,
        "Run Name": _RUN_NAME,
        "status": Attribute(
            "status", "text", TEXT, spellings=({code: status.value for code, status in RUN_STATUS.items()},)
        ),
        "user_id": Attribute("user_id", "text", TEXT),
        "artifact_uri": Attribute("artifact_uri", "text", TEXT),
        "start_time": _START_TIME,
        "created": _START_TIME,
        "Created": _START_TIME,
        "end_time": Attribute("end_time", "number", NUMBER, nullable=True),
    },
    entities={
        **dict.fromkeys(("metric", "metrics"), _METRICS),
        **dict.fromkeys(("parameter", "parameters", "param", "params"), _PARAMS),
        **dict.fromkeys(("tag", "tags"), _TAGS),
        **dict.fromkeys(("dataset", "datasets"), _DATASETS),
    },
    default_order=_RUN_ORDER,
    ties=_RUN_ORDER,
)

_EXPERIMENT_TAGS = Entity("tag", "experiment_tags", "text", TEXT + NULL, orderable=False)

EXPERIMENTS = Noun(
    table="experiments",
    row="id",
    owner="experiment",
    prefixes=("attribute",),
    attributes={
        "name": Attribute("name", "text", TEXT),
        "experiment_id": Attribute("id", "id", ("=", "!=", *LIST)),
        "creation_time": Attribute("created", "number", NUMBER),
        "last_update_time": Attribute("updated", "number", NUMBER),
    },
    entities=dict.fromkeys(("tag", "tags"), _EXPERIMENT_TAGS),
    default_order=(("creation_time", True), ("experiment_id", False)),
    ties=(("experiment_id", True),),
)

_SHORT_STATUS = {
    code: status.value.removeprefix("LOGGED_MODEL_").removeprefix("STATUS_")
    for code, status in MODEL_STATUS.items()
}
_CREATED = Attribute("created", "number", NUMBER)
_UPDATED = Attribute("updated", "number", NUMBER)
_MODEL_ORDER = (("creation_timestamp", True), ("model_id", False))

LOGGED_MODELS = Noun(
    table="logged_models",
    row="mid",
    owner="mid",
    prefixes=("attributes",),
    attributes={
        "name": Attribute("name", "text", TEXT + LIST),
        "model_id": Attribute("model_id", "text", TEXT + LIST),
        "model_type": Attribute("model_type", "text", TEXT + LIST, nullable=True),
        "status": Attribute(
            "status",
            "text",
            TEXT + LIST,
            spellings=(
                _SHORT_STATUS,
                {code: status.value for code, status in MODEL_STATUS.items()},
                {code: str(code) for code in MODEL_STATUS},
            ),
        ),
        "source_run_id": Attribute("source_run_id", "text", TEXT + LIST, nullable=True),
        "experiment_id": Attribute("experiment", "id", ("=", "!=", *LIST)),
        "artifact_location": Attribute("artifact_uri", "text", TEXT + LIST),
        **dict.fromkeys(("creation_timestamp", "creation_timestamp_ms", "creation_time"), _CREATED),
        **dict.fromkeys(("last_updated_timestamp", "last_updated_timestamp_ms"), _UPDATED),
    },
    entities={
        "metrics": Entity("metrics", "logged_model_metrics", "number", NUMBER),
        "params": Entity("params", "logged_model_params", "text", TEXT + LIST, orderable=False),
        "tags": Entity("tags", "logged_model_tags", "text", TEXT + LIST, orderable=False),
    },
    default_order=_MODEL_ORDER,
    ties=_MODEL_ORDER,
    lenient=True,
)
