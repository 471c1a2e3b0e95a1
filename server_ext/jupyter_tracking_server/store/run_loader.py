"""Loading runs whole: one statement for each kind of thing they hold, whatever the number of runs."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from jupyter_tracking.protocol.datasets import Dataset, DatasetInput, InputTag
from jupyter_tracking.protocol.metrics import Metric
from jupyter_tracking.protocol.params import Param
from jupyter_tracking.protocol.runs import ModelOutput, Run, RunData, RunInfo, RunInputs, RunOutputs
from jupyter_tracking.protocol.tags import RunTag
from jupyter_tracking.protocol.wire import Double, to_double

from .codes import LIFECYCLE, RUN_STATUS

if TYPE_CHECKING:
    from .database import Transaction

Row = tuple[Any, ...]
Item = TypeVar("Item")
ByRun = dict[int, list[Item]]

INFO_COLUMNS = "run_id, name, experiment, user_id, status, start_time, artifact_uri, lifecycle, end_time"
_BY_KEY = attrgetter("key")
_INPUT_TAGS = msgspec.json.Decoder(list[InputTag])


def load(tx: Transaction, rids: Sequence[int]) -> list[Run]:
    """The runs of these internal ids, in this order, with all but their model inputs."""
    wanted = [tx.array(rids)]
    rows = tx.driver(f"SELECT rid, {INFO_COLUMNS} FROM runs WHERE {tx.among('rid')}", wanted)
    infos = {row[0]: run_info(row[1:]) for row in rows}
    metrics = _latest_metrics(tx, wanted)
    params = _keyed_texts(tx, "params", wanted, Param)
    tags = _keyed_texts(tx, "tags", wanted, RunTag)
    inputs = _dataset_inputs(tx, wanted)
    outputs = _model_outputs(tx, wanted)
    return [
        Run(
            infos[rid],
            RunData(metrics[rid], params[rid], tags[rid]),
            RunInputs(inputs[rid]),
            RunOutputs(outputs[rid]) if rid in outputs else None,
        )
        for rid in rids
        if rid in infos
    ]


def run_info(row: Row) -> RunInfo:
    """A row of ``INFO_COLUMNS``."""
    run_id, name, experiment, user_id, status, start_time, artifact_uri, lifecycle, end_time = row
    return RunInfo(
        run_id=run_id,
        run_uuid=run_id,
        run_name=name,
        experiment_id=str(experiment),
        user_id=user_id,
        status=RUN_STATUS[status],
        start_time=start_time,
        artifact_uri=artifact_uri,
        lifecycle_stage=LIFECYCLE[lifecycle],
        end_time=end_time,
    )


def stored_double(value: float | None) -> Double:
    """A stored metric value, NULL being NaN, as the wire writes it."""
    return to_double(math.nan if value is None else value)


# The next two make most of what a page of runs holds, so they are written out rather than shared.


def _latest_metrics(tx: Transaction, wanted: list[object]) -> ByRun[Metric]:
    rows = tx.driver(
        f"SELECT rid, key, value, timestamp, step FROM latest_metrics WHERE {tx.among('rid')}", wanted
    )
    texts = tx.keys.texts(tx, {row[1] for row in rows})
    found: ByRun[Metric] = defaultdict(list)
    for rid, key, value, timestamp, step in rows:
        finite = value is not None and -math.inf < value < math.inf
        shown = value if finite else stored_double(value)
        found[rid].append(Metric(texts[key], shown, timestamp, step))
    return _by_key(found)


def _keyed_texts(
    tx: Transaction, table: str, wanted: list[object], kind: Callable[[str, str], Item]
) -> ByRun[Item]:
    rows = tx.driver(f"SELECT rid, key, value FROM {table} WHERE {tx.among('rid')}", wanted)
    texts = tx.keys.texts(tx, {row[1] for row in rows})
    found: ByRun[Item] = defaultdict(list)
    for rid, key, value in rows:
        found[rid].append(kind(texts[key], value))
    return _by_key(found)


def _by_key(found: ByRun[Item]) -> ByRun[Item]:
    for items in found.values():
        items.sort(key=_BY_KEY)
    return found


def _dataset_inputs(tx: Transaction, wanted: list[object]) -> ByRun[DatasetInput]:
    rows = tx.driver(
        'SELECT i.rid, i.tags, d.name, d.digest, d.source_type, d.source, d."schema", d.profile '
        f"FROM dataset_inputs i JOIN datasets d ON d.id = i.dataset WHERE {tx.among('i.rid')} "
        "ORDER BY i.rid, i.dataset",
        wanted,
    )
    return _grouped(
        (rid, DatasetInput(Dataset(*dataset), _INPUT_TAGS.decode(tags))) for rid, tags, *dataset in rows
    )


def _model_outputs(tx: Transaction, wanted: list[object]) -> ByRun[ModelOutput]:
    rows = tx.driver(
        f"SELECT rid, model_id, step FROM model_outputs WHERE {tx.among('rid')} ORDER BY rid, step, model_id",
        wanted,
    )
    return _grouped((rid, ModelOutput(model_id, step)) for rid, model_id, step in rows)


def _grouped(pairs: Iterable[tuple[int, Item]]) -> ByRun[Item]:
    found: ByRun[Item] = defaultdict(list)
    for rid, item in pairs:
        found[rid].append(item)
    return found
