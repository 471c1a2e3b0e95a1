"""The directions of imports, the size budgets, and the completeness of the list of calls."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from jupyter_tracking.protocol import CALLS
from jupyter_tracking_server.services import SERVICES

ROOT = Path(__file__).parent.parent
KERNEL = ROOT / "jupyter_tracking"
SERVER = ROOT / "server_ext" / "jupyter_tracking_server"
SOURCES = sorted([*KERNEL.rglob("*.py"), *SERVER.rglob("*.py")])
FILE_LINES, CLASS_LINES, FUNCTION_LINES, USUAL_FUNCTION_LINES, ARGUMENTS = 400, 250, 80, 40, 5


def name_of(path: Path) -> str:
    """A source file as a dotted module name."""
    base = KERNEL.parent if path.is_relative_to(KERNEL) else SERVER.parent
    return ".".join(path.relative_to(base).with_suffix("").parts).removesuffix(".__init__")


def imports_of(path: Path) -> Iterator[str]:
    """Every module that a file imports, relative ones made absolute; type-checking ones too."""
    package = name_of(path) if path.name == "__init__.py" else name_of(path).rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")
            base = base[: len(base) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def inside(module: str, *packages: str) -> bool:
    """Whether a module is one of the packages or lies below one."""
    return any(module == package or module.startswith(package + ".") for package in packages)


def offenders(paths: list[Path], *forbidden: str, but: tuple[str, ...] = ()) -> list[str]:
    """``file: module`` for each import of a forbidden package, but for files below ``but``."""
    return [
        f"{path.relative_to(ROOT)}: {module}"
        for path in paths
        if not inside(name_of(path), *but)
        for module in imports_of(path)
        if inside(module, *forbidden)
    ]


def test_protocol_imports_only_the_standard_library_and_msgspec() -> None:
    allowed = {"msgspec", "jupyter_tracking", *sys.stdlib_module_names}
    for path in (KERNEL / "protocol").glob("*.py"):
        outside = {module for module in imports_of(path) if module.split(".")[0] not in allowed}
        siblings = {
            module
            for module in imports_of(path)
            if inside(module, "jupyter_tracking") and not inside(module, "jupyter_tracking.protocol")
        }
        assert not outside | siblings, path


def test_the_kernel_side_never_imports_the_server() -> None:
    assert offenders(list(KERNEL.rglob("*.py")), "jupyter_tracking_server") == []


def test_the_server_imports_only_the_protocol_of_the_kernel_side() -> None:
    wrong = [
        line
        for line in offenders(list(SERVER.rglob("*.py")), "jupyter_tracking")
        if not inside(line.split(": ")[1], "jupyter_tracking.protocol")
        and line.split(": ")[1] != "jupyter_tracking"
        # What the relay sends to its service is what a client would send.
        and not line.startswith("server_ext/jupyter_tracking_server/service.py: jupyter_tracking.client")
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("packages", "homes"),
    [
        (("tornado", "jupyter_server"), ("http", "app", "identity.hub")),
        (("jupyterhub",), ("identity.hub",)),
        (("sqlalchemy", "alembic", "psycopg", "sqlite3"), ("store", "search.to_sql", "search.order")),
        (("traitlets",), ("config", "app", "cli")),
    ],
)
def test_foreign_libraries_stay_at_home(packages: tuple[str, ...], homes: tuple[str, ...]) -> None:
    but = tuple(f"jupyter_tracking_server.{home}" for home in homes)
    assert offenders(list(SERVER.rglob("*.py")), *packages, but=but) == []


def test_data_flows_one_way_through_the_server() -> None:
    layers = {
        "store": ("services", "http", "app", "cli", "access", "context", "artifact_stores"),
        "search": ("services", "http", "app", "cli", "access", "context", "artifact_stores"),
        "artifact_stores": ("services", "http", "app", "cli", "access", "context", "store", "search"),
        "services": ("http", "app", "cli"),
        "http": ("app", "cli"),
    }
    for layer, above in layers.items():
        forbidden = tuple(f"jupyter_tracking_server.{name}" for name in above)
        assert offenders(list((SERVER / layer).rglob("*.py")), *forbidden) == [], layer


def test_only_one_typescript_file_fetches() -> None:
    source = ROOT / "labextension" / "src"
    fetching = re.compile(r"\bfetch\(|ServerConnection\.makeRequest|XMLHttpRequest")
    found = [path.relative_to(source) for path in source.rglob("*.ts*") if fetching.search(path.read_text())]
    assert found == [Path("api/client.ts")]


def test_files_stay_within_their_budget() -> None:
    typescript = [*(ROOT / "labextension" / "src").rglob("*.ts*")]
    scripts = [*(KERNEL / "widgets").glob("*.js")]
    long = {
        str(path.relative_to(ROOT)): count
        for path in [*SOURCES, *typescript, *scripts]
        if (count := len(path.read_text().splitlines())) > FILE_LINES
    }
    assert long == {}


def _length(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def test_classes_and_functions_stay_within_their_budgets() -> None:
    wrong: list[str] = []
    lengths: list[int] = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            where = f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.ClassDef) and _length(node) > CLASS_LINES:
                wrong.append(f"{where} class {node.name}: {_length(node)} lines")
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lengths.append(_length(node))
                if _length(node) > FUNCTION_LINES:
                    wrong.append(f"{where} {node.name}: {_length(node)} lines")
                positional = [arg for arg in node.args.args if arg.arg not in {"self", "cls"}]
                if len(positional) > ARGUMENTS:
                    wrong.append(f"{where} {node.name}: {len(positional)} arguments")
    assert wrong == []
    usual = sum(length <= USUAL_FUNCTION_LINES for length in lengths) / len(lengths)
    assert usual >= 0.95


def test_every_call_is_served_once_and_has_a_right() -> None:
    assert set(SERVICES) == set(CALLS)
    assert all(call.action in {"read", "write", "manage", "admin"} for call in CALLS)
    routes = [(verb, call.family, call.path) for call in CALLS for verb in call.verbs]
    assert len(routes) == len(set(routes))
    assert len({call.name for call in CALLS}) == len(CALLS)


def test_every_call_says_what_it_does_and_its_path_fills_fields_that_exist() -> None:
    for call in CALLS:
        assert call.summary, call.name
        for field in re.findall(r"\{(\w+)(?:\.\.\.)?\}", call.path):
            assert field in {item.name for item in msgspec.structs.fields(call.request)}, call.name
