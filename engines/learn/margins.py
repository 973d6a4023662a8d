"""How far a candidate may fall behind the current bundle before its promotion is refused."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path

import msgspec

from engines.learn.report import Comparison

#: The file of a registry that states its margins.
MARGINS = "margins.toml"


class Margins(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Differences of a metric, in its own unit. `of` names slices, as in reports, that have a margin of their own.

    The defaults are a choice, not a finding: a point of a whole task, and of a slice, which has fewer clips, three.
    """

    task: float = 0.01
    slice: float = 0.03
    of: dict[str, float] = {}

    def __post_init__(self) -> None:
        for name, value in {"task": self.task, "slice": self.slice, **self.of}.items():
            if not 0 <= value <= 1:
                raise ValueError(f"margins.{name}: came {value}, expected 0 to 1")

    def for_(self, line: Comparison) -> float:
        """Of one line of a report."""
        return self.of.get(line.slice, self.task if line.is_whole else self.slice)


def read_margins(registry: Path) -> Margins:
    """Those of `margins.toml`; the defaults where there is none. Raises `ValueError` saying what is wrong with it."""
    path = registry / MARGINS
    if not path.exists():
        return Margins()
    try:
        return msgspec.convert(tomllib.loads(path.read_text("utf-8")), Margins)
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: {error}; expected numbers task, slice and a table [of]") from error


def falls(lines: Sequence[Comparison], margins: Margins) -> list[str]:
    """A sentence for each task and protected slice that falls by more than its margin.

    Raises `ValueError` for a margin of a slice that the report does not have: a misspelt one protects nothing.
    """
    if unknown := sorted(margins.of.keys() - {line.slice for line in lines}):
        raise ValueError(
            f"margins: came {', '.join(unknown)}, expected some of {', '.join(line.slice for line in lines)}"
        )
    return [
        f"{line.slice} falls by {-line.difference:.3f} {line.metric}, from {line.current:.3f} to {line.candidate:.3f}, "
        f"and may by {margins.for_(line):.3f}"
        for line in lines
        if line.is_protected and line.difference < -margins.for_(line)
    ]
