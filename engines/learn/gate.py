"""The gate set: labelled clips that are frozen under a name, to compare bundles on and for nothing else.

A gate is one JSON file with whole rows. Its hash is that of the rows, so a gate that was edited is refused, and two
reports with one hash speak of the same clips, words and labels.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from engines.data.public.manifest import Labels, Row

MOST_NAMED = 5


class Gate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The rows, sorted by clip, all of split `test`, and the sha256 of them."""

    name: str
    sha256: str
    rows: tuple[Row, ...]

    @property
    def ids(self) -> frozenset[str]:
        """Of its clips."""
        return frozenset(row.clip_id for row in self.rows)


def freeze(rows: Iterable[Row], name: str) -> Gate:
    """A gate of these rows; those without any label are left out.

    Raises `ValueError` when none is left, a clip comes twice, or a label is a model's guess.
    """
    kept = sorted((row for row in rows if row.labels != Labels()), key=lambda row: row.clip_id)
    if not kept:
        raise ValueError(
            f"gate {name}: came no clip with a label, expected some; label a part that nothing learns from"
        )
    if guessed := [row.clip_id for row in kept if row.pseudo]:
        raise ValueError(f"gate {name}: came pseudo-labels of {shown(guessed)}, expected what people said")
    repeated = [row.clip_id for row, other in zip(kept[1:], kept, strict=False) if row.clip_id == other.clip_id]
    if repeated:
        raise ValueError(f"gate {name}: came {shown(repeated)} twice, expected each clip once")
    frozen = tuple(msgspec.structs.replace(row, split="test") for row in kept)
    return Gate(name=name, sha256=_digest(frozen), rows=frozen)


def write_gate(path: Path, gate: Gate) -> None:
    """Whole or not at all. Raises `ValueError` when a gate is there already: frozen is frozen."""
    if path.exists():
        raise ValueError(f"{path}: is there already, and what was measured on it counts on it; choose another name")
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    part.write_bytes(msgspec.json.encode(gate) + b"\n")
    part.replace(path)


def read_gate(path: Path) -> Gate:
    """Raises `ValueError` when the file is no gate, or not the one that was frozen."""
    try:
        gate = msgspec.json.decode(path.read_bytes(), type=Gate)
    except (OSError, msgspec.MsgspecError) as error:
        raise ValueError(f"{path}: not a gate set ({error}); make one by `earshot dataset gate`") from error
    if (came := _digest(gate.rows)) != gate.sha256:
        raise ValueError(f"{path}: its rows have sha256 {came[:12]}, it was frozen with {gate.sha256[:12]}; restore it")
    return gate


def places_of(gate: Gate, rows: Sequence[Row], source: Path) -> list[int]:
    """Where the gate's clips are among the rows, in the gate's order.

    Raises `ValueError` naming clips that are missing, or whose words or labels are others than the frozen ones.
    """
    places: Mapping[str, int] = {row.clip_id: place for place, row in enumerate(rows)}
    if missing := [row.clip_id for row in gate.rows if row.clip_id not in places]:
        raise ValueError(f"{source}: lacks clips {shown(missing)} of gate {gate.name!r}; add them, labels and all")
    changed = [row.clip_id for row in gate.rows if _asked(row) != _asked(rows[places[row.clip_id]])]
    if changed:
        raise ValueError(
            f"{source}: clips {shown(changed)} have other words or labels than in gate {gate.name!r}; "
            "put them back, or freeze a new gate and measure the current bundle on it"
        )
    return [places[row.clip_id] for row in gate.rows]


def shown(ids: Sequence[str]) -> str:
    """The first of them, and how many more there are."""
    more = len(ids) - MOST_NAMED
    return ", ".join(ids[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _asked(row: Row) -> tuple[dict[str, str], Labels]:
    return row.fields, row.labels


def _digest(rows: tuple[Row, ...]) -> str:
    return hashlib.sha256(msgspec.json.encode(rows, order="deterministic")).hexdigest()
