"""The plain pages for browsers: the experiments that the caller may see, their runs, and each run.

Everything on them comes from the services of the calls, under the caller's rights.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote, urlencode

import msgspec

from jupyter_tracking.protocol import API_VERSION, wire
from jupyter_tracking.protocol.artifacts import ArtifactList, ListArtifacts, list_artifacts
from jupyter_tracking.protocol.errors import TrackingError
from jupyter_tracking.protocol.experiments import GetExperiment
from jupyter_tracking.protocol.runs import GetRun, Run, SearchRuns

from ..artifact_stores.errors import NoSuchArtifact
from ..context import Context
from ..services import experiments, runs
from ..services.overview import overview_of
from .handler import TrackingHandler
from .page import NEXT, PageHandler, wants_page
from .routes import Route
from .run_page import Link, Links, number_text, run_page

__all__ = ["page_routes"]

RUNS_PER_PAGE = 100
FILES_PER_PAGE = 500
FEW = 3
"""Metrics and params that a list shows of each run."""
LONGEST = 60
"""Characters of each that it shows."""
ASSETS = {"pages.css": "text/css; charset=utf-8", "pages.js": "text/javascript; charset=utf-8"}

Q = TypeVar("Q", bound=msgspec.Struct)
T = TypeVar("T")


def page_routes() -> list[Route]:
    """The routes below the root; they come before those of the calls."""
    return [
        (r"/?", StartHandler, {}),
        (r"/experiments/([^/]+)", ExperimentHandler, {}),
        (r"/runs/([^/]+)", RunHandler, {}),
        (r"/(pages\.css|pages\.js)", AssetHandler, {}),
    ]


class _CallerPage(PageHandler):
    """Base of pages that show what services reply to the caller."""

    async def read(self, work: Callable[[Context], T]) -> T:
        """What ``work`` finds, under the caller's rights."""
        return await self.front.server.files_context(self.caller).read(work)

    def page_token(self) -> str:
        """Where the list that is shown goes on; "" for its begin."""
        return self.get_query_argument("page", "")


class StartHandler(_CallerPage):
    """The root: the experiments that the caller may see."""

    endpoint = "start_page"

    async def get(self) -> None:
        """Show a page of them; to a program, say what this is."""
        if not wants_page(self):
            self.set_header("Content-Type", "application/json")
            await self.finish(msgspec.json.encode({"name": "Jupyter Tracking", "api_version": API_VERSION}))
            return
        caller = await self.identify("read")
        if caller is None and self.front.login:
            # Not a redirect: only a script sees where a link with a # leads.
            login = f"{self.root_path}{self.front.login}?{NEXT}="
            await self.show("door", "Sign in", login=login)
            return
        await self.authenticate("read")
        token = self.page_token()
        found = await self.read(lambda context: overview_of(context, token))
        more = found.next_page_token
        await self.show(
            "experiments",
            "Experiments",
            rows=found.rows,
            more=f"{self.root_path}/" + _query(page=more) if more else "",
            url=self.front.base_url(self.request),
        )


class ExperimentHandler(_CallerPage):
    """``/experiments/{id}``: its newest runs."""

    endpoint = "experiment_page"

    async def get(self, experiment_id: str) -> None:
        """Show a page of them."""
        if await self.visitor() is None:
            return
        self.subject = {"experiment_id": experiment_id}
        given = _checked(GetExperiment, experiment_id=experiment_id)
        wanted = SearchRuns(
            experiment_ids=[experiment_id], max_results=RUNS_PER_PAGE, page_token=self.page_token() or None
        )
        experiment, found = await self.read(
            lambda context: (
                experiments.get_experiment(context, given).experiment,
                runs.search_runs(context, wanted),
            )
        )
        more = found.next_page_token
        here = f"{self.root_path}/experiments/{quote(experiment_id, safe='')}"
        await self.show(
            "experiment",
            experiment.name,
            experiment=experiment,
            runs=found.runs,
            more=here + _query(page=more) if more else "",
            few=FEW,
            longest=LONGEST,
            number_text=number_text,
        )


class RunHandler(_CallerPage):
    """``/runs/{id}``: what it logged, and its artifacts, a folder at a time."""

    endpoint = "run_page"

    async def get(self, run_id: str) -> None:
        """Show it."""
        if await self.visitor() is None:
            return
        self.subject = {"run_id": run_id}
        given = _checked(GetRun, run_id=run_id)

        def find(context: Context) -> tuple[Run, Link]:
            run = runs.get_run(context, given).run
            of = experiments.get_experiment(context, GetExperiment(run.info.experiment_id)).experiment
            return run, Link(of.name, f"{self.root_path}/experiments/{of.experiment_id}")

        run, above = await self.read(find)
        folder = self.get_query_argument("path", "", strip=False)
        here = f"{self.root_path}/runs/{quote(run_id, safe='')}"
        links = Links(
            lambda path, token: here + _query(path=path, page=token),
            lambda path: f"{self.root_path}/get-artifact" + _query(run_id=run_id, path=path),
            above,
        )
        page = run_page(run, folder, await self._files(run_id, folder), links)
        await self.show("run", run.info.run_name, page=page)

    async def _files(self, run_id: str, folder: str) -> ArtifactList | str:
        """A page of what is in a folder of the run, or why that cannot be told."""
        given = _checked(ListArtifacts, run_id=run_id, path=folder, page_token=self.page_token())
        wanted = msgspec.structs.replace(given, max_results=FILES_PER_PAGE)
        try:
            body = await self.front.server.run(list_artifacts, self.caller, wanted)
        except NoSuchArtifact:
            return "There is no such folder."
        except TrackingError as error:
            self.front.server.observer.failed(error)
            return error.message
        return msgspec.json.decode(body, type=ArtifactList)


class AssetHandler(TrackingHandler):
    """The one style sheet and the one script of the pages; the same for everybody."""

    endpoint = "page_asset"

    async def get(self, name: str) -> None:
        """Send it."""
        self.set_header("Content-Type", ASSETS[name])
        # Not no-store: each page asks for it. And for pages in a sandbox, which has no origin.
        self.set_header("Cache-Control", "max-age=300")
        self.set_header("Cross-Origin-Resource-Policy", "cross-origin")
        await self.finish(_asset(name))


@cache
def _asset(name: str) -> bytes:
    return (Path(__file__).parent / "assets" / name).read_bytes()


def _checked(cls: type[Q], **given: str) -> Q:
    """A request of what stands in the address, under the limits of its call.

    Raises:
        InvalidParameterValue: naming what is wrong.
    """
    return wire.decode_query(cls, {name: [value] for name, value in given.items() if value})


def _query(**given: str) -> str:
    text = urlencode({name: value for name, value in given.items() if value})
    return f"?{text}" if text else ""
