"""Which split each asset belongs to, decided before anything is composed, so that no source is on both sides."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from engines.data.public.manifest import SPLITS, Split
from engines.data.public.sources import Asset

#: Of the groups of each class. More of them go to val and test than of the clips: intervals there need many sources.
ASSET_SHARES: Mapping[Split, float] = {"train": 0.6, "val": 0.14, "test": 0.26}
#: Digits have six speakers: three, one and two of them; more test speakers would leave too few to learn from.
SPEAKERS: Mapping[Split, int] = {"train": 3, "val": 1, "test": 2}

Parts = dict[Split, list[Asset]]


def split_assets(assets: Sequence[Asset], seed: int) -> Parts:
    """Whole groups to one split each, class by class. Same assets and seed, same parts; order within a part is kept."""
    place: dict[str, Split] = {}
    members: dict[str, list[Asset]] = defaultdict(list)
    for asset in assets:
        members[asset.group].append(asset)
    kinds: dict[tuple[str, str], list[str]] = defaultdict(list)
    for group, of_group in members.items():
        first = of_group[0]
        if first.fixed_split is not None:
            place[group] = _known(first)
        else:
            kinds[group.partition(":")[0], f"{first.label}{first.sensational}"].append(group)
    for number, ((kind, _), groups) in enumerate(sorted(kinds.items())):
        rng = np.random.default_rng([seed, number, 11])
        shuffled = [groups[index] for index in rng.permutation(len(groups))]
        sizes = {group: len(members[group]) for group in groups}
        place |= _speakers(shuffled) if kind == "speaker" else _by_share(shuffled, sizes)
    return {split: [asset for asset in assets if place[asset.group] == split] for split in SPLITS}


def _known(asset: Asset) -> Split:
    for split in SPLITS:
        if asset.fixed_split == split:
            return split
    raise ValueError(f"{asset.id}: split {asset.fixed_split!r}, expected one of {', '.join(SPLITS)}")


def _speakers(speakers: Iterable[str]) -> dict[str, Split]:
    order = [split for split in SPLITS for _ in range(SPEAKERS[split])]
    return {speaker: order[index % len(order)] for index, speaker in enumerate(speakers)}


def _by_share(groups: Sequence[str], sizes: Mapping[str, int]) -> dict[str, Split]:
    """Each group to the split that is furthest below its share; large groups first, else one could not fit any more."""
    have = dict.fromkeys(SPLITS, 0)
    place: dict[str, Split] = {}
    for group in sorted(groups, key=lambda group: -sizes[group]):
        split = min(SPLITS, key=lambda split: have[split] / ASSET_SHARES[split])
        place[group] = split
        have[split] += sizes[group]
    return place


def leaks(used: Iterable[tuple[Split, str]]) -> list[str]:
    """Of the given (split, name of an asset or group) those names that are in more than one split."""
    where: dict[str, set[Split]] = defaultdict(set)
    for split, name in used:
        where[name].add(split)
    return sorted(name for name, splits in where.items() if len(splits) > 1)
