"""The list of experiments as a page shows it: those that the caller may see, with the caller's roles."""

from __future__ import annotations

from dataclasses import dataclass

from jupyter_tracking.protocol.experiments import Experiment, SearchExperiments
from jupyter_tracking.protocol.grants import Role

from ..context import Context
from ..store import overview
from ..store.overview import MOST_COUNTED, Facts
from . import experiments

__all__ = ["Overview", "OverviewRow", "overview_of"]

PER_PAGE = 50


@dataclass(frozen=True)
class OverviewRow:
    """One experiment.

    Attributes:
        role: the caller's.
    """

    experiment: Experiment
    role: Role | None
    facts: Facts

    @property
    def runs_text(self) -> str:
        """How many active runs it has."""
        return f"over {MOST_COUNTED:,}" if self.facts.runs > MOST_COUNTED else f"{self.facts.runs:,}"

    @property
    def changed(self) -> int:
        """When it was changed, or its newest run began, in milliseconds."""
        return max(self.experiment.last_update_time, self.facts.newest or 0)


@dataclass(frozen=True)
class Overview:
    """A page of experiments, newest first, and a token if more follow."""

    rows: list[OverviewRow]
    next_page_token: str | None


def overview_of(context: Context, page_token: str) -> Overview:
    """A page of the experiments that the caller may see.

    Raises:
        InvalidParameterValue: the token is none of ours.
    """
    request = SearchExperiments(
        max_results=PER_PAGE, page_token=page_token or None, order_by=["creation_time DESC"]
    )
    found = experiments.search_experiments(context, request)
    numbers = [int(one.experiment_id) for one in found.experiments]
    facts = overview.facts(context.tx, numbers)
    rows = [
        OverviewRow(one, context.access.role(context.tx, context.caller, number), facts[number])
        for one, number in zip(found.experiments, numbers, strict=True)
    ]
    return Overview(rows, found.next_page_token)
