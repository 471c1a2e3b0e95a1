"""What obstore raises, said as ``errors.py`` says it.

The reason is logged without what could be a secret: neither a request's query (it may be signed) nor the
body of an answer goes in, only its code.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

from obstore.exceptions import BaseError

from .errors import NoSuchArtifact, StoreFull, StoreUnavailable
from .keys import Key

__all__ = ["RangeRefused", "reason", "status", "translated", "unavailable"]

log = logging.getLogger("jupyter_tracking")

STATUS = re.compile(r"status code: (\d{3})")
CODE = re.compile(r"<Code>(\w{1,80})</Code>")
QUERY = re.compile(r"\?\S*")
NO_BUCKET = {"NoSuchBucket", "ContainerNotFound"}
FULL = {"XMinioStorageFull", "QuotaExceeded", "QuotaExceededException"}


class RangeRefused(Exception):
    """The store says that a range begins after the end; how long the artifact is, it doesn't say."""


def status(error: Exception) -> int:
    """The status of the store's answer; 0 if there was none."""
    found = STATUS.search(str(error))
    return int(found[1]) if found else 0


def reason(error: Exception) -> str:
    """What happened, in one line that may be logged."""
    text = str(error)
    head = QUERY.sub("", text.partition("\n")[0].partition("<")[0]).strip(" :")
    return " ".join([head, *CODE.findall(text)[:1]])[:500]


def unavailable(doing: str, error: Exception | str) -> StoreUnavailable:
    """The error to raise when the store fails; why goes to the log."""
    why = error if isinstance(error, str) else f"{type(error).__name__}: {reason(error)}"
    log.warning("artifact store, %s: %s", doing, why)
    return StoreUnavailable()


@contextmanager
def translated(doing: str, key: Key) -> Iterator[None]:
    """Errors of obstore inside the block come out as those of ``errors.py``.

    Args:
        doing: what is being done, for the log.
        key: with what.

    Raises:
        NoSuchArtifact: there is nothing at the key, and the place where it would be is there.
        RangeRefused: the range begins after the end.
        StoreFull, StoreUnavailable: whatever else.
    """
    try:
        yield
    except FileNotFoundError as error:
        if NO_BUCKET.intersection(CODE.findall(str(error))) or doing == "writing":
            raise unavailable(doing, error) from None
        raise NoSuchArtifact(key) from None
    except BaseError as error:
        code = status(error)
        # The second: the store answers with nothing instead, which obstore does not take.
        if code == 416 or "Wanted range starting at" in str(error):
            raise RangeRefused from None
        failed = unavailable(doing, error)
        if code == 507 or FULL.intersection(CODE.findall(str(error))):
            raise StoreFull from None
        raise failed from None
    except (OSError, ValueError) as error:
        raise unavailable(doing, error) from None
