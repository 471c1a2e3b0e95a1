"""The magics in a real kernel, logging to our own server; what the user sees is checked to the letter."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_tracking.client.artifacts import Artifacts
from jupyter_tracking.client.client import TrackingClient
from jupyter_tracking.client.credentials import bearer
from jupyter_tracking.client.transport import RequestsTransport
from jupyter_tracking.run_list import Runs, flat
from tests.kernels import Kernel, Output, kernel
from tests.servers import Server, free_port


class Notebook:
    """A notebook with the extension loaded, in an experiment of its own."""

    def __init__(self, running: Kernel, client: TrackingClient) -> None:
        self.kernel = running
        self.client = client
        self.experiment = f"notebook {secrets.token_hex(6)}"
        assert self.run("%load_ext jupyter_tracking").errors == ""
        self.run("%track_end -q")
        said = self.run(f"%track_experiment {self.experiment}")
        self.experiment_id = re.findall(r"\(id (\d+)\)", said.text)[0]
        assert said.lines == [f"experiment {self.experiment} (id {self.experiment_id})"]

    def run(self, cell: str, interrupt_at: str | None = None) -> Output:
        return self.kernel.run(cell, interrupt_at=interrupt_at)

    def said(self, cell: str) -> list[str]:
        """What a cell printed; it must have gone well."""
        output = self.run(cell)
        assert (output.error, output.errors) == ("", "")
        return output.lines

    def complaint(self, cell: str) -> str:
        """The one line of complaint about a cell, which goes on."""
        output = self.run(f"{cell}\nprint('went on')")
        assert (output.error, output.lines[-1:]) == ("", ["went on"])
        assert output.errors.startswith("track: ")
        assert output.errors.count("\n") == 1
        return output.errors[7:-1]

    @property
    def runs(self) -> Runs:
        """The runs of the experiment, oldest first."""
        return flat(
            self.client.search_runs([self.experiment_id], "", ["attributes.start_time ASC"], limit=100)
        )

    @property
    def last(self) -> dict[str, object]:
        """The newest run."""
        return self.runs[-1]

    def files(self) -> dict[str, bytes]:
        """The artifacts of the newest run."""
        last = self.last
        artifacts = Artifacts(self.client, str(last["run_id"]), str(last["artifact_uri"]))
        return {entry.path: artifacts.open(entry.path).read() for entry in artifacts.walk()}


@pytest.fixture(scope="module")
def running(tracking_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    environment = {**tracking_server.client_environment, "JPY_SESSION_NAME": "/home/jane/first.ipynb"}
    with kernel(tmp_path_factory.mktemp("kernel"), environment) as started:
        yield started


@pytest.fixture
def client(tracking_server: Server) -> TrackingClient:
    return TrackingClient(RequestsTransport(tracking_server.url, bearer(tracking_server.token or "")))


@pytest.fixture
def notebook(running: Kernel, client: TrackingClient) -> Notebook:
    return Notebook(running, client)


def test_the_first_param_starts_a_run_that_stays(notebook: Notebook) -> None:
    (line,) = notebook.said("%track_param a 1")
    run = notebook.last
    assert line.startswith(f"a = 1 → run {run['run_name']} (started) · {notebook.client.url}/#/experiments/")
    assert notebook.said("%track_param b 2") == [f"b = 2 → {run['run_name']}"]
    assert len(notebook.runs) == 1
    run = notebook.last
    assert (run["params.a"], run["params.b"], run["status"]) == ("1", "2", "RUNNING")
    assert run["tags.mlflow.source.name"] == "/home/jane/first.ipynb"
    assert run["tags.mlflow.source.type"] == "NOTEBOOK"


def test_a_cell_that_is_run_again_is_silent(notebook: Notebook) -> None:
    cell = "%track_param a 1\n%track_param {'b': 2, 'c': 'x'}"
    assert len(notebook.said(cell)) == 2
    assert notebook.said(cell) == []


def test_another_value_is_refused_with_both_ways_out(notebook: Notebook) -> None:
    notebook.said("%track_param a 1")
    assert notebook.complaint("%track_param a 2") == (
        "a is 1 in this run and a param stays as it is; "
        "start a new run with %track_start, or log it under another name"
    )
    assert notebook.complaint("%track_params {'z': 1, 'a': 3}").startswith("a is 1 in this run")
    assert "params.z" not in notebook.last


def test_the_same_is_said_of_a_param_that_another_process_logged(notebook: Notebook) -> None:
    notebook.said("%track_start once\n%track_param a 1\n%track_end")
    notebook.said("%track_start -r once")
    assert notebook.complaint("%track_param a 2").startswith("a is 1 in this run")


def test_values(notebook: Notebook) -> None:
    notebook.run(
        "from dataclasses import dataclass\n"
        "@dataclass\nclass Settings:\n    rate: float\n"
        "lr, n, settings = 0.1, 3, Settings(0.5)"
    )
    cell = """
