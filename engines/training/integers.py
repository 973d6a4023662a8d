"""A bundle whose towers compute in integers: their ranges are measured on clips, through the graphs themselves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import onnx

from engines.activations import compute_in_integers
from engines.answers import Choice
from engines.bundle import Bundle, read_manifest, save_manifest
from engines.data.feeds import feeds_of, spread
from engines.data.public.manifest import read_dataset, read_rows
from engines.manifest import Manifest
from engines.rewriting import rewriting
from engines.spec import MARKING


def quantise_bundle(
    source: Path,
    folder: Path,
    out: Path,
    choice: Choice,
    *,
    clips: int,
    graphs: Sequence[str] = MARKING,
    on_graph: Callable[[], None] = lambda: None,
) -> Manifest:
    """Write the bundle into `out` with these graphs in integers, by `clips` clips spread evenly over those chosen.

    Raises `ValueError` when there are no clips to measure, when a graph is none of the towers that look and listen or
    is in integers already, `BundleError` when the bundle is not whole.
    """
    bundle, manifest = Bundle.load(source), read_manifest(source)
    if unfit := [name for name in graphs if name not in MARKING or name in bundle.integers]:
        raise ValueError(f"graphs: came {unfit}, expected some of {list(MARKING)} that are not in integers already")
    rows = spread(choice.of(read_rows(folder)), clips)
    feeds = feeds_of(bundle, folder, rows)
    integer = {}
    for name in graphs:
        integer[name] = compute_in_integers(onnx.load(bundle.graph_path(name)), feeds[name])
        on_graph()
    lineage = {"data": read_dataset(folder).sha256, **vars(choice), "clips": len(rows), "graphs": list(graphs)}
    changed = msgspec.structs.replace(
        manifest,
        integers=tuple(sorted({*manifest.integers, *graphs})),
        training={**manifest.training, "integers": lineage},
    )
    with rewriting(source, out) as part:
        for name, graph in integer.items():
            onnx.save(graph, part / f"{name}.onnx")
        save_manifest(part, changed, bundle.classes)
    return read_manifest(out)
