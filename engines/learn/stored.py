"""A bundle's own graphs on stored features: its verdicts without a video at hand.

The towers below are frozen, and what they make of a clip is what is stored. The graph of vision or audio is cut where
its trained part begins, at its only layer norm (`engines.models.starter.Projection`); text and fusion run whole. So
what is measured is what was exported, weights in 8 bits and all, but for decoding and towers.

Shape letters: N clips, X frames or windows of a clip, F of all clips, P tokens of each, C features, D embedding size,
K tasks.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from engines.bundle import Bundle
from engines.known import pooled_tokens
from engines.ort import OrtRunner
from engines.runner import Runner
from engines.spec import Array, GraphSpec, Range, TensorSpec
from engines.training.features import FeatureBatch, FeatureSet

#: Clips that are judged together.
BATCH = 32
MEDIA = ("vision", "audio")
#: How each modality's tokens and mask are called in the fusion graph.
_AXES = {"vision": ("NVD", "mask_NV"), "audio": ("NAD", "mask_NA"), "text": ("NLD", "mask_NL")}
CUT, TOKENS = "LayerNormalization", "tokens_FPD"

Float32 = NDArray[np.float32]


@dataclass(frozen=True)
class Said:
    """Of some clips: logits_NK float32, embedding_ND float32 with unit norm.

    pooled: of each modality the tokens' mean as of `pooled_tokens`, float32 (N, D); NaN where a clip lacks it.
    """

    logits_NK: Float32
    embedding_ND: Float32
    pooled: Mapping[str, Float32]


def judge_stored(
    bundle: Bundle,
    folder: Path,
    indices: Sequence[int],
    on_batch: Callable[[], None] = lambda: None,
) -> Said:
    """What the bundle says of clips of a folder of features, by their place. At least one clip.

    Raises `ValueError` when the features are of other towers or sizes than the bundle's.
    """
    features = FeatureSet(folder, bundle.tokenizer)
    starts = range(0, len(indices), BATCH)
    return judge_batches(
        bundle, features, (features.batch(list(indices[start : start + BATCH])) for start in starts), on_batch
    )


def judge_batches(
    bundle: Bundle, features: FeatureSet, given: Iterable[FeatureBatch], on_batch: Callable[[], None] = lambda: None
) -> Said:
    """What the bundle says of batches that were put together from such features. Raises as `judge_stored`."""
    _check_towers(bundle, features)
    parts, pooled = [], []
    with _engines(bundle, features) as engines:
        for batch in given:
            inputs = _fusion_inputs(engines, batch)
            outputs = engines["fusion"](inputs)
            parts.append([outputs[name] for name in ("logits_NK", "embedding_ND")])
            pooled.append([_pooled(inputs, name) for name in _AXES])
            on_batch()
    logits_NK, embedding_ND = (np.asarray(np.concatenate(rows), np.float32) for rows in zip(*parts, strict=True))
    columns = (np.concatenate(rows) for rows in zip(*pooled, strict=True))
    return Said(logits_NK, embedding_ND, dict(zip(_AXES, columns, strict=True)))


def batches(clips: int) -> int:
    """How often `on_batch` is called."""
    return -(-clips // BATCH)


def _pooled(inputs: Mapping[str, Array], name: str) -> Float32:
    values_NXD, mask_NX = (inputs[f"{name}_{axes}"] for axes in _AXES[name])
    missing_D = np.full(values_NXD.shape[2], np.nan, np.float32)
    pairs = zip(np.asarray(values_NXD, np.float32), np.asarray(mask_NX, np.bool_), strict=True)
    return np.stack([pooled_tokens(token_XD[there_X]) if there_X.any() else missing_D for token_XD, there_X in pairs])


def _check_towers(bundle: Bundle, features: FeatureSet) -> None:
    own, came = bundle.training.get("data", {}).get("towers"), features.header.towers
    if own != came:
        raise ValueError(
            f"bundle {bundle.path}: was trained on features of towers {str(own)[:12]}, {features.folder} holds those "
            f"of {came[:12]}; make features with the bundle's towers"
        )


@contextmanager
def _engines(bundle: Bundle, features: FeatureSet) -> Iterator[dict[str, Runner]]:
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        runners: dict[str, Runner] = {}
        for name in MEDIA:
            path = Path(scratch) / f"{name}.onnx"
            spec = _cut(bundle, name, path, features.feature_shapes[name])
            runners[name] = stack.enter_context(OrtRunner(path, spec))
        for name in ("text", "fusion"):
            runners[name] = stack.enter_context(OrtRunner(bundle.graph_path(name), bundle.graphs[name]))
        yield runners


def _cut(bundle: Bundle, name: str, path: Path, shape: tuple[int, int]) -> GraphSpec:
    """Write the part of a graph that stands on features; returns its spec."""
    model = onnx.load(bundle.graph_path(name))
    graph = model.graph
    norms = [node for node in graph.node if node.op_type == CUT]
    if len(norms) != 1:
        raise ValueError(f"bundle {bundle.path}: {name} has {len(norms)} layer norms, expected one above its tower")
    entry, made = norms[0].input[0], {output: node for node in graph.node for output in node.output}
    wanted, needed = [TOKENS], set()
    while wanted:
        output = wanted.pop()
        if output != entry and output in made and output not in needed:
            needed.add(output)
            wanted += made[output].input
    nodes = [node for node in graph.node if needed & set(node.output)]
    used = {value for node in nodes for value in node.input}
    (P, C), D = shape, bundle.embedding_size
    weights = {one.name: tuple(one.dims) for one in graph.initializer}
    if weights.get(norms[0].input[1], (C,)) != (C,):
        raise ValueError(f"bundle {bundle.path}: {name} reads {weights[norms[0].input[1]]} features, stored are {C}")
    part = helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info(entry, onnx.TensorProto.FLOAT, ["F", P, C])],
        [helper.make_tensor_value_info(TOKENS, onnx.TensorProto.FLOAT, ["F", P, D])],
        [one for one in graph.initializer if one.name in used],
    )
    onnx.save(helper.make_model(part, opset_imports=model.opset_import, ir_version=model.ir_version), path)
    return GraphSpec(
        name,
        (TensorSpec(entry, "float32", ("F", P, C)),),
        (TensorSpec(TOKENS, "float32", ("F", P, D)),),
        {"F": Range(1, 64, 512)},
    )


def _fusion_inputs(engines: dict[str, Runner], batch: FeatureBatch) -> dict[str, Array]:
    vision_NVD, vision_mask_NV, vision_seconds_NV = _tokens(
        engines["vision"], batch.vision_NFPC.numpy(), batch.vision_mask_NF.numpy(), batch.vision_seconds_NF.numpy()
    )
    audio_NAD, audio_mask_NA, audio_seconds_NA = _tokens(
        engines["audio"], batch.audio_NWPC.numpy(), batch.audio_mask_NW.numpy(), batch.audio_seconds_NW.numpy()
    )
    text = {"ids_NL": batch.ids_NL, "segments_NL": batch.segments_NL, "mask_NL": batch.text_mask_NL}
    text_NLD = engines["text"]({name: tensor.numpy() for name, tensor in text.items()})["tokens_NLD"]
    return {
        "vision_NVD": vision_NVD,
        "vision_mask_NV": vision_mask_NV,
        "vision_seconds_NV": vision_seconds_NV,
        "audio_NAD": audio_NAD,
        "audio_mask_NA": audio_mask_NA,
        "audio_seconds_NA": audio_seconds_NA,
        "text_NLD": text_NLD,
        "text_mask_NL": batch.text_mask_NL.numpy(),
    }


def _tokens(
    project: Runner, features_NXPC: Float32, mask_NX: NDArray[np.bool_], seconds_NX: Float32
) -> tuple[Float32, NDArray[np.bool_], Float32]:
    """Tokens (N, X P, D), zero where nothing is; mask and seconds of each token, (N, X P)."""
    N, X, P, _ = features_NXPC.shape
    D = project.spec.outputs[0].axes[-1]
    assert isinstance(D, int)
    tokens_NXPD = np.zeros((N, X, P, D), np.float32)
    if mask_NX.any():
        there_FPC = np.ascontiguousarray(features_NXPC[mask_NX])
        tokens_NXPD[mask_NX] = project({project.spec.inputs[0].name: there_FPC})[TOKENS]
    return tokens_NXPD.reshape(N, X * P, D), mask_NX.repeat(P, 1), seconds_NX.repeat(P, 1)
