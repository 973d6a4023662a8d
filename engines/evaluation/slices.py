"""Parts of the test clips that say where a number comes from.

Shape letters: N test clips.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engines.evaluation.truth import Truth
from engines.spec import TASKS

Mask = NDArray[np.bool_]

#: In the order of the tables.
SENSES = ("vision", "vision_brief", "audio", "speech", "both")

#: What the senses mean for people.
SENSE_NAMES = {
    "vision": "seen",
    "vision_brief": "seen for less than a second",
    "audio": "heard",
    "speech": "spoken",
    "both": "seen and heard",
}


@dataclass(frozen=True, slots=True)
class Slice:
    """Clips of one task that are looked at together; `key` names them in files, `name` in tables."""

    key: str
    name: str
    task: str
    chosen_N: Mask


def everything(truth: Truth, task: str) -> Slice:
    """All clips whose label is known."""
    return Slice("all", "all", task, ~np.isnan(truth.labels(task)))


def by_sense(truth: Truth, task: str) -> list[Slice]:
    """Clips whose label a sense decides, with all clips of the other label.

    A positive rests on a sense, so it is set against every negative. Clickbait rests on nothing; there it is the
    negatives that a sense decides, namely by keeping the title's promise.
    """
    labels_N, senses_N = truth.labels(task), truth.evidence(task)
    decided = 0 if task == "clickbait" else 1
    found = []
    for sense in SENSES:
        of_sense_N = (labels_N == decided) & (senses_N == sense)
        chosen_N = of_sense_N | (labels_N == 1 - decided)
        found.append(Slice(f"{task}.{sense}", SENSE_NAMES[sense], task, chosen_N))
    return [one for one in found if measurable(truth, one)]


def same_source(truth: Truth) -> list[Slice]:
    """Restricted clips against harmless ones from the same collections: is more learnt than where a file came from?"""
    hard_N = np.array([row.hard_negative or "" for row in truth.rows])
    senses_N = truth.evidence("adult")

    def heard(*things: str) -> Mask:
        return np.array([any(span.thing in things for span in row.spans) for row in truth.rows])

    seen_N = np.isin(senses_N, ("vision", "vision_brief"))
    pairs = (
        ("gunshot", "gunshot / confusable everyday sounds of the same set", heard("gunshot"), hard_N == "casual_sound"),
        ("explosion", "explosion / the same", heard("explosion"), hard_N == "casual_sound"),
        ("loud", "gunshot or explosion / siren, chainsaw ...", senses_N == "audio", hard_N == "loud_sound"),
        ("digits", "7 or more digits / 1 to 3, same speakers", senses_N == "speech", hard_N == "few_digits"),
        ("orders", "7 or more digits / orders and wake words", senses_N == "speech", hard_N == "speech"),
        ("lookalikes", "restricted photos / look-alikes of the same set", seen_N, hard_N == "lookalike"),
        ("titles", "all restricted / titles about it over harmless clips", senses_N != "none", hard_N == "title"),
    )
    labels_N = truth.labels("adult")
    found = [
        Slice(f"adult.{key}", name, "adult", (restricted_N & (labels_N == 1)) | (harmless_N & (labels_N == 0)))
        for key, name, restricted_N, harmless_N in pairs
    ]
    return [one for one in found if measurable(truth, one)]


def by_title_source(truth: Truth) -> list[Slice]:
    """Clips whose title is a headline, and those whose title is one of YouTube."""
    sources_N = np.array([row.title_source or "" for row in truth.rows])
    found = [
        Slice(f"{task}.{source}", source, task, (sources_N == source) & ~np.isnan(truth.labels(task)))
        for source in sorted(set(sources_N.tolist()) - {""})
        for task in TASKS
    ]
    return [one for one in found if measurable(truth, one)]


def without_audio(truth: Truth, task: str) -> Slice | None:
    """Clips that have no sound track: there nothing can be gained by listening."""
    mute_N = np.array([row.has_audio is False for row in truth.rows])
    found = Slice(f"{task}.mute", "no sound track", task, mute_N & ~np.isnan(truth.labels(task)))
    return found if measurable(truth, found) else None


def by_tenant(truth: Truth, task: str) -> list[Slice]:
    """The clips of each tenant, where there is more than one."""
    tenants_N = np.array([row.tenant or "" for row in truth.rows])
    names = sorted(set(tenants_N.tolist()) - {""})
    found = [
        Slice(f"{task}.tenant:{name}", f"tenant {name}", task, (tenants_N == name) & ~np.isnan(truth.labels(task)))
        for name in names
    ]
    return [one for one in found if len(names) > 1 and measurable(truth, one)]


def measurable(truth: Truth, part: Slice) -> bool:
    """Whether it has a positive and a negative."""
    return set(truth.labels(part.task)[part.chosen_N].tolist()) == {0.0, 1.0}


def counts(truth: Truth, part: Slice) -> tuple[int, int]:
    """Positives and negatives."""
    positives = int((truth.labels(part.task)[part.chosen_N] == 1).sum())
    return positives, int(part.chosen_N.sum()) - positives


def fewest_sources(truth: Truth, part: Slice) -> str:
    """The kind of source of which the slice has fewest, as in `2 speaker`: what its numbers hang on.

    Only kinds that all positives, or all negatives, were made from; empty where there is none.
    """
    labels_N, groups = truth.labels(part.task), truth.groups
    found: list[tuple[int, str]] = []
    for label in (0, 1):
        clips = [groups[n] for n in np.flatnonzero(part.chosen_N & (labels_N == label))]
        common = set.intersection(*({name.partition(":")[0] for name in clip} for clip in clips)) if clips else set()
        names = {name for clip in clips for name in clip}
        found += [(sum(name.partition(":")[0] == kind for name in names), kind) for kind in common]
    return " ".join(map(str, min(found))) if found else ""
