"""What real clips bring to the towers that look and listen: for ranges that are measured on them."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from engines.bundle import Bundle
from engines.data.decoding import decode
from engines.data.public.manifest import Row
from engines.spec import MARKING, Array

#: By graph, a batch for each clip that has the modality.
Feeds = dict[str, list[dict[str, Array]]]


def spread(rows: Sequence[Row], count: int) -> list[Row]:
    """At most `count` rows, evenly from first to last."""
    places = np.linspace(0, len(rows) - 1, min(count, len(rows))).round().astype(int).tolist()
    return [rows[place] for place in places]


def feeds_of(bundle: Bundle, folder: Path, rows: Sequence[Row]) -> Feeds:
    """Inputs of these clips of a folder, decoded as the bundle wants them."""
    inputs = {name: bundle.graphs[name].inputs[0].name for name in MARKING}
    feeds: Feeds = {name: [] for name in MARKING}
    with tempfile.TemporaryDirectory() as scratch:
        for clip in decode([row.path(folder) for row in rows], Path(scratch), bundle.preprocessing) if rows else []:
            for name, media in (("vision", clip.frames_TCHW), ("audio", clip.windows_TS)):
                if len(media):
                    feeds[name].append({inputs[name]: media})
    return feeds
