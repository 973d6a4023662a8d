"""The rows that a candidate learns from: labelled clips, their splits as they are, and nothing that the gate knows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from engines.data.public.manifest import Labels, Row
from engines.learn.gate import Gate, places_of
from engines.learn.labels import Refused, Taken, stripped, with_labels
from engines.learn.overlap import Overlap, overlaps
from engines.training.features import TRAIN, VAL, FeatureSet

#: Guesses by task, of the rows as they are labelled: clip -> 0 or 1.
Guessing = Callable[[Sequence[Row]], Mapping[str, Mapping[str, int]]]
MOST_NAMED = 5


class OverlapError(ValueError):
    """Raised when training clips give gate clips away; `found` has all of them."""

    def __init__(self, gate: str, found: Sequence[Overlap]) -> None:
        lines = [f"{one.clip_id} {one.why}: gate clip {one.gate_clip}" for one in found[:MOST_NAMED]]
        more = len(found) - MOST_NAMED
        super().__init__(
            f"gate {gate!r} would be trained on by {len(found)} clips:\n  "
            + "\n  ".join([*lines, *([f"and {more} more"] if more > 0 else [])])
            + "\n  take their labels out, or leave these clips out with --leave-out"
        )
        self.found = tuple(found)


@dataclass(frozen=True)
class Chosen:
    """All rows in their order, the unused ones stripped; what was refused and left out; guesses by task."""

    rows: tuple[Row, ...]
    refused: tuple[Refused, ...]
    left_out: tuple[Overlap, ...]
    pseudo: dict[str, int]

    def clips(self, split: str) -> int:
        """How many clips of a split are learnt from."""
        return sum(row.split == split for row in self.rows)


def choose(
    features: FeatureSet, gate: Gate, taken: Taken, *, leave_out: bool, guessing: Guessing | None = None
) -> Chosen:
    """Raises `OverlapError` unless `leave_out`; `ValueError` when the gate's clips are missing or changed."""
    places = places_of(gate, features.rows, features.folder)
    labelled = with_labels(features.rows, {clip: one for clip, one in taken.values.items() if clip not in gate.ids})
    usable = [n for n, row in enumerate(labelled) if row.split in (TRAIN, VAL) and row.clip_id not in gate.ids]
    told = [
        Overlap(clip_id=clip, gate_clip=clip, why=f"is labelled by line {taken.lines[clip, task]} of the labels")
        for clip, tasks in taken.values.items()
        if clip in gate.ids
        for task in list(tasks)[:1]
    ]
    near = overlaps(features, usable, places)
    giving_away = {one.clip_id for one in near}
    known = {row.clip_id for row in labelled if row.labels != Labels()}
    serious = [*told, *(one for one in near if one.clip_id in known)]
    if serious and not leave_out:
        raise OverlapError(gate.name, serious)
    free = [row if _is_free(row, gate, giving_away) else stripped(row) for row in labelled]
    guesses = {} if guessing is None else guessing(free)
    marked = [_with_guesses(row, guesses) for row in free]
    rows = tuple(row if row.labels != Labels() else stripped(row) for row in marked)
    refused = (*taken.refused, *_unused(labelled, gate, taken))
    return Chosen(rows, refused, tuple(serious), {task: len(found) for task, found in guesses.items()})


def _is_free(row: Row, gate: Gate, giving_away: set[str]) -> bool:
    return row.split in (TRAIN, VAL) and row.clip_id not in gate.ids and row.clip_id not in giving_away


def _with_guesses(row: Row, guesses: Mapping[str, Mapping[str, int]]) -> Row:
    own = {task: found[row.clip_id] for task, found in guesses.items() if row.clip_id in found}
    if not own:
        return row
    return msgspec.structs.replace(row, labels=msgspec.structs.replace(row.labels, **own), pseudo=tuple(own))


def _unused(rows: Sequence[Row], gate: Gate, taken: Taken) -> list[Refused]:
    """Labels of test clips that no gate holds: neither trained on nor measured with."""
    return [
        Refused(
            line=taken.lines[row.clip_id, task], video_id=row.clip_id, task=task, reason="the clip is in split test"
        )
        for row in rows
        if row.split not in (TRAIN, VAL) and row.clip_id not in gate.ids
        for task in taken.values.get(row.clip_id, {})
    ]
