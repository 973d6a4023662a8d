"""What rewrites are tried on: the graphs of the shipped bundles, with what they are given to judge the demo's clips."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import msgspec
import numpy as np
import onnx

from engines.bundle import Bundle
from engines.data.clips import Clip
from engines.data.public.manifest import Row
from engines.engine_set import EngineSet
from engines.opening import open_engines
from engines.precision.ranges import Batches, run
from engines.runner import Around, Pending, Runner
from engines.scoring import encode, judge_all
from engines.spec import GRAPHS, Array
from streamer.decode.clip import decode
from streamer.decode.formats import DecodeOptions
from streamer.sample import ClipShape

ROOT = Path(__file__).parents[3]
#: The folder of the demo's clips, which one of the packages brings along.
(SAMPLES,) = (path.parent for name in ("engines", "streamer") for path in (ROOT / name).rglob("samples.jsonl"))
BUNDLES = ("world", "starter")
EVERY_GRAPH = [(bundle, graph) for bundle in BUNDLES for graph in GRAPHS]


class Recording(Around):
    """A runner that keeps what it was given."""

    def __init__(self, runner: Runner) -> None:
        super().__init__(runner)
        self.batches: list[dict[str, Array]] = []

    def start(self, inputs: Mapping[str, Array]) -> Pending:
        self.batches.append(dict(inputs))
        return super().start(inputs)


@cache
def graph(bundle: str, name: str) -> onnx.ModelProto:
    """A shipped graph. Rewrites leave it as it is."""
    return onnx.load(Bundle.load(bundle).graph_path(name))


@cache
def given(bundle_name: str) -> dict[str, Batches]:
    """Graph -> what it is given while the samples are judged, the first of them without sound."""
    bundle = Bundle.load(bundle_name)
    sizes = bundle.preprocessing
    engines = {name: Recording(getattr(open_engines(bundle), name)) for name in GRAPHS}
    lines = (SAMPLES / "samples.jsonl").read_bytes().splitlines()
    rows = [msgspec.json.decode(line, type=Row) for line in lines]
    clips = [_decoded(SAMPLES / row.file, bundle) for row in rows]
    clips[0] = Clip(clips[0].frames_TCHW, clips[0].frame_seconds_T, clips[0].windows_TS[:0], np.zeros(0))
    with EngineSet(**engines) as opened:
        seconds = sizes.window_samples / sizes.sample_rate_hz
        tokens = [
            encode(opened, bundle.tokenizer, clip, row.fields, seconds) for clip, row in zip(clips, rows, strict=True)
        ]
        judge_all(opened, tokens[:4])
        judge_all(opened, tokens[4:])
    return {name: engine.batches for name, engine in engines.items()}


def _decoded(path: Path, bundle: Bundle) -> Clip:
    sizes = bundle.preprocessing
    shape = ClipShape(sizes.frame_pixels, sizes.sample_rate_hz, sizes.window_samples, max_frames=1, max_windows=2)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        clip = decode(descriptor, b"any", shape, DecodeOptions(), "test")
    finally:
        os.close(descriptor)
    assert clip.frames_TCHW is not None and clip.windows_TS is not None
    return Clip(clip.frames_TCHW, clip.frame_seconds_T, clip.windows_TS, clip.window_seconds_T)


def outputs(model: onnx.ModelProto, batches: Batches) -> dict[str, list[Array]]:
    """Every output of every batch, from ONNX Runtime."""
    names = [value.name for value in model.graph.output]
    return dict(zip(names, map(list, zip(*run(model, batches, names), strict=True)), strict=True))
