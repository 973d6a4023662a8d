"""Network -> bundle, torch -> ONNX: four graphs with free batch axes that compute in float32.

Weights are stored as they are, or rounded to 8 bits (`quantise.py`), which a bundle of real towers needs to be small.
"""

from __future__ import annotations

import gc
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
import onnx
import torch
from torch import Tensor

from engines.bundle import save_manifest
from engines.calibration import TaskCalibration
from engines.manifest import SCHEMA, TOKENIZER, Manifest
from engines.models.network import Network, Parts
from engines.models.pretrained import load
from engines.models.pretrained.sources import SOURCES
from engines.models.rounding import exact_constants
from engines.models.starter import PRIORS, SHOTS, WEAPONS, StarterNetwork
from engines.quantise import store_small
from engines.spec import GRAPHS, TASKS, GraphSpec, TensorSpec
from engines.tokenizer import word_pipeline
from engines.training.checkpoint import Card, StarterCard, load_checkpoint, load_starter

#: The first opset with every operator that our graphs use and gelu as one operator.
OPSET = 20
#: Sizes for tracing; two or more, as the exporter takes one for a constant, and all different.
SIZES = {"F": 3, "N": 2, "L": 5, "V": 32, "A": 12}
#: Of what is made here from nothing, and of what holds the weights of others (`engines.models.pretrained.sources`).
LICENCE, STARTER_LICENCE = "Apache-2.0", "Apache-2.0 AND BSD-2-Clause AND MIT"
TORCH_DTYPES = {"float32": torch.float32, "int64": torch.int64, "bool": torch.bool, "uint8": torch.uint8}


def export_network(
    network: Parts,
    folder: Path,
    manifest: Manifest,
    tokenizer: str,
    *,
    names: Mapping[str, Sequence[str]] | None = None,
    small: bool = False,
) -> str:
    """Write a whole bundle and return its id; `manifest.files` is filled in.

    tokenizer: the JSON of a `tokenizers` pipeline.
    names: modality -> the names of its classes, in the graph's order, where the network names any.
    small: weights are stored in 8 bits.
    """
    folder.mkdir(parents=True, exist_ok=True)
    export_graphs(network, folder, small=small)
    (folder / TOKENIZER).write_text(tokenizer, encoding="utf-8")
    return save_manifest(folder, manifest, names)


def export_graphs(network: Parts, folder: Path, *, small: bool = False) -> None:
    """Write `vision.onnx`, `audio.onnx`, `text.onnx` and `fusion.onnx`; the network is left in evaluation mode."""
    network.eval()
    specs = network.specs
    for name in GRAPHS:
        part = network.get_submodule(name)
        model = exported(part, specs[name])
        if small:
            model = store_small(model, exact=exact_constants(part))
        onnx.save(model, folder / f"{name}.onnx")


def exported(module: torch.nn.Module, spec: GraphSpec) -> onnx.ModelProto:
    """One graph, without the exporter's notes on where each node came from."""
    inputs = tuple(example_input(tensor) for tensor in spec.inputs)
    axes = tuple(
        {index: torch.export.Dim.DYNAMIC for index, axis in enumerate(tensor.axes) if isinstance(axis, str)}
        for tensor in spec.inputs
    )
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), torch.no_grad(), _uncollected():
        warnings.simplefilter("ignore")  # the exporter warns of its own internals
        program = torch.onnx.export(
            module,
            inputs,
            input_names=[tensor.name for tensor in spec.inputs],
            output_names=[tensor.name for tensor in spec.outputs],
            dynamic_shapes=axes,
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    strip(model, spec)
    onnx.checker.check_model(model, full_check=True)
    return model


@contextmanager
def _uncollected() -> Iterator[None]:
    """No garbage collection: the exporter makes millions of objects that stay until its end.

    Of a text tower's export collecting took 28 % of the CPU time (6.4 and 7.0 s with, 4.5 and 5.0 s without, in turn;
    torch 2.13, 2 vCPU with other work beside it, 2026-11-27).
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def strip(model: onnx.ModelProto, spec: GraphSpec) -> None:
    """Remove what is not computation, so that equal networks give equal bytes, and name the axes as the spec does."""
    del model.metadata_props[:]
    model.producer_name, model.producer_version, model.doc_string = "earshot", "", ""
    del model.graph.value_info[:]
    model.graph.doc_string, model.graph.name = "", spec.name
    for part in [*model.graph.node, *model.graph.input, *model.graph.output, *model.graph.initializer]:
        part.doc_string = ""
        del part.metadata_props[:]
    for value, tensor in zip([*model.graph.input, *model.graph.output], [*spec.inputs, *spec.outputs], strict=True):
        for dim, axis in zip(value.type.tensor_type.shape.dim, tensor.axes, strict=True):
            if isinstance(axis, str) and not dim.HasField("dim_value"):
                dim.dim_param = axis


def example_input(tensor: TensorSpec) -> Tensor:
    """Values that trace the graph; every mask is open."""
    shape = [axis if isinstance(axis, int) else SIZES[axis] for axis in tensor.axes]
    return torch.ones(shape, dtype=TORCH_DTYPES[tensor.dtype])


def export_bundle(checkpoint: Path, folder: Path, *, exact: bool = False) -> str:
    """Turn a checkpoint into a bundle folder and return the bundle's id. Raises `ValueError` for a bad checkpoint.

    A network made here from nothing is stored in float32; one with towers of others in 8 bits unless `exact`, with
    their names and notices: their packages have to be installed (`MissingWeightsError`).
    """
    network, card = open_checkpoint(checkpoint)
    manifest = Manifest(
        name=card.name,
        licence=LICENCE,
        tasks=TASKS,
        embedding_size=card.sizes.embedding_size,
        preprocessing=card.preprocessing,
        calibration=card.calibration,
        thresholds=card.thresholds,
        training=card.training,
        files={},
        schema=SCHEMA,
    )
    if isinstance(card, Card):
        return export_network(network, folder, manifest, word_pipeline(card.vocabulary).to_str(pretty=True))
    names = {"vision": load.image_class_names(), "audio": load.sound_class_names()}
    return export_network(network, folder, _with_marks(manifest, names), card.tokenizer, names=names, small=not exact)


def open_checkpoint(path: Path) -> tuple[Network | StarterNetwork, Card | StarterCard]:
    """A checkpoint of either kind. Raises `ValueError` saying why it is neither."""
    try:
        return load_checkpoint(path)
    except ValueError as error:
        try:
            return load_starter(path)
        except ValueError as other:
            raise ValueError(f"{error}; nor one of the starter: {other}") from other


def _with_marks(manifest: Manifest, names: Mapping[str, Sequence[str]]) -> Manifest:
    """The starter's manifest: what its towers know by name, and whose they are.

    Where training calibrated no category, each prior is a category of the adult task and is taken at its word.
    """
    calibration = manifest.calibration
    if not calibration.categories:
        adult: dict[str, dict[str, TaskCalibration]] = {}
        for modality, priors in PRIORS.items():
            for name in priors:
                adult.setdefault(name, {})[modality] = TaskCalibration()
        calibration = msgspec.structs.replace(calibration, categories={"adult": adult})
    return msgspec.structs.replace(
        manifest,
        calibration=calibration,
        licence=STARTER_LICENCE,
        classes={modality: len(listed) for modality, listed in names.items()},
        priors=dict(PRIORS),
        members={"vision": {"violent": tuple(WEAPONS)}, "audio": {"violent": tuple(SHOTS)}},
        notices=tuple(source.notice for source in SOURCES),
    )
