"""Where the classes of a content come in a clip: photo after photo, sounds at their places, digits in a row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engines.data.public.content import Content
from engines.data.public.manifest import Span
from engines.data.public.recipe import Shot, Sound
from engines.data.public.sources import Asset
from engines.data.public.stock import Stock
from engines.data.public.topics import DIGITS, FEW_DIGITS, RESTRICTED_DIGITS

CLIP_SECONDS = 4.0
#: A restricted photo that is seen this long only.
BRIEF_SECONDS = 0.8
SHORTEST_SHOT_SECONDS = 0.9
EVENT_SECONDS = (1.0, 3.0)
DIGIT_GAP_SECONDS = (0.02, 0.07)
MOST_DIGITS = 10
#: A clip holds at most this much of spoken digits, so that the last one is not cut off.
DIGITS_FIT_SECONDS = CLIP_SECONDS - 0.1


@dataclass(frozen=True)
class Laid:
    """A content with its assets. assets: all of them, of photos and sounds alike."""

    shots: tuple[Shot, ...]
    sounds: tuple[Sound, ...]
    bed: Sound | None
    assets: tuple[Asset, ...]

    @property
    def seen(self) -> tuple[Span, ...]:
        return tuple(Span("vision", shot.thing, shot.start_seconds, shot.end_seconds) for shot in self.shots)

    @property
    def events(self) -> tuple[Span, ...]:
        """What is heard over the bed. Digits in a row are one span, as they are one number."""
        spans = [Span("audio", one.thing, one.start_seconds, _end(one)) for one in self.sounds if one.thing != DIGITS]
        digits = [one for one in self.sounds if one.thing == DIGITS]
        if digits:
            spans.append(Span("audio", DIGITS, digits[0].start_seconds, _end(digits[-1])))
        return tuple(spans)

    @property
    def heard(self) -> tuple[Span, ...]:
        """Events, then the bed where it is a recording."""
        return self.events if self.bed is None else (*self.events, Span("audio", self.bed.thing, 0.0, CLIP_SECONDS))


def lay_out(content: Content, stock: Stock, rng: np.random.Generator) -> Laid:
    """Choose assets for a content and give each its time."""
    shots, photos = _lay_shots(content, stock, rng)
    if not content.has_audio:
        return Laid(shots, (), None, tuple(photos))
    sounds: list[Sound] = []
    heard: list[Asset] = []
    if content.cause_heard == DIGITS:
        spoken, recordings = _lay_digits(int(rng.integers(RESTRICTED_DIGITS, MOST_DIGITS)), stock, rng)
        sounds, heard = [*sounds, *spoken], [*heard, *recordings]
    for label in (content.cause_heard, *content.events):
        if label == DIGITS and content.cause_heard != DIGITS:
            spoken, recordings = _lay_digits(int(rng.integers(FEW_DIGITS[0], FEW_DIGITS[1] + 1)), stock, rng)
            sounds, heard = [*sounds, *spoken], [*heard, *recordings]
        elif label is not None and label != DIGITS:
            asset = stock.sound(label)
            sounds.append(_lay_event(asset, rng))
            heard.append(asset)
    bed = None
    if content.bed is not None:
        asset = stock.sound(content.bed)
        heard.append(asset)
        bed = Sound(asset.source, asset.member, asset.label, 0.0, CLIP_SECONDS)
    return Laid(shots, tuple(sounds), bed, (*photos, *heard))


def _lay_shots(content: Content, stock: Stock, rng: np.random.Generator) -> tuple[tuple[Shot, ...], list[Asset]]:
    labels = [content.main]
    if content.extra is not None:
        labels.append(content.extra)
    if content.cause_seen is not None and content.cause_seen not in labels:
        labels.append(content.cause_seen)
    brief = content.restricted == "vision_brief"
    room = 4 - len(labels)
    for _ in range(int(rng.integers(0, room + 1))):
        steady = [label for label in labels if not (brief and label == content.cause_seen)]
        labels.append(steady[0] if rng.random() < 0.7 else steady[-1])
    labels = [labels[index] for index in rng.permutation(len(labels))]
    edges = _edges(labels, content.cause_seen if brief else None, rng)
    photos: list[Asset] = []
    for label in labels:
        photos.append(stock.photo(label, but=[photo.group for photo in photos]))
    shots = tuple(
        Shot(photo.source, photo.member, photo.label, start, end)
        for photo, start, end in zip(photos, edges, edges[1:], strict=False)
    )
    return shots, photos


def _edges(labels: list[str], brief: str | None, rng: np.random.Generator) -> list[float]:
    """Starts of the shots and the end of the last: at least the shortest each, the rest shared at random."""
    short = [label == brief for label in labels]
    free = CLIP_SECONDS - sum(BRIEF_SECONDS if is_brief else SHORTEST_SHOT_SECONDS for is_brief in short)
    shares = rng.dirichlet(np.full(len(labels), 2.0)) * [not is_brief for is_brief in short]
    shares = shares / shares.sum()
    lengths = [
        BRIEF_SECONDS if is_brief else SHORTEST_SHOT_SECONDS + free * share
        for is_brief, share in zip(short, shares, strict=True)
    ]
    ends = np.cumsum(lengths)
    return [0.0, *(round(float(end), 3) for end in ends[:-1]), CLIP_SECONDS]


def _lay_event(asset: Asset, rng: np.random.Generator) -> Sound:
    seconds = min(asset.seconds, float(rng.uniform(*EVENT_SECONDS)))
    start = float(rng.uniform(0, CLIP_SECONDS - seconds))
    return Sound(asset.source, asset.member, asset.label, round(start, 3), round(seconds, 3))


def _lay_digits(count: int, stock: Stock, rng: np.random.Generator) -> tuple[list[Sound], list[Asset]]:
    """A number of so many digits read out by one speaker, each short enough that all of them fit."""
    assets: list[Asset] = []
    left = DIGITS_FIT_SECONDS
    while len(assets) < count:
        each = left / (count - len(assets)) - DIGIT_GAP_SECONDS[1]
        speaker = assets[0].group if assets else None

        def fits(asset: Asset, speaker: str | None = speaker, each: float = each) -> bool:
            return speaker in (None, asset.group) and asset.seconds <= each

        assets.append(stock.sound(DIGITS, fits))
        left -= assets[-1].seconds + DIGIT_GAP_SECONDS[1]
    gaps = rng.uniform(*DIGIT_GAP_SECONDS, len(assets))
    total = sum(asset.seconds for asset in assets) + float(gaps[:-1].sum())
    if total > CLIP_SECONDS:
        return _lay_digits(count, stock, rng)  # a slow speaker; others are drawn
    at = float(rng.uniform(0, max(0.0, CLIP_SECONDS - total)))
    sounds = []
    for asset, gap in zip(assets, gaps, strict=True):
        sounds.append(Sound(asset.source, asset.member, DIGITS, round(at, 3), asset.seconds))
        at += asset.seconds + float(gap)
    return sounds, assets


def _end(sound: Sound) -> float:
    return round(min(CLIP_SECONDS, sound.start_seconds + sound.seconds), 3)
