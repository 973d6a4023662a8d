"""Parts of the inputs, so that flips that gather in one of them are found there."""

from __future__ import annotations

from engines.gate.recorded import Recorded

#: A single source, as `speaker:theo`, is a part of its own from so many inputs on; most photos and titles come once.
LEAST_OF_A_SOURCE = 50
#: What names of single sources start with.
OF_SOURCE = "source "


def parts_of(one: Recorded, task: str) -> frozenset[str]:
    """What this input shares with others, in words; for people, and as keys in files."""
    row = one.row
    names = {f"with {_modalities(one)}"}
    names |= {f"kind of source {kind}" for kind in row.kinds}
    names |= {f"{OF_SOURCE}{group}" for group in row.groups}
    names |= {f"varied: {change}" for change in one.varied}
    told = {
        "decided by": row.evidence.get(task),
        "title of": row.title_source,
        "tenant": row.tenant,
        "harmless, but like": row.hard_negative,
        "labelled": _label(one, task),
    }
    names |= {f"{what} {value}" for what, value in told.items() if value is not None}
    return frozenset(names | ({"rotated"} if row.rotated else set()))


def _modalities(one: Recorded) -> str:
    """Words are always there, if only as their absence."""
    there = {"picture": len(one.clip.frames_TCHW), "sound": len(one.clip.windows_TS)}
    return " and ".join([name for name, count in there.items() if count] or ["neither picture nor sound"])


def _label(one: Recorded, task: str) -> str | None:
    value = getattr(one.row.labels, task)
    return None if value is None else str(value)
