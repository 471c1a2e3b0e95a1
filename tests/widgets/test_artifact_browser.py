"""The artifact browser in a real kernel: what its view asks for and gets, and its fallbacks."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import pytest

from jupyter_tracking.protocol.artifacts import FileInfo
from jupyter_tracking.sizes import size_of
from jupyter_tracking.widgets.file_table import to_html, to_text
from tests.kernels import Kernel

VIEW = "application/vnd.jupyter.widget-view+json"
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
)
FILES = {
    "a.txt": b"gr\xc3\xb6\xc3\x9fe",
    "big.txt": b"x" * 300_000,
    "cut.txt": b"x" * (256 * 1024 - 1) + "ö".encode(),
    "conf.json": b'{"a":[1,2]}',
    "bad.json": b"{",
    "data/table.csv": b"a,b\n" + b"".join(b"%d,x\n" % index for index in range(80)),
    "data/tabs.tsv": b"a\tb\n1\t2\n",
    "empty.txt": b"",
    "pixel.png": PIXEL,
    "model.bin": b"\0\1\2",
}


@pytest.fixture(scope="module")
def widget(notebook: Kernel) -> str:
    """The id of a browser's comm."""
    cell = (
        "from jupyter_tracking.tracker import tracker\n"
        "run = t.start_run(run_name='files')\n"
        f"for path, content in {FILES!r}.items():\n"
        "    tracker.artifacts(run.run_id).upload_bytes(content, path)\n"
        "browser = t.ArtifactBrowser()\n"
        "browser"
    )
    output = notebook.run(cell)
    assert output.error == "", output.traceback
    model_id: str = output.shown[0][VIEW]["model_id"]
    return model_id


def preview(notebook: Kernel, widget: str, path: str) -> dict[str, Any]:
    answer, _ = notebook.ask(widget, {"do": "preview", "path": path})
    assert (answer.pop("do"), answer.pop("path")) == ("preview", path)
    return answer


def test_folders_come_first_and_open_on_demand(notebook: Kernel, widget: str) -> None:
    entries = json.loads(notebook.run("import json; print(json.dumps(browser.files))").text)
    assert [entry["path"] for entry in entries][:3] == ["data", "a.txt", "bad.json"]
    assert entries[0] == {"path": "data", "is_dir": True, "size": ""}
    answer, _ = notebook.ask(widget, {"do": "list", "path": "data"})
    assert [entry["path"] for entry in answer["files"]] == ["data/table.csv", "data/tabs.tsv"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a.txt", {"kind": "text", "text": "größe", "note": ""}),
        ("empty.txt", {"kind": "text", "text": "", "note": ""}),
        ("conf.json", {"kind": "json", "text": '{\n  "a": [\n    1,\n    2\n  ]\n}', "note": ""}),
        ("bad.json", {"kind": "text", "text": "{", "note": ""}),
        ("data/tabs.tsv", {"kind": "table", "rows": [["a", "b"], ["1", "2"]], "note": ""}),
        ("model.bin", {"kind": "none", "note": "No preview for this kind of file."}),
        ("pixel.png", {"kind": "image", "mime": "image/png"}),
    ],
)
def test_previews(notebook: Kernel, widget: str, path: str, expected: dict[str, Any]) -> None:
    assert preview(notebook, widget, path) == expected


def test_long_files_are_cut(notebook: Kernel, widget: str) -> None:
    found = preview(notebook, widget, "big.txt")
    assert (len(found["text"]), found["note"]) == (256 * 1024, "The first 262 kB.")
    found = preview(notebook, widget, "cut.txt")
    assert found["text"] == "x" * (256 * 1024 - 1), "half a character is left out"
    found = preview(notebook, widget, "data/table.csv")
    assert (len(found["rows"]), found["note"]) == (51, "The first 50 rows.")


def test_an_image_and_a_download_come_as_bytes(notebook: Kernel, widget: str) -> None:
    for action, path in (("preview", "pixel.png"), ("download", "big.txt"), ("download", "empty.txt")):
        _, buffers = notebook.ask(widget, {"do": action, "path": path})
        assert b"".join(buffers) == FILES[path]


def test_a_folder_comes_as_a_zip_file(notebook: Kernel, widget: str) -> None:
    _, buffers = notebook.ask(widget, {"do": "archive", "path": "data"})
    with zipfile.ZipFile(io.BytesIO(b"".join(buffers))) as packed:
        assert packed.namelist() == ["table.csv", "tabs.tsv"]
        assert packed.read("tabs.tsv") == FILES["data/tabs.tsv"]


def test_a_long_folder_comes_in_pages(notebook: Kernel, widget: str) -> None:
    notebook.run("import jupyter_tracking.widgets.artifact_browser as module\nmodule.LIST_PAGE = 1")
    first, _ = notebook.ask(widget, {"do": "list", "path": "data"})
    assert [entry["path"] for entry in first["files"]] == ["data/table.csv"]
    rest, _ = notebook.ask(widget, {"do": "list", "path": "data", "token": first["token"]})
    assert ([entry["path"] for entry in rest["files"]], rest["token"]) == (["data/tabs.tsv"], "")
    notebook.run("module.LIST_PAGE = 500")


def test_a_file_too_large_for_the_browser_is_refused_with_the_way_to_get_it(
    notebook: Kernel, widget: str
) -> None:
    notebook.run("import jupyter_tracking.widgets.artifact_browser as module\nmodule.DOWNLOAD_LIMIT = 300")
    for action, path in (("download", "big.txt"), ("archive", "data")):
        answer, buffers = notebook.ask(widget, {"do": action, "path": path})
        assert buffers == []
        assert 'jupyter_tracking.download_artifacts("' in answer["fault"]


@pytest.mark.parametrize("path", ["nothing", "../x"])
def test_what_is_not_there_is_a_sentence(notebook: Kernel, widget: str, path: str) -> None:
    answer, _ = notebook.ask(widget, {"do": "preview", "path": path})
    assert path in answer["fault"]


def test_nonsense_from_the_view_is_ignored(notebook: Kernel, widget: str) -> None:
    for content in ({}, {"do": "preview"}, {"do": "preview", "path": 3}):
        assert notebook.ask(widget, content) == ({}, [])


def test_the_fallbacks(notebook: Kernel, widget: str) -> None:
    (data,) = notebook.run("browser").shown
    assert "data/table.csv" in data["text/plain"]
    assert "<td" in data["text/html"]
    (data,) = notebook.run("with t.start_run(nested=True): found = t.ArtifactBrowser()\nfound").shown
    assert "has no artifacts" in data["text/plain"]


def test_names_are_escaped() -> None:
    page = to_html("<b>", [FileInfo("<i>.txt", False, 3)])
    assert "&lt;i&gt;.txt" in page
    assert "&lt;b&gt;" in page
    assert to_text("r", [FileInfo("a", False, 3)]).splitlines()[1].split() == ["a", "3", "B"]


def test_sizes() -> None:
    assert [size_of(size) for size in (0, 999, 1500, 123_456, 5 * 10**9)] == [
        "0 B",
        "999 B",
        "1.5 kB",
        "123 kB",
        "5.0 GB",
    ]
