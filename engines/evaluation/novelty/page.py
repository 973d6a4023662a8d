"""What was measured of novelty as a page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from engines.evaluation.novelty.measure import FEWEST_CLIPS, RATES, Held, Novelty
from engines.evaluation.novelty.spaces import BY, NETWORK, PICTURES, SOUNDS, VERDICT
from engines.evaluation.study import Estimate
from engines.evaluation.tables import markdown
from engines.evaluation.written import written
from engines.known import DIRECTIONS, NEIGHBOURS

NAMES = {
    VERDICT: "`novelty` of verdicts",
    BY["vision"]: "`novelty_by` vision",
    BY["audio"]: "`novelty_by` audio",
    NETWORK: "the network's embedding",
    PICTURES: "pictures, frozen tower",
    SOUNDS: "sounds, frozen tower",
}


class Results(msgspec.Struct, frozen=True):
    """lineage: command, bundle, data."""

    lineage: dict[str, Any]
    novelty: Novelty


def write_report(results: Results, folder: Path) -> list[Path]:
    """The page and `results.json`."""
    return written(folder, page(results), results)


def page(results: Results) -> str:
    """Markdown."""
    found, shares = results.novelty, [f"found at {rate:.0%}" for rate in RATES]
    of_thresholds = [
        (NAMES[one.space], f"{one.rate:.0%}", f"{one.distance:.3f}", _shown(one.alarms, 4), str(one.clips))
        for one in found.thresholds
    ]
    of_groups = [
        (
            NAMES[one.space],
            one.group,
            str(one.things),
            _shown(one.auc),
            f"{one.lowest:.2f} to {one.highest:.2f}",
            *(f"{share:.3f}" for share in one.detected),
        )
        for one in found.groups
    ]
    parts = [
        "# Whether novelty tells what is new\n",
        f"This page is generated: `{results.lineage['command']}`.\n",
        INTRODUCTION,
        "## Thresholds\n",
        markdown(("distance", "of validation clips", "threshold", "of known test clips", "clips"), of_thresholds),
        "## Things held out\n",
        GROUPS_TEXT,
        markdown(("distance", "things", "how many", "AUC [95 %]", "worst to best", *shares), of_groups),
        "## One by one\n",
        _things(found.things),
    ]
    return "\n".join(parts)


def _things(things: Sequence[Held]) -> str:
    spaces = list(dict.fromkeys(one.space for one in things))
    by_thing: dict[tuple[str, str, int], dict[str, Held]] = {}
    for one in things:
        by_thing.setdefault((one.group, one.thing, one.clips), {})[one.space] = one
    head = ["things", "which", "clips"]
    for space in spaces:
        head += [f"{space}: AUC [95 %]", *(f"found at {rate:.0%}" for rate in RATES)]
    rows = []
    for (group, thing, clips), found in sorted(by_thing.items(), key=lambda pair: pair[0][0]):
        cells = [group, thing, str(clips)]
        for space in spaces:
            cells += [_shown(found[space].auc, 2), *(f"{share:.2f}" for share in found[space].detected)]
        rows.append(cells)
    return markdown(head, rows)


def _shown(estimate: Estimate, digits: int = 3) -> str:
    return f"{estimate.value:.{digits}f} [{estimate.low:.{digits}f}, {estimate.high:.{digits}f}]"


INTRODUCTION = f"""A thing is held out by leaving every training and validation clip that has it out of those that
novelty is made with; test clips with it should then be newer than the others. `novelty` of verdicts is what users get,
`novelty_by` one sense of it: the share of validation clips that lie nearer to {NEIGHBOURS} of the training clips, by
the mean of their tokens in {DIRECTIONS} whitened directions. The network's embedding is what its heads judge by: there,
and in what the frozen towers make of pictures and sounds, novelty is the distance to the nearest training clip. Things
with at least {FEWEST_CLIPS} test clips; known test clips are of kinds of sources that the network was trained on.
Intervals are over source groups.
"""

GROUPS_TEXT = """The network has been trained on the things it is to find new, but for those that were never learnt, and
the tokens come of that training. "Chosen on": things on whose test clips the settings of `novelty` were chosen, every
other one of those that were learnt; the rest was not. "Found at 1 %": share of clips with the thing at the threshold
that one of a hundred clips without it reaches; what tells nothing finds as many.
"""
