"""Sharing an experiment from a notebook: ``%track_share``, and the functions behind it."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from pathlib import Path

from tests.http.rights_scene import GROUP, Site
from tests.http.rights_site import start_site
from tests.kernels import Kernel, kernel

NOTEBOOK = Path(__file__).parent.parent / "notebooks" / "02_shared_server.ipynb"


def notebook_of(folder: Path, site: Site, who: str) -> AbstractContextManager[Kernel]:
    variables = {"MLFLOW_TRACKING_URI": site.url, "MLFLOW_TRACKING_TOKEN": site.tokens[who]}
    return kernel(folder / who, variables)


def test_an_owner_shares_from_a_notebook_and_takes_it_back(tmp_path: Path) -> None:
    with start_site(tmp_path / "site") as site, notebook_of(tmp_path, site, "owner") as owner:
        owner.run("%track_experiment shared\n%track_param lr 0.1\n%track_end")
        said = owner.run(f"%track_share -g {GROUP} --role editor")
        assert (said.lines, said.errors) == (["owner: owner", f"editor: group {GROUP}"], "")
        with notebook_of(tmp_path, site, "editor") as editor:
            found = editor.run("%track_experiment shared\n%track_param lr 0.2")
            assert found.errors == ""
            assert found.lines[0].startswith("experiment shared (id ")
            assert "owner in experiment" in editor.run("%track_share stranger").errors
        assert owner.run(f"%track_share -g {GROUP} --remove").lines == ["owner: owner"]
        assert "must keep an owner" in owner.run("%track_share owner --remove").errors
        assert "is no role" in owner.run("%track_share joe --role king").errors
        assert "one of a user" in owner.run("%track_share joe -g lab").errors
        printed = owner.run(
            "import jupyter_tracking as track\n"
            "track.share(everyone=True)\n"
            "print([(one.kind.value, one.role.value) for one in track.shared_with()])"
        )
        assert printed.lines == ["[('user', 'owner'), ('everyone', 'reader')]"]


def test_the_example_notebook_runs_as_it_is(tmp_path: Path) -> None:
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    with start_site(tmp_path / "site") as site, notebook_of(tmp_path, site, "owner") as owner:
        ran = [owner.run("".join(cell["source"])) for cell in cells if cell["cell_type"] == "code"]
        assert [cell.error for cell in ran] == [""] * len(ran)
        assert not any("track:" in cell.errors for cell in ran)
        printed = [line for cell in ran for line in cell.lines]
        assert "editor: group lab" in printed
        assert printed[-1].endswith("1 runs")
        with notebook_of(tmp_path, site, "editor") as editor:
            found = editor.run(
                "import mlflow\nmlflow.set_experiment('tips')\nprint(len(mlflow.search_runs()))"
            )
            assert found.lines[-1] == "1"
