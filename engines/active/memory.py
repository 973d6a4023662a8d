"""What broadening remembers between rounds, of one task: what its arms gave, and what it has asked."""

from __future__ import annotations

from collections.abc import Container, Mapping
from pathlib import Path

import msgspec

from engines.active.bandit import Record

SCHEMA = 1


class Asked(msgspec.Struct, frozen=True):
    """A request for a label: which arm chose the video, and what the model said of it then (None: nothing)."""

    arm: str
    score: float | None


class Memory(msgspec.Struct):
    """By video id. open: asked and not answered. found, erred: of the last answered round, the positives, and those
    where the model was on the wrong side. kin: positives that an arm has found, most recent last. reported: to be
    broadened from until nothing comes of it.
    """

    rounds: int = 0
    arms: dict[str, Record] = {}
    open: dict[str, Asked] = {}
    found: list[str] = []
    erred: list[str] = []
    kin: dict[str, list[str]] = {}
    reported: list[str] = []

    def answered(self, labels: Mapping[str, int]) -> dict[str, list[tuple[Asked, int]]]:
        """Take the answers (video id -> 0 or 1) to open requests; by arm what was asked and what came.

        Answers to nothing that was asked are left alone.
        """
        taken = {video_id: self.open.pop(video_id) for video_id in labels if video_id in self.open}
        if not taken:
            return {}
        self.rounds += 1
        self.found = [video_id for video_id in taken if labels[video_id] == 1]
        self.erred = [video_id for video_id, one in taken.items() if _wrong(one.score, labels[video_id])]
        by_arm: dict[str, list[tuple[Asked, int]]] = {}
        for video_id, one in taken.items():
            by_arm.setdefault(one.arm, []).append((one, labels[video_id]))
            if labels[video_id] == 1:
                self.kin.setdefault(one.arm, []).append(video_id)
        return by_arm

    def reported_among(self, known: Container[str]) -> list[str]:
        """Reports that are in a pool: one that has left it can be broadened from no more."""
        return [video_id for video_id in self.reported if video_id in known]


class State(msgspec.Struct, forbid_unknown_fields=True):
    """The file of memories: of one bundle, by task."""

    bundle: str
    tasks: dict[str, Memory] = {}
    schema: int = SCHEMA


def read_state(path: Path, bundle: str) -> State:
    """A new one where there is no file. Raises `ValueError` for one that is broken or of another bundle."""
    if not path.exists():
        return State(bundle)
    try:
        state = msgspec.json.decode(path.read_bytes(), type=State)
    except msgspec.MsgspecError as error:
        raise ValueError(f"{path}: not the state of a selection: {error}") from error
    if state.bundle != bundle:
        raise ValueError(
            f"{path}: came the state of bundle {state.bundle[:12] or '(none named)'}, expected "
            f"{bundle[:12] or '(none named)'}; its scores mean nothing to another, so name a new file"
        )
    return state


def write_state(path: Path, state: State) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    part.write_bytes(msgspec.json.format(msgspec.json.encode(state), indent=2) + b"\n")
    part.replace(path)


def _wrong(score: float | None, label: int) -> bool:
    return score is not None and (score >= 0.5) != bool(label)
