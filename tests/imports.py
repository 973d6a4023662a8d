"""Reads what the modules of this repository import, without importing them."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Module:
    """One file: its dotted name, its tree, and the names it imports.

    at_start: imported when the module is; leaves out functions and `if TYPE_CHECKING`.
    anywhere: imported at all.
    """

    name: str
    path: Path
    tree: ast.Module
    at_start: frozenset[str]
    anywhere: frozenset[str]


@cache
def modules(package: str) -> Mapping[str, Module]:
    """Every module of a package by its dotted name."""
    found = (_module(path) for path in sorted((ROOT / package).rglob("*.py")))
    return {module.name: module for module in found}


def within(name: str, packages: tuple[str, ...]) -> bool:
    """Whether a dotted name is one of these modules or below one."""
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def cycles(graph: Mapping[str, frozenset[str]]) -> list[list[str]]:
    """Groups of modules that import each other in a circle (Tarjan's strongly connected components)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for target in sorted(graph[node] & graph.keys()):
            if target not in index:
                visit(target)
                low[node] = min(low[node], low[target])
            elif target in stack:
                low[node] = min(low[node], index[target])
        if low[node] == index[node]:
            position = stack.index(node)
            group = stack[position:]
            del stack[position:]
            if len(group) > 1 or node in graph[node]:
                found.append(sorted(group))

    for node in sorted(graph):
        if node not in index:
            visit(node)
    return found


def _module(path: Path) -> Module:
    parts = path.relative_to(ROOT).with_suffix("").parts
    name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    tree = ast.parse(path.read_text(encoding="utf-8"))
    package = parts[:-1]
    return Module(
        name=name,
        path=path,
        tree=tree,
        at_start=frozenset(_names(_at_start(tree), package)),
        anywhere=frozenset(_names(ast.walk(tree), package)),
    )


def _at_start(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        deferred = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for_types = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
        if not deferred and not for_types:
            yield child
            yield from _at_start(child)


def _names(nodes: Iterator[ast.AST], package: tuple[str, ...]) -> Iterator[str]:
    """Dotted names of modules; `from a import b` is `a.b` where that is a module of ours, else `a`."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join((*above, *([node.module] if node.module else [])))
            for alias in node.names:
                yield f"{base}.{alias.name}" if _is_module(f"{base}.{alias.name}") else base


def _is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()
