"""A data set of manifest rows, and arms whose strength is set: what the tables say about them can be wrong.

Shape letters: N clips, K tasks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engines.data.public.manifest import Dataset, EvidenceSlice, Labels, Row, Span, Split, write_dataset
from engines.evaluation.runs import Card, Run, write_run
from engines.spec import TASKS

#: How many of 100 clips are restricted by what, and how promises of titles are kept.
RESTRICTED: dict[EvidenceSlice, float] = {
    "vision": 0.05,
    "vision_brief": 0.03,
    "audio": 0.06,
    "speech": 0.04,
    "both": 0.02,
}
KEPT: dict[EvidenceSlice, float] = {"vision": 0.4, "audio": 0.18, "both": 0.06}
HARD = ("casual_sound", "few_digits", "loud_sound", "speech", "lookalike", "title")
SPOKEN = {"speech": "digits"}


@dataclass(frozen=True)
class Strength:
    """By sense how far the logits of clips whose label it decides lie from those of the others.

    noise: standard deviation of a clip's logit, the same for every seed; shake: what a seed adds.
    """

    by_sense: Mapping[str, float]
    noise: float = 1.0
    shake: float = 0.2
    conditions: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    parameters: int = 1000
    ms_per_clip: float = 1.0


SEEN = {"vision": 4.0, "vision_brief": 3.0, "both": 4.0}
HEARD = {"audio": 4.0, "speech": 3.0, "both": 4.0}

#: VLMAE hears and sees, VL only sees, late fusion lies between; shuffled sound brings VLMAE back to VL.
ARMS = {
    "text": Strength({}),
    "audio": Strength(HEARD),
    "vl": Strength(SEEN),
    "late_average": Strength(SEEN | {"audio": 2.0, "speech": 1.5}, parameters=3000),
    "full": Strength(HEARD | SEEN, ms_per_clip=2.0),
    "vlmae": Strength(
        HEARD | SEEN, conditions={"audio_shuffled": SEEN, "audio_missing": SEEN, "noise_10db": HEARD | SEEN}
    ),
}


def make_dataset(folder: Path, *, val: int = 300, test: int = 900, seed: int = 0) -> Dataset:
    """A dataset folder without videos."""
    rng = np.random.default_rng(seed)
    splits: list[tuple[Split, int]] = [("train", 10), ("val", val), ("test", test)]
    rows = [_row(rng, split, index) for split, count in splits for index in range(count)]
    return write_dataset(folder, rows, made_with={"kind": "synthetic", "seed": seed}, licences={})


def make_runs(
    folder: Path, dataset: Dataset, rows: list[Row], arms: Mapping[str, Strength] = ARMS, seeds: int = 3
) -> None:
    """Runs of the arms; arms share the noise of clips, as real ones find the same clips hard."""
    val, test = ([row for row in rows if row.split == split] for split in ("val", "test"))
    for arm, strength in arms.items():
        for seed in range(seeds):
            run = Run(
                Card(
                    arm=arm,
                    seed=seed,
                    dataset=dataset.sha256,
                    parameters=strength.parameters,
                    ms_per_clip=strength.ms_per_clip,
                    lineage={"seconds": 1.5, "options": {"hiding": {"audio": 0.1 * (arm == "vl")}}},
                ),
                _logits(val, strength, strength.by_sense, seed, arm),
                _logits(test, strength, strength.by_sense, seed, arm),
                {name: _logits(test, strength, senses, seed, arm) for name, senses in strength.conditions.items()},
            )
            write_run(folder, run)


def _logits(
    rows: list[Row], strength: Strength, by_sense: Mapping[str, float], seed: int, arm: str
) -> NDArray[np.float32]:
    common_NK = np.random.default_rng(len(rows)).normal(0, strength.noise, (len(rows), len(TASKS)))
    own_NK = np.random.default_rng([seed, *arm.encode()]).normal(0, strength.shake, (len(rows), len(TASKS)))
    senses_NK = [[row.evidence[task] for task in TASKS] for row in rows]
    signal_NK = np.array([[by_sense.get(sense, 0.0) for sense in senses] for senses in senses_NK])
    signal_NK[:, TASKS.index("clickbait")] *= -1  # a promise that is kept speaks against clickbait
    return np.asarray(common_NK + own_NK + signal_NK - 1, np.float32)


def _row(rng: np.random.Generator, split: Split, index: int) -> Row:
    restricted = _drawn(rng, RESTRICTED)
    kept = _drawn(rng, KEPT)
    asked = _drawn(rng, {sense: share * 0.8 for sense, share in KEPT.items()})
    grade = (3 if rng.random() < 0.4 else 2) if asked != "none" else int(rng.random() < 0.3)
    thing = SPOKEN.get(restricted, "gunshot" if rng.random() < 0.5 else "explosion")
    spans = () if restricted == "none" else (Span("audio", thing, 0.0, 1.0),)
    names = [f"photo:{split}{one}" for one in rng.integers(0, 400, rng.integers(1, 5))]
    names += [f"sound:{split}{rng.integers(0, 120)}", f"title:{split}{rng.integers(0, 600)}"]
    topic = f"topic {rng.integers(0, 25)}"
    return Row(
        clip_id=f"{split}-{index}",
        file=f"clips/{split}/{index}.mp4",
        split=split,
        title="a title",
        query=topic,
        query_topic=topic,
        labels=Labels(clickbait=int(kept == "none"), adult=int(restricted != "none"), relevance=grade),
        evidence={"clickbait": kept, "adult": restricted, "relevance": asked},
        spans=spans,
        groups=tuple(names),
        title_source="youtube" if rng.random() < 0.5 else "headlines",
        hard_negative=str(rng.choice(HARD)) if restricted == "none" and rng.random() < 0.5 else None,
        has_audio=bool(rng.random() > 0.08),
    )


def _drawn(rng: np.random.Generator, shares: Mapping[EvidenceSlice, float]) -> EvidenceSlice:
    names: list[EvidenceSlice] = [*shares, "none"]
    left = 1 - sum(shares.values())
    return names[int(rng.choice(len(names), p=[*shares.values(), left]))]
