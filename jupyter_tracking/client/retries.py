"""How often and how patiently a request is sent again."""

from __future__ import annotations

import contextlib
import os
import random
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, replace

from ..protocol.errors import InvalidParameterValue
from .credentials import flag

STATUSES = frozenset({408, 429, 500, 502, 503, 504})
"""Answers after which the same request may succeed."""

LONGEST_WAIT = 120.0
MOST_RETRIES = 10

_most: ContextVar[int | None] = ContextVar("jupyter_tracking_most_retries", default=None)
"""Retries at most, if somebody waits."""


@dataclass(frozen=True)
class Retries:
    """Patience, with the names and defaults of stock clients.

    Attributes:
        total: times that a request is sent again.
        backoff: seconds; the wait before retry n is ``backoff * 2 ** (n - 1)``, none before the first.
        jitter: up to so many seconds more, so that many clients don't come back at once.
        respect_retry_after: wait as long as a reply's ``Retry-After`` says.
    """

    total: int = 7
    backoff: float = 2.0
    jitter: float = 1.0
    respect_retry_after: bool = True

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Retries:
        """As the ``MLFLOW_HTTP_REQUEST_*`` variables say.

        Raises:
            InvalidParameterValue: a variable is not a number, or asks for more than ten retries.
        """
        total = int(number(environment, "MLFLOW_HTTP_REQUEST_MAX_RETRIES", cls.total))
        if total > MOST_RETRIES:
            raise InvalidParameterValue(
                f"MLFLOW_HTTP_REQUEST_MAX_RETRIES is {total} and may be at most {MOST_RETRIES}."
            )
        return cls(
            total=total,
            backoff=number(environment, "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", cls.backoff),
            jitter=number(environment, "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER", cls.jitter),
            respect_retry_after=flag(environment, "MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER", default=True),
        )

    def now(self) -> Retries:
        """These, or hardly any if a person is waiting (see ``hurried``)."""
        most = _most.get()
        if most is None:
            return self
        return replace(self, total=min(self.total, most), respect_retry_after=False)

    def wait(self, attempt: int, retry_after: str | None) -> float:
        """Seconds before sending for the ``attempt``-th time again, counted from 1."""
        if self.respect_retry_after and retry_after is not None and retry_after.isdigit():
            return min(float(retry_after), LONGEST_WAIT)
        if attempt <= 1:
            return 0.0
        spread = random.random() * self.jitter  # noqa: S311 - spreads load, guards nothing
        return min(self.backoff * float(2 ** (attempt - 1)) + spread, LONGEST_WAIT)


@contextlib.contextmanager
def hurried() -> Iterator[None]:
    """Within it a request is sent at most twice, without a wait: somebody sits before the cell."""
    token = _most.set(1)
    try:
        yield
    finally:
        _most.reset(token)


@contextlib.contextmanager
def patient() -> Iterator[None]:
    """Within it, and within ``hurried``, half a minute is waited: what is under way is worth it."""
    token = _most.set(None if _most.get() is None else 4)
    try:
        yield
    finally:
        _most.reset(token)


def number(environment: Mapping[str, str], name: str, default: float) -> float:
    """A variable that is a number, not negative.

    Raises:
        InvalidParameterValue: it is something else.
    """
    text = environment.get(name)
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not value >= 0:
        raise InvalidParameterValue(f"{name} is {text!r}; set it to a number.")
    return value
