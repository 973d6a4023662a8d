"""What people said, merged to one value a question, put onto the rows of a dataset; what does not fit is kept apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from engines.data.public.manifest import Labels, Row
from engines.data.public.table import HIGHEST

#: What `engines.learn.pseudo` writes into `how`; no person said so.
PSEUDO = "pseudo"


class Value(msgspec.Struct, frozen=True, kw_only=True):
    """One line of `earshot label merge`, as far as training reads it; None: raters differ and nobody has decided."""

    video_id: str
    task: str
    value: int | None
    how: str = "agreed"
    query: str | None = None


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """A label or a training row that is left out, and why."""

    line: int | None = None
    video_id: str = ""
    task: str = ""
    reason: str


@dataclass
class Taken:
    """Values by clip and task, lines of each, and what was refused."""

    values: dict[str, dict[str, int]] = field(default_factory=dict)
    lines: dict[tuple[str, str], int] = field(default_factory=dict)
    refused: list[Refused] = field(default_factory=list)

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """task -> value -> how many."""
        found: dict[str, dict[str, int]] = {task: {} for task in HIGHEST}
        for labels in self.values.values():
            for task, value in labels.items():
                found[task][str(value)] = found[task].get(str(value), 0) + 1
        return found


def take(content: bytes, rows: Sequence[Row]) -> Taken:
    """Read `values.jsonl`. Never raises for what is in it: each broken or unfit line is listed, the others count."""
    known, taken = {row.clip_id: row for row in rows}, Taken()
    contradicted: set[tuple[str, str]] = set()
    for number, line in enumerate(content.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            value = msgspec.json.decode(line, type=Value)
        except (msgspec.MsgspecError, ValueError) as error:
            taken.refused.append(Refused(line=number, reason=f"not a line of `earshot label merge`: {error}"))
            continue
        if reason := _unfit(value, known, taken, contradicted):
            taken.refused.append(Refused(line=number, video_id=value.video_id, task=value.task, reason=reason))
        elif value.value is not None:
            taken.values.setdefault(value.video_id, {})[value.task] = value.value
            taken.lines[value.video_id, value.task] = number
    return taken


def with_labels(rows: Sequence[Row], values: Mapping[str, Mapping[str, int]]) -> list[Row]:
    """The rows with these labels in the place of their own."""
    return [
        row
        if row.clip_id not in values
        else msgspec.structs.replace(row, labels=msgspec.structs.replace(row.labels, **values[row.clip_id]))
        for row in rows
    ]


def stripped(row: Row) -> Row:
    """The row as one that nothing is learnt from."""
    return msgspec.structs.replace(row, split="test", labels=Labels(), pseudo=msgspec.UNSET)


def _unfit(value: Value, known: Mapping[str, Row], taken: Taken, contradicted: set[tuple[str, str]]) -> str | None:
    if value.task not in HIGHEST:
        return f"task: came {value.task!r}, expected one of {', '.join(HIGHEST)}"
    if value.how == PSEUDO:
        return "a model's guess is no label of people; `--pseudo` makes and marks pseudo-labels"
    if value.value is None:
        return "raters differ and nobody has decided: `earshot label adjudicate`"
    if not 0 <= value.value <= HIGHEST[value.task]:
        return f"value: came {value.value}, expected 0 to {HIGHEST[value.task]}"
    row = known.get(value.video_id)
    if row is None:
        return "no clip of that id in the data"
    if value.task == "relevance" and value.query is not None and value.query != row.query:
        return f"about the query {value.query!r}, the clip was asked {row.query!r}"
    place = value.video_id, value.task
    earlier = taken.values.get(value.video_id, {}).get(value.task)
    if place in contradicted or (earlier is not None and earlier != value.value):
        contradicted.add(place)
        taken.values.get(value.video_id, {}).pop(value.task, None)
        return f"another line says otherwise (line {taken.lines[place]}); none of them counts until one is left"
    return None
