"""What runs were trained with: where arms differ, and that the seeds of one arm do not."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from engines.evaluation.runs import Run

#: Parts of a run's lineage that say how it was trained. Code, packages and machine may differ between seeds.
PARTS = ("options", "sizes", "data")
NONE = "none"

#: Setting -> value as JSON (`NONE` where a run has no such setting) -> arms.
Differences = dict[str, dict[str, list[str]]]


def differences(runs: Mapping[str, Mapping[int, Run]]) -> Differences:
    """Settings that are not the same in all arms. Runs that say nothing of themselves are left out."""
    by_arm = {arm: of_arm for arm, seeds in runs.items() if (of_arm := _of_arm(arm, seeds))}
    found: Differences = {}
    for name in sorted({name for settings in by_arm.values() for name in settings}):
        arms_by_value: dict[str, list[str]] = {}
        for arm, settings in by_arm.items():
            arms_by_value.setdefault(settings.get(name, NONE), []).append(arm)
        if len(arms_by_value) > 1:
            found[name] = arms_by_value
    return found


def _of_arm(arm: str, seeds: Mapping[int, Run]) -> dict[str, str]:
    """Raises `ValueError` when seeds were trained differently: a mean over them would be one of nothing."""
    first: tuple[int, dict[str, str]] | None = None
    for seed, run in seeds.items():
        settings = _settings(run)
        first = first or (seed, settings)
        unlike = [name for name in sorted({*first[1], *settings}) if first[1].get(name) != settings.get(name)]
        if unlike:
            name, (before, known) = unlike[0], first
            raise ValueError(
                f"runs of {arm}: seeds {before} and {seed} came with different {name} "
                f"({known.get(name, NONE)} and {settings.get(name, NONE)}), expected one way to train an arm; "
                "keep runs of one recipe and one set of features in a folder"
            )
    return first[1] if first else {}


def _settings(run: Run) -> dict[str, str]:
    """Flat: `options.hiding.audio` -> `0.1`."""
    return dict(_flat({part: run.card.lineage[part] for part in PARTS if part in run.card.lineage}))


def _flat(tree: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield before + name, json.dumps(value, sort_keys=True)
