"""The composition: whose server it is, and what it says when it cannot be put together."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from jupyter_tracking_server.config import ConfigurationError, Settings
from jupyter_tracking_server.server import Server, user_name


def test_under_a_hub_the_user_is_the_hubs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTERHUB_USER", "jane")
    assert user_name() == "jane"


def test_elsewhere_it_is_the_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JUPYTERHUB_USER", raising=False)
    monkeypatch.setenv("LOGNAME", "jo")
    assert user_name() == "jo"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"artifacts_destination": "gopher://x"}, "gopher"),
        ({"backend_store_uri": "postgresql://nobody:secret@127.0.0.1:1/none"}, "away"),
        ({"backend_store_uri": "sqlite:////proc/none/tracking.db"}, "/proc/none"),
    ],
)
def test_what_cannot_be_opened_is_said_in_a_sentence(
    settings: dict[str, Any], words: str, tmp_path: Path
) -> None:
    places: dict[str, Any] = {
        "artifacts_destination": str(tmp_path),
        "backend_store_uri": f"sqlite:///{tmp_path}/x.db",
    }
    with pytest.raises(ConfigurationError, match=words) as refused:
        Server(dataclasses.replace(Settings(), **{**places, **settings}))
    assert "secret" not in str(refused.value)
