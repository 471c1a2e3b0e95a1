"""What ``jupyter_tracking`` offers: exactly ``__all__``, and at no cost until it is used."""

from __future__ import annotations

import json
import subprocess
import sys

import jupyter_tracking
from jupyter_tracking import fluent

HEAVY = ("requests", "msgspec", "ipywidgets", "anywidget", "traitlets", "IPython", "jupyter_core", "argparse")


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return done.stdout


def test_every_exported_name_is_there() -> None:
    assert sorted(set(jupyter_tracking.__all__)) == jupyter_tracking.__all__
    assert all(hasattr(jupyter_tracking, name) for name in jupyter_tracking.__all__)
    assert dir(jupyter_tracking) == jupyter_tracking.__all__


def test_every_fluent_function_is_exported() -> None:
    assert set(fluent.__all__) - set(jupyter_tracking.__all__) == {"RunStatus"}


def test_a_name_that_is_not_there() -> None:
    assert not hasattr(jupyter_tracking, "log_everything")


def test_importing_loads_nothing_heavy() -> None:
    code = (
        f"import sys, json, jupyter_tracking; print(json.dumps([m for m in {HEAVY!r} if m in sys.modules]))"
    )
    assert json.loads(python(code)) == []


def test_loading_the_extension_loads_nothing_more_than_ipython_has() -> None:
    code = (
        "import sys, json\n"
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "shell = InteractiveShell.instance()\n"
        "before = set(sys.modules)\n"
        "shell.run_line_magic('load_ext', 'jupyter_tracking')\n"
        "assert shell.find_line_magic('track_param') and shell.find_cell_magic('track_run')\n"
        "print(json.dumps(sorted(m for m in set(sys.modules) - before if not m.startswith('IPython'))))"
    )
    assert json.loads(python(code)) == ["jupyter_tracking", "jupyter_tracking.magic_table"]


def test_no_server_and_no_mlflow_is_imported_with_everything_used() -> None:
    code = (
        "import sys, json, jupyter_tracking, jupyter_tracking.magics\n"
        "[getattr(jupyter_tracking, name) for name in jupyter_tracking.__all__]\n"
        "print(json.dumps(sorted({m.split('.')[0] for m in sys.modules})))"
    )
    assert not {"jupyter_tracking_server", "mlflow"} & set(json.loads(python(code)))
