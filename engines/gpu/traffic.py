"""What shapes come to each graph: counted while serving, or typical of batches of clips."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import msgspec

from engines.bundle import Bundle
from engines.gpu.buckets import Shape
from engines.ort import read_tensors
from engines.spec import GRAPHS, MARKING

#: How often which shape came: graph -> shape -> count.
Traffic = Mapping[str, Mapping[Shape, int]]

#: Clips of a batch, and their seconds, that plans are built for where nothing was counted.
TYPICAL_CASES = (1, 8, 32)
TYPICAL_SECONDS = (5.0, 15.0, 30.0, 60.0)
TYPICAL_TEXT_TOKENS = (16, 32, 64)
#: Of long videos, as the stream looks at them (`decode.sample.seconds_per_look`).
SECONDS_PER_LOOK = 4.0


def tokens_of_one(bundle: Bundle) -> dict[str, int]:
    """How many tokens a frame and a window of sound become, by graph."""
    found = {}
    for graph in MARKING:
        _, outputs = read_tensors(bundle.graph_path(graph))
        axis = outputs["tokens_FPD"].axes[1]
        if not isinstance(axis, int):
            raise ValueError(f"{graph}: came a free number {axis} of tokens for each item, plans need a fixed one")
        found[graph] = axis
    return found


def longest(bundle: Bundle) -> dict[str, Shape]:
    """The most that a call may bring to each graph: rows by its spec, tokens by the bundle's sampling."""
    sizes, tokens = bundle.preprocessing, tokens_of_one(bundle)
    most = {
        "V": sizes.most_frames * tokens["vision"],
        "A": sizes.max_windows * tokens["audio"],
        "L": sizes.max_text_tokens,
    }
    return {
        name: tuple(min(most.get(axis, room.maximum), room.maximum) for axis, room in spec.ranges.items())
        for name, spec in bundle.graphs.items()
    }


def typical(bundle: Bundle) -> dict[str, dict[Shape, int]]:
    """Batches of `TYPICAL_CASES` clips of `TYPICAL_SECONDS`, each as often, with the runs that leave a modality out."""
    sizes, tokens = bundle.preprocessing, tokens_of_one(bundle)
    window_seconds = sizes.window_samples / sizes.sample_rate_hz
    counts: dict[str, dict[Shape, int]] = {name: {} for name in bundle.graphs}
    for cases in TYPICAL_CASES:
        for seconds in TYPICAL_SECONDS:
            windows = min(sizes.max_windows, math.ceil(seconds / window_seconds))
            frames = min(sizes.most_frames, max(sizes.max_frames, math.ceil(seconds / SECONDS_PER_LOOK)))
            V, A = frames * tokens["vision"], windows * tokens["audio"]
            _count(
                counts["vision"], (cases * sizes.max_frames,)
            )  # more go in pieces, and take no more page-locked memory
            _count(counts["audio"], (cases * windows,))
            for text in TYPICAL_TEXT_TOKENS:
                L = min(text, sizes.max_text_tokens)
                _count(counts["text"], (cases, L))
                for shape in ((V, A, L), (1, A, L), (V, 1, L), (V, A, 1)):
                    _count(counts["fusion"], (cases, *shape))
    return counts


def read_traffic(path: Path) -> dict[str, dict[Shape, int]]:
    """What `write_traffic` has written. Raises `ValueError` naming the file."""
    try:
        rows = msgspec.json.decode(path.read_bytes(), type=dict[str, list[tuple[tuple[int, ...], int]]])
    except msgspec.MsgspecError as error:
        raise ValueError(f"{path}: expected counts of shapes by graph, as earshot run writes them: {error}") from error
    if strange := rows.keys() - set(GRAPHS):
        raise ValueError(f"{path}: came counts of {sorted(strange)}, expected graphs among {list(GRAPHS)}")
    return {graph: dict(counts) for graph, counts in rows.items()}


def write_traffic(path: Path, traffic: Traffic) -> None:
    """Counts by graph as JSON, shapes ascending. Whoever reads meanwhile has the file of before."""
    partial = path.with_name(f"{path.name}.part")
    partial.write_bytes(msgspec.json.encode({graph: sorted(counts.items()) for graph, counts in traffic.items()}))
    partial.replace(path)


def _count(counts: dict[Shape, int], shape: Shape) -> None:
    counts[shape] = counts.get(shape, 0) + 1
