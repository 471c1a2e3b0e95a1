"""Errors keep their meaning across the wire."""

from __future__ import annotations

import pytest

from jupyter_tracking.protocol import errors
from jupyter_tracking.protocol.errors import TrackingError, error_from_code

CLASSES = TrackingError.__subclasses__()


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_a_code_gives_its_class_back(cls: type[TrackingError]) -> None:
    error = error_from_code(cls.error_code, "why")
    assert type(error) is cls
    assert (error.message, str(error)) == ("why", "why")
    assert cls.__name__ in errors.__all__


def test_each_class_has_a_code_of_its_own() -> None:
    assert len({cls.error_code for cls in CLASSES}) == len(CLASSES)


def test_an_unknown_code_keeps_its_name() -> None:
    error = error_from_code("SOMETHING_NEW", "why")
    assert (type(error), error.error_code) == (TrackingError, "SOMETHING_NEW")
