"""Comparisons whose boundary can be moved while the program runs.

Every `<`, `<=`, `>` and `>=` of a module becomes `moved if SWITCH(number) else original`: one
compilation holds all mutants, and a process forked from a warm one turns one of them on.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass

SWITCH = "boundary_is_moved"  # a built-in function while modules compiled here run
_MOVED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Place:
    """One comparison.

    Attributes:
        path: of the module.
        function: its qualified name; empty in the module's own body.
        comparison: as `ast.unparse` writes it, without the rest of a chain.
        line: where it is now; what identifies a place are the other three.
    """

    path: str
    function: str
    comparison: str
    line: int

    @property
    def key(self) -> tuple[str, str, str]:
        """What stays the same when lines move."""
        return self.path, self.function, self.comparison


class _Switching(ast.NodeTransformer):
    def __init__(self, path: str, first: int) -> None:
        self.path, self.first = path, first
        self.within: list[str] = []
        self.places: list[Place] = []

    def _named(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> ast.AST:
        self.within.append(node.name)
        self.generic_visit(node)
        self.within.pop()
        return node

    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = _named

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        written = [ast.unparse(side) for side in (node.left, *node.comparators)]
        self.generic_visit(node)
        result: ast.expr = node
        for at, operator in enumerate(node.ops):
            if (moved := _MOVED.get(type(operator))) is None:
                continue
            pair = ast.Compare(_name(written[at]), [operator], [_name(written[at + 1])])
            self.places.append(
                Place(self.path, ".".join(self.within), ast.unparse(pair), node.lineno)
            )
            operators = [*node.ops[:at], moved(), *node.ops[at + 1 :]]
            number = ast.Constant(self.first + len(self.places) - 1)
            asked = ast.Call(ast.Name(SWITCH, ast.Load()), [number], [])
            result = ast.IfExp(asked, ast.Compare(node.left, operators, node.comparators), result)
        return ast.copy_location(result, node)


def switchable(source: str | bytes, path: str, first: int = 0) -> tuple[ast.Module, list[Place]]:
    """The module with a switch at each comparison, and the comparisons, numbered from ``first``."""
    visitor = _Switching(path, first)
    tree = ast.fix_missing_locations(visitor.visit(ast.parse(source)))
    return tree, visitor.places


def survivors_listed(text: str) -> dict[tuple[str, str, str], str]:
    """The reasons of `equivalent.tsv` by place.

    Raises:
        ValueError: for a line that isn't four columns, without a reason, or written twice.
    """
    result: dict[tuple[str, str, str], str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        columns: Sequence[str] = line.split("\t")
        if len(columns) != 4 or not columns[3].strip():
            raise ValueError(f"line {number}: path, function, comparison and reason, by tabs")
        if (key := (columns[0], columns[1], columns[2])) in result:
            raise ValueError(f"line {number}: {key} stands there already")
        result[key] = columns[3]
    return result


def _name(text: str) -> ast.Name:
    return ast.Name(text, ast.Load())
