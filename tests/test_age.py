"""Ages as people write them."""

from __future__ import annotations

import pytest

from jupyter_tracking_server.age import parse_age


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30d", 2_592_000), ("12h", 43_200), ("1d2h3m4s", 93_784), ("0s", 0), ("1.5h", 5_400), ("2D", 172_800)],
)
def test_an_age_is_a_number_of_seconds(text: str, seconds: float) -> None:
    assert parse_age(text) == seconds


@pytest.mark.parametrize(
    "text", ["", " ", "30", "d", "30 d", "1h1d", "-1d", "1.d", "1w", "1d1d", "٣d.", "99999999d", "1e9d"]
)
def test_what_is_no_age_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not an age|is longer"):
        parse_age(text)
