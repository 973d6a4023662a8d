"""Pairs of clips for one question: is a short shot heard in a long quiet track?

Both clips of a pair show the same harmless photos over the same quiet bed; one has a gunshot somewhere, the other an
everyday sound of the same collection, at the same place and loudness.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from engines.data.public.manifest import Dataset, Labels, Row, Span, read_dataset, read_rows, write_dataset
from engines.data.public.recipe import Recipe, Shot, Sound
from engines.data.public.render import Renderer
from engines.data.public.sources import SESA, Asset, find_sets, read_assets

CLIP_SECONDS, EVENT_SECONDS = 12.0, 1.25
#: No event within so much of either end.
MARGIN_SECONDS = 0.5
PHOTOS = 4
#: The event over its bed, and the whole under full scale.
EVENT_DB, LEVEL_DB = 35.0, -30.0
#: By what a clip is called: the class of the collection.
KINDS = {"shot": "gunshot", "everyday": "casual"}


def compose_shots(
    data: Path,
    dataset: Path,
    out: Path,
    *,
    pairs: int,
    seed: int,
    held_out: bool = False,
    on_clip: Callable[[], None] = lambda: None,
) -> Dataset:
    """Write the clips and their manifest. Each sound is of another recording.

    held_out: of recordings that no clip of the dataset is made of which a network was trained or chosen on.
    Raises `ValueError` when data or dataset are not whole, or have fewer recordings or pictures.
    """
    rng = np.random.default_rng([seed, 12])
    known = _learnt_groups(dataset) if held_out else frozenset()
    sounds = {kind: _one_of_each_group(data, label, known, pairs, rng) for kind, label in KINDS.items()}
    photos = _harmless_photos(dataset)
    renderer, rows = Renderer(data), []
    for pair in range(pairs):
        shown = rng.choice(len(photos), PHOTOS, replace=False)
        start = round(float(rng.uniform(MARGIN_SECONDS, CLIP_SECONDS - EVENT_SECONDS - MARGIN_SECONDS)), 3)
        for kind, assets in sounds.items():
            recipe = _recipe(
                (seed, pair), f"clips/pair-{pair:03d}-{kind}.mp4", [photos[n] for n in shown], assets[pair], start
            )
            renderer.render(recipe, out)
            rows.append(_row(recipe, assets[pair]))
            on_clip()
    made_with = {
        "kind": "shots",
        "seed": seed,
        "pairs": pairs,
        "held_out": held_out,
        "pictures": read_dataset(dataset).sha256,
    }
    return write_dataset(out, rows, made_with=made_with, licences={SESA: "not settled: for experiments only"})


def _learnt_groups(dataset: Path) -> frozenset[str]:
    return frozenset(group for row in read_rows(dataset) if row.split != "test" for group in row.groups)


def _one_of_each_group(
    data: Path, label: str, known: frozenset[str], count: int, rng: np.random.Generator
) -> list[Asset]:
    assets = [
        asset
        for asset in read_assets(data, find_sets(data))
        if asset.source == SESA and asset.label == label and asset.group not in known
    ]
    firsts = list({asset.group: asset for asset in reversed(assets)}.values())
    if len(firsts) < count:
        raise ValueError(f"{data}: came {len(firsts)} recordings of {label!r}, expected {count}; ask for fewer --pairs")
    return [firsts[n] for n in rng.permutation(len(firsts))[:count]]


def _harmless_photos(dataset: Path) -> list[tuple[str, str]]:
    """Source and member of the photos of test clips that are harmless and like nothing restricted."""
    rows = [
        row for row in read_rows(dataset) if row.split == "test" and row.labels.adult == 0 and not row.hard_negative
    ]
    found = dict.fromkeys(asset for row in rows for asset in row.assets if asset.startswith("photos/"))
    if len(found) < PHOTOS:
        raise ValueError(f"{dataset}: came {len(found)} harmless photos in test clips, expected {PHOTOS} or more")
    return [(source, member) for source, _, member in (asset.partition("/") for asset in found)]


def _recipe(
    seed: tuple[int, int], file: str, photos: list[tuple[str, str]], asset: Asset, start_seconds: float
) -> Recipe:
    each = CLIP_SECONDS / len(photos)
    shown = [
        Shot(source, member, member.partition("/")[0], n * each, (n + 1) * each)
        for n, (source, member) in enumerate(photos)
    ]
    seconds = min(EVENT_SECONDS, asset.seconds)
    return Recipe(
        seed=seed,
        file=file,
        width=320,
        height=240,
        frame_rate=8,
        seconds=CLIP_SECONDS,
        shots=tuple(shown),
        sounds=(Sound(asset.source, asset.member, asset.label, start_seconds, seconds),),
        event_db=EVENT_DB,
        level_db=LEVEL_DB,
    )


def _row(recipe: Recipe, asset: Asset) -> Row:
    (sound,) = recipe.sounds
    heard = Span("audio", sound.thing, sound.start_seconds, sound.start_seconds + sound.seconds)
    is_shot = sound.thing == KINDS["shot"]
    return Row(
        clip_id=Path(recipe.file).stem,
        file=recipe.file,
        split="test",
        labels=Labels(adult=int(is_shot)),
        evidence={"adult": "audio" if is_shot else "none"},
        spans=(heard,) if is_shot else (),
        heard=(heard,),
        groups=(asset.group,),
        assets=(asset.id, *(f"{shot.source}/{shot.member}" for shot in recipe.shots)),
        seconds=recipe.seconds,
    )
