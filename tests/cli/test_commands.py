"""``jupyter tracking`` as people type it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from jupyter_tracking_server.cli import main
from jupyter_tracking_server.config import SETTINGS


def test_help_names_every_flag_and_its_variable(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["server", "--help"])
    assert ended.value.code == 0
    printed = capsys.readouterr().out
    for item in SETTINGS:
        assert item.flag in printed
        assert item.env in printed


@pytest.mark.parametrize("arguments", [[], ["db"], ["nothing"], ["server", "--auth", "perhaps"]])
def test_what_is_not_understood_is_answered_with_the_usage(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: jupyter tracking" in capsys.readouterr().err


def test_the_module_is_the_command() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "jupyter_tracking_server", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "server" in ended.stdout


def test_help_needs_neither_tornado_nor_a_database() -> None:
    program = (
        "import sys\nfrom jupyter_tracking_server.cli import main\n"
        "try:\n    main(['server', '--help'])\nexcept SystemExit:\n    pass\n"
        "print(sorted({'tornado', 'sqlalchemy', 'jupyter_server', 'traitlets'} & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[-1] == "[]"