%track_param lr
%track_param double {lr * 2}
%track_param dollar $n
%track_param typed 1e-3
%track_param text "two words"
%track_param many these are words
%track_params settings
%track_param x=1 y={n + 1}
"""
    lines = [line.split(" → ")[0] for line in notebook.said(cell)]
    assert lines == [
        "lr = 0.1",
        "double = 0.2",
        "dollar = 3",
        "typed = 1e-3",
        "text = two words",
        "many = these are words",
        "rate = 0.5",
        "x = 1, y = 4",
    ]
    assert notebook.last["params.y"] == "4"


def test_values_of_a_functions_own_variables(notebook: Notebook) -> None:
    notebook.said("def train(rate):\n    %track_param rate\n    %track_metric twice {rate * 2}\ntrain(0.25)")
    assert (notebook.last["params.rate"], notebook.last["metrics.twice"]) == ("0.25", 0.5)


def test_metrics(notebook: Notebook) -> None:
    notebook.said("loss = 0.5\n%track_start m;")
    assert notebook.said("%track_metric loss") == ["loss = 0.5 → m"]
    assert notebook.said("%track_metric loss 0.25 --step 4") == ["loss = 0.25 (step 4) → m"]
    assert notebook.said("%track_metric loss -0.25 -s=5") == ["loss = -0.25 (step 5) → m"]
    assert notebook.said("%track_metrics {'acc': 0.9, 'bad': float('nan')} --step {2 * 3}") == [
        "acc = 0.9, bad = nan (step 6) → m"
    ]
    points = notebook.client.metric_history(str(notebook.last["run_id"]), "loss")
    assert [(point.step, point.value) for point in points] == [(0, 0.5), (4, 0.25), (5, -0.25)]


def test_a_loop_does_not_flood_the_output(notebook: Notebook) -> None:
    notebook.said("%track_start m -q")
    lines = notebook.said("for i in range(50):\n    %track_metric loss {1 / (i + 1)} --step i")
    assert lines == [
        "loss = 1.0 (step 0) → m",
        "loss = 0.5 (step 1) → m",
        "loss = 0.3333333333333333 (step 2) → m · further points in this cell: silent",
    ]
    assert len(notebook.client.metric_history(str(notebook.last["run_id"]), "loss")) == 50


def test_tags(notebook: Notebook) -> None:
    notebook.said("%track_start t -q")
    assert notebook.said("%track_tag stage dev") == ["stage: dev → t"]
    assert notebook.said("%track_tag stage 'in use'") == ["stage: in use → t"]
    assert notebook.last["tags.stage"] == "in use"


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        ("%track_param a --nope 1", "unrecognized arguments: --nope"),
        ("%track_param", "the following arguments are required: NAME VALUE"),
        ("%track_param nope", "there is no variable nope; give it a value: %track_param nope VALUE"),
        ("%track_param a {nope}", "nope: NameError"),
        ("%track_metric a text", "Metric 'a' needs a number, not 'text'."),
        ("%track_metric a 1 --step x", "--step needs a whole number, not x"),
        ("%track_artifact nothing.txt", "there is no file, folder or variable nothing.txt"),
        ("%track_artifact {1: 2}", "give it a name: %track_artifact {1: 2} NAME"),
        ("%track_artifacts nothing", "there is no run nothing in this experiment"),
        ("%track_start -t bare", "--tag needs KEY=VALUE, not bare"),
        ("%track_param 'bad\\x01key' 1", "Names may only contain"),
        ("%track_runs --filter 'metrics. <'", ""),
    ],
)
def test_complaints_are_one_line_and_the_cell_goes_on(notebook: Notebook, cell: str, says: str) -> None:
    assert says in notebook.complaint(cell)


def test_quiet_by_flag_and_by_semicolon(notebook: Notebook) -> None:
    assert (
        notebook.said("%track_param a 1 -q\n%track_param b 2;\n%track_tag c 3 ;\n%track_metric d 4 --quiet")
        == []
    )
    run = notebook.last
    assert (run["params.b"], run["tags.c"], run["metrics.d"]) == ("2", "3", 4.0)


def test_help(notebook: Notebook) -> None:
    text = notebook.run("%track_metric -h").text
    assert "usage: %track_metric NAME VALUE [--step N]" in text
    assert "-s N, --step N" in text
    assert "%%track_run [NAME]" in notebook.run("%track help").text
    assert "Log a param." in notebook.run("print(get_ipython().find_line_magic('track_param').__doc__)").text
    assert notebook.runs == []


def test_start_and_end(notebook: Notebook) -> None:
    output = notebook.run("run = %track_start tidy -t stage=dev -t 'who=me too'")
    run = notebook.last
    url = f"{notebook.client.url}/#/experiments/{notebook.experiment_id}/runs/{run['run_id']}"
    assert output.lines == [f"run tidy started · {url}"]
    assert (run["tags.stage"], run["tags.who"], run["run_name"]) == ("dev", "me too", "tidy")
    assert notebook.run("run.run_id").shown[0]["text/plain"] == repr(run["run_id"])
    assert notebook.said("run") == [f"run tidy · {url}"]
    assert notebook.said("%track_end --status FAILED") == [f"run tidy failed · {url}"]
    assert notebook.said("%track_end") == ["no run is active"]
    assert notebook.last["status"] == "FAILED"


def test_start_shows_its_line_once_even_as_the_cells_result(notebook: Notebook) -> None:
    output = notebook.run("%track_start only")
    assert (len(output.lines), output.shown) == (1, [])


def test_starting_again_ends_the_run_before(notebook: Notebook) -> None:
    notebook.said("%track_start again")
    (line,) = notebook.said("%track_start again")
    assert line.startswith("run again finished; run again started · ")
    assert [run["status"] for run in notebook.runs] == ["FINISHED", "RUNNING"]


def test_nested_runs(notebook: Notebook) -> None:
    notebook.said(
        "%track_start outer\n%track_start inner --nested\n%track_param a 1\n%track_end\n%track_param b 2"
    )
    outer, inner = notebook.runs
    assert inner["tags.mlflow.parentRunId"] == outer["run_id"]
    assert (inner["params.a"], outer["params.b"]) == ("1", "2")


def test_a_result_goes_into_a_variable(notebook: Notebook) -> None:
    notebook.said("%track_start -q -o mine\n%track_param a 1 -q")
    assert notebook.said("print(mine.run_id)") == [notebook.last["run_id"]]


def test_artifacts_by_type(notebook: Notebook) -> None:
    notebook.said("%track_start a -q")
    lines = notebook.said(
        "from pathlib import Path\n"
        "Path('data/deep').mkdir(parents=True, exist_ok=True)\n"
        "_ = Path('data/deep/f.txt').write_text('f')\n"
        "from matplotlib.figure import Figure\n"
        "fig = Figure(figsize=(1, 1)); _ = fig.subplots().plot([1, 2])\n"
        "conf = {'a': 1}; note = 'some text'; where = Path('data/deep/f.txt')\n"
        "%track_artifact data\n"
        "%track_artifact data/deep/f.txt\n"
        "%track_artifact where renamed.txt\n"
        "%track_artifact data/deep/f.txt in/\n"
        "%track_artifact fig\n"
        "%track_artifact fig plots/fig.svg\n"
        "%track_artifact conf\n"
        "%track_artifact note\n"
        "%track_artifact {[1, 2]} list"
    )
    assert [line.split(" → ")[0] for line in lines] == [
        "data",
        "f.txt",
        "renamed.txt",
        "in/f.txt",
        "fig.png",
        "plots/fig.svg",
        "conf.json",
        "note.txt",
        "list.json",
    ]
    files = notebook.files()
    assert files["data/deep/f.txt"] == files["f.txt"] == files["renamed.txt"] == files["in/f.txt"] == b"f"
    assert files["fig.png"].startswith(b"\x89PNG")
    assert b"<svg" in files["plots/fig.svg"]
    assert (files["note.txt"], files["conf.json"]) == (b"some text", b'{\n  "a": 1\n}')


def test_a_cell_as_a_run(notebook: Notebook) -> None:
    output = notebook.run("%%track_run tidy -t stage=dev\n%track_param a 1\nx = 41\nx + 1")
    run = notebook.last
    assert output.lines[0].startswith("run tidy started · ")
    assert output.lines[1] == "a = 1 → tidy"
    assert output.shown[0]["text/plain"] == "42"
    assert (run["status"], run["params.a"], run["tags.stage"]) == ("FINISHED", "1", "dev")
    assert notebook.said("print(x)") == ["41"]
    assert notebook.said("%track_end") == ["no run is active"]


def test_a_cell_that_fails_fails_its_run_and_still_shows_its_error(notebook: Notebook) -> None:
    output = notebook.run("%%track_run\ndef train():\n    raise ValueError('too large')\ntrain()")
    assert output.error == "ValueError"
    assert "too large" in output.traceback
    assert "jupyter_tracking" not in output.traceback
    assert notebook.last["status"] == "FAILED"
    kept = notebook.files()["error/traceback.txt"].decode()
    assert kept.splitlines()[-1] == "ValueError: too large"
    assert "in train" in kept
    assert "jupyter_tracking" not in kept


def test_a_cell_with_a_syntax_error(notebook: Notebook) -> None:
    assert notebook.run("%%track_run\nx = = 1").error == "SyntaxError"
    assert notebook.last["status"] == "FAILED"


def test_a_cell_that_is_interrupted_kills_its_run(notebook: Notebook) -> None:
    cell = "%%track_run\nimport threading\nprint('waiting', flush=True)\nthreading.Event().wait(120)"
    output = notebook.run(cell, interrupt_at="waiting")
    assert output.error == "KeyboardInterrupt"
    assert notebook.last["status"] == "KILLED"
    assert "KeyboardInterrupt" in notebook.files()["error/traceback.txt"].decode()


def test_a_cell_run_that_is_not_on_the_first_line(notebook: Notebook) -> None:
    complaint = notebook.complaint("# a comment\n%%track_run\nx = 1")
    assert complaint == "%%track_run must be the very first line of its cell; this cell is not tracked by it"
    assert notebook.runs == []


def test_the_status_card(notebook: Notebook) -> None:
    notebook.said("%track_start tidy -q\n%track_param a '<b>'")
    (shown,) = notebook.run("%track").shown
    for text in (notebook.client.url, notebook.experiment, "/home/jane/first.ipynb", "tidy", "a = <b>"):
        assert text in shown["text/plain"]
    assert "a = &lt;b&gt;" in shown["text/html"]
    (shown,) = notebook.run("%track tidy").shown
    assert str(notebook.last["run_id"]) in shown["text/plain"]


def test_the_table_and_the_browser_have_something_to_show_everywhere(notebook: Notebook) -> None:
    notebook.said(
        "%track_start tidy -q\n%track_param a '<script>x</script>' -q\n%track_artifact {{}} '<i>.json' -q"
    )
    for cell, text in (("%track_runs", "tidy"), ("%track_artifacts", "<i>.json")):
        (shown,) = notebook.run(cell).shown
        assert "application/vnd.jupyter.widget-view+json" in shown
        assert text in shown["text/plain"]
        assert "<script" not in shown["text/html"]
        assert "<i>" not in shown["text/html"]
        assert "<table>" in shown["text/html"]
    assert notebook.said(f"t = %track_runs {notebook.experiment} --limit 1\nprint(len(t.runs))") == ["1"]


def test_a_kernel_that_shuts_down_has_finished_its_run(
    tracking_server: Server, client: TrackingClient, tmp_path: Path
) -> None:
    with kernel(tmp_path, tracking_server.client_environment) as started:
        notebook = Notebook(started, client)
        notebook.said("%track_param a 1")
        started.manager.shutdown_kernel(now=False)
    assert notebook.last["status"] == "FINISHED"


def test_an_outage_does_not_stop_the_cell(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with kernel(tmp_path, {"MLFLOW_TRACKING_URI": url}) as started:
        started.run("%load_ext jupyter_tracking")
        output = started.run("%track_param a 1\n%track_metric m 1\nprint('went on')")
        assert (output.error, output.lines) == ("", ["went on"])
        assert output.errors.splitlines() == [f"track: The tracking server at {url} cannot be reached."] * 2
        output = started.run("%%track_run\nprint('went on')")
        assert (output.error, output.lines) == ("", ["went on"])
        output = started.run("%%track_run\n1 / 0")
        assert output.error == "ZeroDivisionError"


def test_importing_the_package_registers_the_magics_too(tmp_path: Path) -> None:
    with kernel(tmp_path, {"JUPYTER_TRACKING_AUTOLOAD": "0"}) as started:
        assert "not found" in started.run("%track help").errors
        assert started.run("import jupyter_tracking\n%track help").errors == ""
        assert started.run("%load_ext jupyter_tracking\n%reload_ext jupyter_tracking").errors == ""
