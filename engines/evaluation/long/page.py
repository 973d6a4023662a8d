"""What was measured of long videos as a page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from engines.bundle import Bundle
from engines.data.public.manifest import read_dataset
from engines.evaluation.compare import Progress
from engines.evaluation.long.measure import RATE, VIDEOS, Looked, measured, steps
from engines.evaluation.study import Estimate
from engines.evaluation.tables import markdown
from engines.evaluation.written import written
from engines.training.features import FeatureSet
from engines.training.joined_clips import PART_SECONDS


class Results(msgspec.Struct, frozen=True):
    """lineage: command, bundle, data, draws."""

    lineage: dict[str, Any]
    looked: list[Looked]


def study(
    bundle: Bundle, features: Path, out: Path, *, draws: int, command: str, progress: Progress
) -> tuple[Results, list[Path]]:
    """Measure, and write the page into `out`; returns the results and the files.

    Raises `ValueError` when the features are not whole, of other towers than the bundle's, or of no composed clips.
    """
    feature_set = FeatureSet(features, bundle.tokenizer)
    with progress("long videos", steps(bundle, draws)) as advance:
        looked = measured(bundle, feature_set, draws, advance)
    lineage = {"command": command, "bundle": bundle.id, "data": read_dataset(features).sha256, "draws": draws}
    results = Results(lineage, looked)
    return results, write_report(results, out)


def write_report(results: Results, folder: Path) -> list[Path]:
    """The page and `results.json`."""
    return written(folder, page(results), results)


def page(results: Results) -> str:
    """Markdown."""
    return "\n".join(
        [
            "# What becomes of verdicts when videos are long\n",
            f"This page is generated: `{results.lineage['command']}`.\n",
            INTRODUCTION,
            "## All three tasks\n",
            _tasks(results.looked),
            f"## Restricted, by what gives it away: recall at {RATE:.0%} false positives\n",
            _evidence(results.looked),
        ]
    )


def _tasks(looked: Sequence[Looked]) -> str:
    head = (
        "length",
        "looks at most",
        "restricted: AUC",
        f"recall at {RATE:.0%} false positives",
        "found at the threshold",
        "harmless called there",
        "clickbait: AUC",
        "relevance: rank correlation",
    )
    rows = []
    for one in looked:
        shares = (one.found, one.flagged)
        rows.append(
            (
                f"{one.seconds:.0f} s",
                str(one.looks),
                _shown(one.adult_auc),
                _shown(one.adult_recall),
                *(f"{share.value:.1%}" for share in shares),
                _shown(one.clickbait_auc),
                _shown(one.relevance),
            )
        )
    return markdown(head, rows)


def _evidence(looked: Sequence[Looked]) -> str:
    names = sorted({name for one in looked for name in one.by_evidence})
    rows = []
    for one in looked:
        shares = [f"{one.by_evidence[name]:.2f}" if name in one.by_evidence else "-" for name in names]
        rows.append((f"{one.seconds:.0f} s", str(one.looks), *shares))
    return markdown(("length", "looks at most", *names), rows)


def _shown(estimate: Estimate) -> str:
    return f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"


INTRODUCTION = f"""Composed test clips of {PART_SECONDS:.0f} s after each other, judged as one video through the
bundle's own graphs from stored features. In half of the {VIDEOS} videos of a draw one clip, anywhere, is restricted;
title and query are those of that clip, or of any of a harmless video; labels follow from all that is there. A look is
taken in each equal part of the video, as the stream's plan does where there is a keyframe at every cut, and up to 32
windows of sound alike. A composed clip shows several pictures in its {PART_SECONDS:.0f} s and something restricted in
one or more of them. The stream looks as often as at a short video or, where that is more, once in {PART_SECONDS:.0f} s
(`decode.sample.seconds_per_look`), and never more than four times as often as at a short one. Priors, which judge
beside the network, are left out here. Intervals are over draws: which clips come together; the clips are the same.
"""
