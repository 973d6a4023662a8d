"""Gate clips smuggled into training: the same clip, one of the same source, or a near-duplicate by its features.

Two clips are near-duplicates when what the frozen towers make of their pictures is nearly the same, whatever they are
called and whatever is heard: a re-upload is one, and so is a dubbed one. Where either has no pictures, sound decides.

Shape letters: N training clips, G gate clips, X frames or windows of a clip, C features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

import msgspec
import numpy as np
from numpy.typing import NDArray

from engines.data.public.manifest import Row
from engines.training.features import CLIPS, FeatureSet

Float32 = NDArray[np.float32]

MEDIA = ("vision", "audio")
#: Cosine of centred mean features from which on two clips are taken for one; docs/learn.md says what was measured.
SAME = {"vision": 0.96, "audio": 0.99}
#: Rows that are compared at a time.
CHUNK = 512


class Overlap(msgspec.Struct, frozen=True, kw_only=True):
    """A training clip that gives a gate clip away. similarity: cosine by sense, of near-duplicates."""

    clip_id: str
    gate_clip: str
    why: str
    similarity: dict[str, float] = {}


def overlaps(features: FeatureSet, train: Sequence[int], gate: Sequence[int]) -> list[Overlap]:
    """At most one for each training clip; both by their place among the rows."""
    rows = features.rows
    ids = {rows[g].clip_id for g in gate}
    sources = {group: rows[g].clip_id for g in gate for group in rows[g].groups}
    found = {rows[n].clip_id: one for n in train if (one := _of_source(rows[n], ids, sources)) is not None}
    open_places = [n for n in train if rows[n].clip_id not in found]
    for one in _near_duplicates(features, open_places, gate):
        found.setdefault(one.clip_id, one)
    return list(found.values())


def _of_source(row: Row, ids: Set[str], sources: Mapping[str, str]) -> Overlap | None:
    if row.clip_id in ids:
        return Overlap(clip_id=row.clip_id, gate_clip=row.clip_id, why="is a gate clip")
    for group in row.groups:
        if group in sources:
            return Overlap(clip_id=row.clip_id, gate_clip=sources[group], why=f"has {group} in common")
    return None


def _near_duplicates(features: FeatureSet, train: Sequence[int], gate: Sequence[int]) -> list[Overlap]:
    if not train or not gate:
        return []
    both = {name: (pooled(features, train, name), pooled(features, gate, name)) for name in MEDIA}
    for name, (train_NC, gate_GC) in both.items():
        both[name] = centred(train_NC, gate_GC)
    found = []
    for start in range(0, len(train), CHUNK):
        seen_NG, heard_NG = (both[name][0][start : start + CHUNK] @ both[name][1].T for name in MEDIA)
        is_seen_NG = ~np.isnan(seen_NG)
        margin_NG = np.where(is_seen_NG, seen_NG - SAME["vision"], np.nan_to_num(heard_NG, nan=-1.0) - SAME["audio"])
        for n in np.flatnonzero(margin_NG.max(1) >= 0).tolist():
            g = int(margin_NG[n].argmax())
            name, found_NG = ("vision", seen_NG) if is_seen_NG[n, g] else ("audio", heard_NG)
            ids = features.rows[train[start + n]].clip_id, features.rows[gate[g]].clip_id
            similarity = {name: round(float(found_NG[n, g]), 4)}
            found.append(Overlap(clip_id=ids[0], gate_clip=ids[1], why="is a near-duplicate", similarity=similarity))
    return found


def pooled(features: FeatureSet, places: Sequence[int], name: str) -> Float32:
    """Mean features of the clips as they were uploaded, float32 (N, C); NaN where a clip lacks the sense."""
    mean_NC = np.full((len(places), features.feature_shapes[name][1]), np.nan, np.float32)
    for n, place in enumerate(places):
        stored_XPC, _ = features.stored(CLIPS, place, name)
        if len(stored_XPC):
            mean_NC[n] = stored_XPC.numpy().astype(np.float32).mean((0, 1))
    return mean_NC


def centred(first_NC: Float32, second_GC: Float32) -> tuple[Float32, Float32]:
    """Both with the mean of all taken out, unit norm; rows of NaN stay."""
    together = np.concatenate([first_NC, second_GC])
    if np.isnan(together).all():
        return first_NC, second_GC
    moved = together - np.nanmean(together, axis=0)
    unit = np.asarray(moved / np.maximum(np.linalg.norm(moved, axis=1, keepdims=True), 1e-6), np.float32)
    return unit[: len(first_NC)], unit[len(first_NC) :]
