"""Which keys may name a metric, param or tag."""

from __future__ import annotations

import pytest

from jupyter_tracking.protocol.errors import InvalidParameterValue
from jupyter_tracking.protocol.limits import check_key


@pytest.mark.parametrize(
    "key", ["loss", "val/loss", "a b", "a-b_c.d:e", "λ", "mlflow.user", "a/.b", "..."[:1] + "x"]
)
def test_a_fine_key(key: str) -> None:
    check_key(key, "key")


@pytest.mark.parametrize(
    "key", ["a//b", "a/../b", "a/", "./a", ".", "..", "../a", "/a", "f1@1", "a\n", "a\\b", "a%b"]
)
def test_a_key_that_is_refused(key: str) -> None:
    with pytest.raises(InvalidParameterValue, match=r"parameter 'metrics\[0\].name'"):
        check_key(key, "metrics[0].name")
