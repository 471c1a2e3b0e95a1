"""Runs the body of a cell magic as IPython runs a cell: its last expression is shown, its errors rise."""

from __future__ import annotations

import ast
import traceback
from types import TracebackType
from typing import Any

from . import notebook


def run_cell(shell: Any, cell: str) -> None:
    """Run code in the user's name space.

    Whatever the code raises is raised; the frames of this module are left out of the traceback that
    IPython shows.
    """
    __tracebackhide__ = True
    code = shell.transform_cell(cell)
    # The name by which tracebacks find the source.
    name = shell.compile.cache(code, notebook.place().execution_count, raw_code=cell)
    tree = shell.transform_ast(shell.compile.ast_parse(code, filename=name))
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(shell.compile(tree, name, "exec"), shell.user_ns)  # noqa: S102 - the user's own cell
    if last is not None:
        # "single" hands the value to IPython's display hook.
        exec(shell.compile(ast.Interactive([last]), name, "single"), shell.user_ns)  # noqa: S102 - as above


def user_traceback(error: BaseException) -> str:
    """The traceback as plain text, from the first frame that is the cell's."""
    trace = error.__traceback__
    while trace is not None and _is_ours(trace):
        trace = trace.tb_next
    return "".join(traceback.format_exception(type(error), error, trace))


def _is_ours(trace: TracebackType) -> bool:
    return str(trace.tb_frame.f_globals.get("__name__")).startswith(f"{__package__}.")
