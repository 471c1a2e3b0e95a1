"""The documents say what the code does: generated pages, headings, links, versions."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import jupyter_tracking
import jupyter_tracking_server
from jupyter_tracking.magic_table import MAGICS, sign

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


def test_generated_pages_are_up_to_date() -> None:
    checked = subprocess.run(
        [sys.executable, ROOT / "docs" / "generate.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (checked.returncode, checked.stderr) == (0, "")


def test_each_magic_has_a_heading() -> None:
    page = (ROOT / "docs" / "magics.md").read_text()
    names = {sign(name) for name in MAGICS}
    headings = set(re.findall(r"^## `(%{1,2}\w+)`", page, re.MULTILINE))
    assert names
    assert headings == names


def test_each_public_name_is_on_the_python_page() -> None:
    page = (ROOT / "docs" / "python.md").read_text()
    missing = [name for name in jupyter_tracking.__all__ if f"`{name}" not in page]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_the_version_of_the_package_is_the_panels_too() -> None:
    panel = json.loads((ROOT / "labextension" / "package.json").read_text())
    assert panel["version"] == jupyter_tracking_server.__version__ == jupyter_tracking.__version__
