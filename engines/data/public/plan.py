"""All clips of a composed dataset, before any is rendered: what each shows, sounds like, says, and its labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engines.data.public.content import Content, ContentDrawer, topic_weight
from engines.data.public.judging import grade, hard_negative, met_by, restricted_slice, restricted_spans
from engines.data.public.layout import CLIP_SECONDS, Laid, lay_out
from engines.data.public.manifest import SPLITS, EvidenceSlice, Labels, Row, Split
from engines.data.public.named import topics
from engines.data.public.recipe import Recipe
from engines.data.public.sources import Asset
from engines.data.public.splits import Parts
from engines.data.public.stock import Stock
from engines.data.public.topics import DIGITS, Topic

#: Of all clips. Train is also the pool that labels are asked for from.
CLIP_SHARES: dict[Split, float] = {"train": 5600 / 8400, "val": 800 / 8400, "test": 2000 / 8400}
#: How often a query is about nothing, something alike, part of, and all of what is there.
GRADE_ODDS = (0.27, 0.17, 0.34, 0.25)
QUERY_FORMS = ("{}", "{}", "{} video", "videos of {}", "{} clip")
STYLE_IF_BROKEN, STYLE_IF_KEPT = 0.7, 0.35

SIZES = ((320, 180), (180, 320), (240, 240), (320, 240), (240, 320), (256, 192), (192, 256), (288, 216))
FRAME_RATES = (8, 10, 12)
SAMPLE_RATES_HZ = (16000, 32000, 44100, 48000)
ROTATED = 0.05
EVENT_DB, LEVEL_DB, LOWPASS_HZ = (0.0, 15.0), (-30.0, -16.0), (3400.0, 7600.0)


@dataclass(frozen=True)
class Planned:
    """One clip: how it is made, and its row."""

    recipe: Recipe
    row: Row


def draw_plan(parts: Parts, clips: int, seed: int) -> list[Planned]:
    """So many clips in the shares of `CLIP_SHARES`. Equal assets, number and seed give equal plans."""
    counts = {split: round(clips * CLIP_SHARES[split]) for split in ("val", "test")}
    counts["train"] = clips - sum(counts.values())
    planned: list[Planned] = []
    for number, split in enumerate(SPLITS):
        if counts[split]:
            planned += _draw_split(split, number, parts[split], counts[split], seed)
    return planned


def _draw_split(split: Split, number: int, assets: Sequence[Asset], clips: int, seed: int) -> list[Planned]:
    rng = np.random.default_rng([seed, number, 12])
    stock = Stock(assets, rng)
    drawer = ContentDrawer(stock, rng)
    askable = tuple(topic for topic in topics() if stock.seen(topic.seen) or stock.heard(topic.heard))
    return [
        _plan_clip(split, index, drawer.draw(kind), stock, askable, rng, seed=(seed, number, index))
        for index, kind in enumerate(drawer.kinds(clips))
    ]


def _plan_clip(
    split: Split,
    index: int,
    content: Content,
    stock: Stock,
    askable: Sequence[Topic],
    rng: np.random.Generator,
    *,
    seed: tuple[int, ...],
) -> Planned:
    laid = lay_out(content, stock, rng)
    promise = met_by(content.topic, laid.seen, laid.heard)
    broken = promise == "none"
    sensational = bool(rng.random() < (STYLE_IF_BROKEN if broken else STYLE_IF_KEPT))
    title = stock.title(content.topic, sensational=sensational)
    wanted, relevance, relevance_slice = _draw_query(laid, content.topic, askable, rng)
    name = wanted.queries[int(rng.integers(len(wanted.queries)))]
    query = QUERY_FORMS[int(rng.integers(len(QUERY_FORMS)))].format(name)
    spans = restricted_spans(laid.seen, laid.heard, sum(sound.thing == DIGITS for sound in laid.sounds))
    clip_id = f"{split}-{index:05d}"
    recipe = _draw_recipe(f"clips/{split}/{clip_id}.mp4", laid, content, rng, seed)
    used = (*laid.assets, title)
    row = Row(
        clip_id=clip_id,
        file=recipe.file,
        split=split,
        title=title.member,
        query=query,
        labels=Labels(clickbait=int(broken), adult=int(bool(spans)), relevance=relevance),
        evidence={"clickbait": promise, "adult": restricted_slice(spans), "relevance": relevance_slice},
        spans=spans,
        seen=laid.seen,
        heard=laid.heard,
        groups=tuple(dict.fromkeys(asset.group for asset in used)),
        assets=tuple(dict.fromkeys(asset.id for asset in used)),
        title_source=title.source,
        title_topic=content.topic.name,
        query_topic=wanted.name,
        hard_negative=None if spans else hard_negative(laid.seen, laid.events, content.topic),
        has_audio=content.has_audio,
        rotated=recipe.rotation_degrees != 0,
        event_db=recipe.event_db if laid.sounds else None,
        seconds=CLIP_SECONDS,
    )
    return Planned(recipe, row)


def _draw_query(
    laid: Laid, title: Topic, askable: Sequence[Topic], rng: np.random.Generator
) -> tuple[Topic, int, EvidenceSlice]:
    """A topic to ask for, so that grades come in their shares; a grade that no topic gives is drawn anew."""
    graded = [(topic, *grade(topic, laid.seen, laid.heard, title)) for topic in askable]
    odds = np.array([GRADE_ODDS[at] * any(one[1] == at for one in graded) for at in range(4)])
    wanted = int(rng.choice(4, p=odds / odds.sum()))
    choices = [one for one in graded if one[1] == wanted]
    weights = np.array([topic_weight(topic) for topic, _, _ in choices])
    return choices[int(rng.choice(len(choices), p=weights / weights.sum()))]


def _draw_recipe(file: str, laid: Laid, content: Content, rng: np.random.Generator, seed: tuple[int, ...]) -> Recipe:
    width, height = SIZES[int(rng.integers(len(SIZES)))]
    return Recipe(
        seed=seed,
        file=file,
        width=width,
        height=height,
        frame_rate=int(rng.choice(FRAME_RATES)),
        seconds=CLIP_SECONDS,
        shots=laid.shots,
        sounds=laid.sounds,
        bed=laid.bed,
        noise=str(rng.choice(["pink", "brown", "white"])),
        has_audio=content.has_audio,
        event_db=round(float(rng.uniform(*EVENT_DB)), 2),
        level_db=round(float(rng.uniform(*LEVEL_DB)), 2),
        lowpass_hz=round(float(rng.uniform(*LOWPASS_HZ)), 1),
        sample_rate_hz=int(rng.choice(SAMPLE_RATES_HZ)),
        rotation_degrees=int(rng.choice([90, 180, 270])) if rng.random() < ROTATED else 0,
    )
