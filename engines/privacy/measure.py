"""What each kind of storing gives away, and what it still says of events."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engines.models.pretrained.load import yamnet
from engines.models.starter import sound_features
from engines.privacy import AudioPrivacy
from engines.privacy.heard import Heard, Listener
from engines.privacy.recognise import Measured, identify, linear, name_events, network, pooled, tell_apart
from engines.privacy.sound import audio_privacy

#: Takes 0 to 9 of each digit and speaker are held out, 10 to 49 are what the attacker has learned from.
HELD_OUT_TAKES = 10
SHOTS = ("gunshot", "explosion")


@dataclass(frozen=True)
class Finding:
    """One measure under each kind of storing. `attack`: less is better, down to chance."""

    name: str
    attack: bool
    measured: dict[AudioPrivacy, Measured]


@dataclass(frozen=True)
class Recordings:
    """All that is heard, once."""

    alone: Heard
    in_sound: Heard
    esc10: Heard
    sesa: Heard
    sesa_spoken: Heard


def listen(data: Path, seed: int, bar: Callable[[int], Callable[[], None]]) -> Recordings:
    """Hear the recordings under a data folder; `bar` gets their number. Raises `ValueError` when sets are missing."""
    network = yamnet()

    def hear(windows_FS: Tensor) -> Tensor:
        return sound_features(*network(windows_FS))

    advance: list[Callable[[], None]] = []
    listener = Listener(data, hear, lambda: advance[0]())
    advance.append(bar(listener.recordings))
    return Recordings(
        listener.digits(),
        listener.digits_in_sound(seed),
        listener.events("esc10"),
        listener.events("sesa"),
        listener.events_under_speech(seed),
    )


def measure(recordings: Recordings, choices: Iterable[AudioPrivacy] = AudioPrivacy) -> list[Finding]:
    """Attacks first, then events; every choice is attacked by recognisers trained on what that choice stores."""
    columns = {choice: _measure_one(recordings, choice) for choice in choices}
    first = next(iter(columns.values()))
    return [
        Finding(name, attack, {choice: column[name, attack] for choice, column in columns.items()})
        for name, attack in first
    ]


def _measure_one(recordings: Recordings, choice: AudioPrivacy) -> dict[tuple[str, bool], Measured]:
    found: dict[tuple[str, bool], Measured] = {}
    for where, heard in (("alone", recordings.alone), ("10 dB above another sound", recordings.in_sound)):
        values_NX = pooled(stored(heard.features, choice))
        trained_N = np.array([_take(asset.member) >= HELD_OUT_TAKES for asset in heard.assets])
        speakers_N = np.array([asset.group for asset in heard.assets])
        digits_N = np.array([asset.spoken for asset in heard.assets])
        for model, name in ((linear, "logistic regression"), (network, "network")):
            one, ten = identify(model(), values_NX, speakers_N, trained_N)
            found[f"speaker, a digit {where}, {name}", True] = one
            found[f"speaker, ten digits {where}, {name}", True] = ten
            found[f"digit, {where}, {name}", True] = identify(model(), values_NX, digits_N, trained_N)[0]
    labels_N = np.array([asset.label for asset in recordings.esc10.assets])
    values_NX = pooled(stored(recordings.esc10.features, choice))
    found["ESC-10, accuracy", False] = name_events(values_NX, labels_N, _groups(recordings.esc10))
    for name, heard in (("SESA", recordings.sesa), ("SESA with a voice as loud over it", recordings.sesa_spoken)):
        positive_N: NDArray[np.bool_] = np.array([asset.label in SHOTS for asset in heard.assets])
        values_NX = pooled(stored(heard.features, choice))
        found[f"shot or explosion, {name}, AUC", False] = tell_apart(values_NX, positive_N, _groups(heard))
    return found


def stored(features: Sequence[Tensor], choice: AudioPrivacy) -> list[Tensor]:
    """What of each recording's features (W, P, C) is kept, in half precision as in a folder of features."""
    transform = audio_privacy(choice)
    with torch.inference_mode():
        return [transform(item.float()).half() for item in features]


def as_markdown(findings: Sequence[Finding]) -> str:
    """A table with a column for each kind of storing; intervals of 95 %."""
    choices = list(findings[0].measured)
    lines = ["| measure | chance | " + " | ".join(choices) + " |", "|---|---" * 1 + "|---" * len(choices) + "|"]
    for finding in findings:
        cells = [f"{item.value:.3f} ± {item.margin:.3f}" for item in finding.measured.values()]
        chance = next(iter(finding.measured.values())).chance
        kind = "attack" if finding.attack else "event"
        lines.append(f"| {kind}: {finding.name} | {chance:.3f} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _take(member: str) -> int:
    """Of `7_jackson_12.flac` the 12."""
    return int(member.rpartition("_")[2].partition(".")[0])


def _groups(heard: Heard) -> list[str]:
    return [asset.group for asset in heard.assets]
