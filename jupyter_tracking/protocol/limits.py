"""Every bound of the wire, as a type that a request's field carries or a constant that a service reads.

Source of the figures: MLflow's documented and observed limits (its 3.17 server), kept so that what a
client may send there it may send here.
"""

from __future__ import annotations

import posixpath
import re
from functools import lru_cache
from typing import Annotated

from msgspec import Meta

from .errors import InvalidParameterValue

INT64_MAX = 2**63 - 1
INT64_MIN = -(2**63)

# Lengths in characters.
EXPERIMENT_NAME = 500
ARTIFACT_LOCATION = 2048
KEY = 250
PARAM_VALUE = 6000
TAG_VALUE = 8000
EXPERIMENT_TAG_VALUE = 20_000
RUN_NAME = 8000
LOGGED_MODEL_NAME = 500
FILTER = 32_768

# Counts.
BATCH_METRICS = 1000
BATCH_PARAMS = 100
BATCH_TAGS = 100
BATCH_TOTAL = 1000
SEARCH_MAX_RESULTS = 50_000
SEARCH_DEFAULT_RESULTS = 1000
SEARCH_IDS = 10_000
ORDER_BY = 100
HISTORY_RUNS = 100
HISTORY_BULK_POINTS = 25_000
HISTORY_INTERVAL_POINTS = 2500
ARTIFACTS_PER_PAGE = 1000
UPLOAD_PARTS = 10_000

# Bytes.
JSON_BODY = 4 * 2**20
JSON_BODY_INPUTS = 32 * 2**20
JSON_DEPTH = 64

Int64 = Annotated[int, Meta(ge=INT64_MIN, le=INT64_MAX)]
Int32 = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]
Timestamp = Annotated[int, Meta(ge=0, le=INT64_MAX)]
"""Milliseconds since the epoch."""

Required = Annotated[str, Meta(min_length=1)]
Key = Annotated[str, Meta(min_length=1, max_length=KEY)]
RunId = Annotated[str, Meta(min_length=1, max_length=256)]
ExperimentId = Annotated[str, Meta(min_length=1, max_length=64)]
ModelId = Annotated[str, Meta(min_length=1, max_length=256)]
Filter = Annotated[str, Meta(max_length=FILTER)]
PageToken = Annotated[str, Meta(max_length=16_384)]
ArtifactPath = Annotated[str, Meta(max_length=4096)]
Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$", max_length=64)]
"""In hex."""
ArtifactsPerPage = Annotated[int, Meta(ge=1, le=ARTIFACTS_PER_PAGE)]
OrderBy = Annotated[list[Annotated[str, Meta(max_length=1024)]], Meta(max_length=ORDER_BY)]
ExperimentIds = Annotated[list[ExperimentId], Meta(max_length=SEARCH_IDS)]

_KEY_CHARACTERS = re.compile(r"[/\w.\- :]*\Z")


@lru_cache(maxsize=65_536)
def key_fault(key: str) -> str | None:
    """Why ``key`` cannot name a metric, param or tag; None if it can.

    Keys may be taken for file names by clients and older stores, so a key must be its own normal form.
    """
    if not _KEY_CHARACTERS.match(key):
        return (
            "Names may only contain alphanumerics, underscores (_), dashes (-), periods (.), spaces ( ), "
            "colon(:) and slashes (/)."
        )
    normal = posixpath.normpath(key)
    if normal != key or normal == "." or normal.startswith(("..", "/")):
        return (
            "Names may be treated as files in certain cases, and must not resolve to other names when "
            f"treated as such. This name would resolve to {normal!r}"
        )
    return None


def check_key(key: str, parameter: str) -> None:
    """Refuse a key that cannot name a metric, param or tag.

    Raises:
        InvalidParameterValue: naming ``parameter`` (such as ``metrics[0].name``) and the reason.
    """
    fault = key_fault(key)
    if fault is not None:
        raise InvalidParameterValue(f"Invalid value \"{key}\" for parameter '{parameter}' supplied: {fault}")


def experiment_number(experiment_id: str) -> int:
    """The integer that an experiment id stands for.

    Raises:
        InvalidParameterValue: it is no integer that could be an id.
    """
    if experiment_id.isascii() and experiment_id.isdigit() and len(experiment_id) <= 18:
        return int(experiment_id)
    raise InvalidParameterValue(
        f"Invalid experiment ID '{experiment_id[:64]}'. Experiment ID must be a valid integer."
    )
