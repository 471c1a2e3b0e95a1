"""Where the experiments keep their artifacts, and what that means in this mode."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Literal
from urllib.parse import urlsplit

from ..config import Settings
from ..services.locations import key_below, proxied_key
from ..store.survey import Located
from .findings import Finding, bad, look, ok

__all__ = ["check"]

Kind = Literal["proxied", "below", "elsewhere"]


def check(settings: Settings, url: str, said: str, found: Sequence[Located]) -> Iterator[Finding]:
    """The findings.

    Args:
        settings: of the server.
        url: of the store that it opens.
        said: where a server said last that proxied artifacts are.
        found: all experiments.
    """
    yield ok(f"{_mode(settings)} New experiments get {settings.artifact_root}/<id>.")
    if settings.serve_artifacts and said and said != url:
        yield bad(
            f"The last server kept proxied artifacts at {said}, this one would look for them at {url}.",
            f"Use --artifacts-destination {said}, or bring the files along before you start it.",
        )
    kinds = Counter[Kind]()
    runs = Counter[Kind]()
    places = Counter[str]()
    for one in found:
        kind = _kind(one.location, url)
        kinds[kind] += 1
        runs[kind] += one.runs
        if kind == "elsewhere":
            parts = urlsplit(one.location)
            places[f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"] += 1
    yield from _proxied(settings, kinds["proxied"], runs["proxied"])
    if kinds["below"]:
        yield ok(
            f"{kinds['below']} experiments ({runs['below']} runs) are direct, below the store: clients go "
            "there with keys of their own, and this server lists and serves them, too."
        )
    if kinds["elsewhere"]:
        named = ", ".join(f"{place} ({number})" for place, number in places.most_common(5))
        yield look(
            f"{kinds['elsewhere']} experiments ({runs['elsewhere']} runs) are direct, elsewhere: {named}. "
            "Only clients with keys of their own reach their artifacts; this server never goes there.",
            "To bring them behind the proxy, copy the files into the store, then run: "
            "jupyter tracking db relocate OLD NEW (docs/modes.md).",
        )


def _proxied(settings: Settings, experiments: int, runs: int) -> Iterator[Finding]:
    text = f"{experiments} experiments ({runs} runs) are proxied"
    if not experiments or settings.serve_artifacts:
        yield ok(f"{text}: all clients reach their artifacts through the server.")
    else:
        yield look(
            f"{text}, but this server runs without the proxy: clients cannot reach their artifacts.",
            "Run it with --serve-artifacts, or another one with --artifacts-only; they stay proxied.",
        )


def _mode(settings: Settings) -> str:
    if settings.artifacts_only:
        return "The server serves artifacts only."
    return (
        "The server serves artifacts." if settings.serve_artifacts else "The server does not serve artifacts."
    )


def _kind(location: str, url: str) -> Kind:
    if url and key_below(location, url) is not None:
        return "below"
    return "elsewhere" if proxied_key(location) is None else "proxied"
