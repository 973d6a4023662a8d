"""Assumptions that readers may change in the page, and the numbers that follow from them.

A formula is written once, in Python's syntax, and is a tree in the page: the same tree is computed here, for numbers
and arrays, and by `assumptions.js` there. So a page shows the same numbers without its script as with it.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from xml.etree.ElementTree import Element

import msgspec
import numpy as np

from streamer.report.tag import Child, tag

Tree = str | float | list[Any]

_BINARY: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**"}
_COMPARED: dict[type[ast.cmpop], str] = {ast.Gt: ">", ast.Lt: "<"}
_CALLED = ("min", "max", "ceil", "abs")

_ENDS = ("", "at least", "at most")

_COMPUTED: dict[str, Callable[..., Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "**": operator.pow,
    ">": operator.gt,
    "<": operator.lt,
    "min": np.minimum,
    "max": np.maximum,
    "ceil": np.ceil,
    "abs": np.abs,
}


@dataclass(frozen=True, slots=True)
class Assumption:
    """A number of which the page says where it is from. Of the unit "%" the value is a share in [0, 1].

    ends: names and values of two more assumptions, those of its interval, that stand in the same row.
    """

    name: str
    label: str
    value: float
    unit: str
    source: str
    ends: Mapping[str, float] | None = None

    @property
    def entries(self) -> dict[str, float]:
        """Its own value and its ends, by name, as they are written: what is read back is what was computed with."""
        known = {self.name: self.value} | dict(self.ends or {})
        return {name: float(self.written(value)) / self.scale for name, value in known.items()}

    @property
    def scale(self) -> int:
        """What a value is multiplied with to be written."""
        return 100 if self.unit == "%" else 1

    def written(self, value: float) -> str:
        """As it stands in the page."""
        return f"{value * self.scale:.4g}" if abs(value) < 1000 else f"{value * self.scale:.12g}"


@dataclass(frozen=True)
class Result:
    """A number that follows. `formula` may name assumptions and earlier results.

    texts: words in place of the number, by its value: {"1": "Go"}. hidden: computed for others, not shown.
    """

    name: str
    label: str
    formula: str
    unit: str = ""
    digits: int = 0
    texts: Mapping[str, str] | None = None
    hidden: bool = False

    @cached_property
    def tree(self) -> Tree:
        """The formula as nested lists. Raises `ValueError` for what no page computes."""
        return _tree(ast.parse(self.formula, mode="eval").body)

    def told(self, value: float) -> str:
        """The value as the page writes it."""
        if self.texts is not None:
            return self.texts[f"{value:.0f}"]
        scaled = value * (100 if self.unit == "%" else 1)
        rounded = round(scaled, self.digits) + 0.0  # never "-0"
        return f"{rounded:,.{self.digits}f}{f' {self.unit}' if self.unit else ''}"


@dataclass(frozen=True)
class Sheet:
    """Assumptions and results of one page or one part of it. `key` tells sheets of one page apart."""

    key: str
    assumptions: Sequence[Assumption]
    results: Sequence[Result]

    def values(self, **changed: Any) -> dict[str, Any]:
        """Everything by name; with some assumptions changed, to numbers or arrays."""
        known: dict[str, Any] = {}
        for item in self.assumptions:
            known |= item.entries
        known |= changed
        for result in self.results:
            known[result.name] = _computed(result.tree, known)
        return known

    def numbers(self) -> dict[str, float]:
        """Everything by name, under the assumptions as they are."""
        return {name: float(value) for name, value in self.values().items()}

    def told(self, name: str) -> str:
        """A result under the assumptions as they are, as the page writes it."""
        result = next(item for item in self.results if item.name == name)
        return result.told(self.numbers()[name])

    def element(self, *, heading: str) -> Element:
        """A form of the assumptions beside the results."""
        values = self.numbers()
        fields = [_field(self.key, item) for item in self.assumptions]
        shown = [item for item in self.results if not item.hidden]
        told = [
            tag(
                "div",
                tag("dt", item.label),
                tag("dd", tag("output", item.told(values[item.name]), data_result=item.name)),
            )
            for item in shown
        ]
        trees = [
            {"name": r.name, "tree": r.tree, "unit": r.unit, "digits": r.digits, "texts": r.texts} for r in self.results
        ]
        return tag(
            "div",
            tag("div", tag("h3", heading), *fields, class_="assumptions"),
            tag("dl", *told, class_="results", aria_live="polite"),
            class_="sheet",
            data_sheet=msgspec.json.encode(trees).decode(),
        )


def _field(key: str, item: Assumption) -> Element:
    place = f"{key}-{item.name}"
    inputs = [
        tag(
            "input",
            id=f"{key}-{name}",
            type="number",
            step="any",
            value=item.written(value),
            data_name=name,
            data_scale=item.scale,
            aria_describedby=f"{place}-source",
            aria_label=f"{item.label}, {_ENDS[n]}" if n else None,
        )
        for n, (name, value) in enumerate(item.entries.items())
    ]
    value, ends = inputs[0], inputs[1:]
    told: list[Child] = [" (", ends[0], " to ", ends[1], ")"] if ends else []
    unit = tag("span", item.unit, class_="unit") if item.unit else None
    source = tag("span", item.source, id=f"{place}-source", class_="source")
    entry = tag("span", value, *told, unit, class_="entry")
    return tag("div", tag("label", item.label, for_=place), entry, source)


def _tree(node: ast.expr) -> Tree:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return float(node.value)
    if isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
        return [_BINARY[type(node.op)], _tree(node.left), _tree(node.right)]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return ["-", 0.0, _tree(node.operand)]
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in _COMPARED:
        return [_COMPARED[type(node.ops[0])], _tree(node.left), _tree(node.comparators[0])]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _CALLED:
        return [node.func.id, *map(_tree, node.args)]
    raise ValueError(f"formula: came {ast.unparse(node)}, expected sums, products, powers, comparisons, {_CALLED}")


def _computed(tree: Tree, known: Mapping[str, Any]) -> Any:
    if isinstance(tree, str):
        return known[tree]
    if isinstance(tree, list):
        return _COMPUTED[tree[0]](*(_computed(part, known) for part in tree[1:])) * 1.0
    return tree
