"""Verdicts as `earshot judge --json` prints them: what is evaluated is what would have happened."""

from __future__ import annotations

import msgspec

DECIDED = "decided"


class Evidence(msgspec.Struct, frozen=True):
    """A piece of what a verdict rests on. Times are of what has a place in time."""

    modality: str = ""
    weight: float = 0.0
    start_ms: int | None = None
    end_ms: int | None = None
    name: str | None = None


class Line(msgspec.Struct, frozen=True):
    """The part of a verdict that evaluation needs."""

    file: str
    task: str
    state: str
    action: str
    logit: float | None = None
    score: float | None = None
    threshold: float | None = None
    evidence: tuple[Evidence, ...] = ()


def read_verdicts(content: bytes, *, name: str) -> list[Line]:
    """Raises `ValueError` naming the line that is no verdict, or when there is none."""
    lines = []
    for number, line in enumerate(content.splitlines(), start=1):
        try:
            lines.append(msgspec.json.decode(line, type=Line))
        except msgspec.MsgspecError as error:
            raise ValueError(f"{name}, line {number}: not a verdict of `earshot judge --json`: {error}") from error
    if not lines:
        raise ValueError(f"{name}: came no verdict, expected those of `earshot judge --json`")
    return lines
