"""Page tokens."""

from __future__ import annotations

import base64
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_tracking.protocol.errors import InvalidParameterValue
from jupyter_tracking_server.search.pages import Cursor, Pages

PAGES = Pages(b"secret", ("runs", "filter"))
VALUES = st.none() | st.text(st.characters(exclude_categories=["Cs"])) | st.integers(-(2**63), 2**63 - 1)


@given(st.lists(VALUES | st.floats(allow_nan=False), max_size=5).map(tuple))
def test_a_token_brings_back_what_it_was_made_of(cursor: Cursor) -> None:
    assert PAGES.cursor(PAGES.token(cursor)) == cursor


def test_the_first_page_has_no_token() -> None:
    assert PAGES.cursor(None) is None
    assert PAGES.cursor("") is None


@given(st.data())
def test_an_altered_token_is_refused(data: st.DataObject) -> None:
    raw = bytearray(base64.urlsafe_b64decode(PAGES.token((0, math.inf, "id"))))
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(InvalidParameterValue, match="Invalid page token, it was not made by this server"):
        PAGES.cursor(base64.urlsafe_b64encode(raw).decode())


@given(st.text(min_size=1))
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(InvalidParameterValue, match="Invalid page token, "):
        PAGES.cursor(text)


def test_a_token_of_another_search_is_refused() -> None:
    token = Pages(b"secret", ("runs", "other")).token(("id",))
    with pytest.raises(InvalidParameterValue, match="another filter, order or scope"):
        PAGES.cursor(token)


def test_a_page_is_cut_where_the_next_begins() -> None:
    rows: list[tuple[int, Cursor]] = [(7, ("a",)), (8, ("b",)), (9, ("c",))]
    shown, token = PAGES.cut(rows, 2)
    assert shown == [7, 8]
    assert PAGES.cursor(token) == ("b",)
    assert PAGES.cut(rows, 3) == ([7, 8, 9], None)
