"""Checkpoint -> bundle, torch -> ONNX: four graphs of float32 with free batch axes."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import onnx
import torch
from torch import Tensor

from engines.bundle import TOKENIZER, Manifest, save_manifest
from engines.models.network import Network
from engines.spec import TASKS, GraphSpec, TensorSpec, graph_specs
from engines.tokenizer import word_pipeline
from engines.training.checkpoint import load_checkpoint

#: The first opset with every operator that our graphs use and gelu as one operator.
OPSET = 20
#: Sizes for tracing; two or more, as the exporter takes one for a constant, and all different.
SIZES = {"F": 3, "N": 2, "L": 5, "V": 32, "A": 12}
#: Everything in our bundles is made here, from nothing.
LICENCE = "Apache-2.0"
TORCH_DTYPES = {"float32": torch.float32, "int64": torch.int64, "bool": torch.bool, "uint8": torch.uint8}


def export_graphs(network: Network, folder: Path) -> None:
    """Write `vision.onnx`, `audio.onnx`, `text.onnx` and `fusion.onnx`; the network is left in evaluation mode."""
    network.eval()
    sizes = network.sizes
    specs = graph_specs(sizes.frame_pixels, sizes.window_samples, sizes.embedding_size)
    for name, spec in specs.items():
        export_graph(network.get_submodule(name), spec, folder / f"{name}.onnx")


def export_graph(module: torch.nn.Module, spec: GraphSpec, path: Path) -> None:
    """Write one graph, without the exporter's notes on where each node came from."""
    inputs = tuple(example_input(tensor) for tensor in spec.inputs)
    axes = tuple(
        {index: torch.export.Dim.DYNAMIC for index, axis in enumerate(tensor.axes) if isinstance(axis, str)}
        for tensor in spec.inputs
    )
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), torch.no_grad():
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
    onnx.save(model, path)


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


def export_bundle(checkpoint: Path, folder: Path) -> str:
    """Turn a checkpoint into a bundle folder and return the bundle's id. Raises `ValueError` for a bad checkpoint."""
    network, card = load_checkpoint(checkpoint)
    folder.mkdir(parents=True, exist_ok=True)
    export_graphs(network, folder)
    word_pipeline(card.vocabulary).save(str(folder / TOKENIZER))
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
    )
    return save_manifest(folder, manifest)
