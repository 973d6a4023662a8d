"""The starter network: its parts fit their graphs, and ONNX Runtime computes what torch does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from engines.export import SIZES, exported
from engines.models.starter import SHOTS, WEAPONS, StarterNetwork, StarterSizes
from engines.spec import GRAPHS, TensorSpec

VOCABULARY = 90


@pytest.fixture(scope="module")
def network() -> StarterNetwork:
    """Random backbones, scaled so that neither pictures nor sounds all look alike to them."""
    torch.manual_seed(2)
    network = StarterNetwork(StarterSizes(vocabulary_size=VOCABULARY, word_features=24)).eval()
    for name, parameter in network.named_parameters():
        if "backbone" in name or "nsfw" in name:
            parameter.data *= 1.5
    return network


def values(tensor: TensorSpec, row: int) -> torch.Tensor:
    """Random inputs of other sizes than those that the graph was traced with."""
    generator = torch.Generator().manual_seed(row)
    shape = [axis if isinstance(axis, int) else SIZES[axis] + 2 for axis in tensor.axes]
    match tensor.dtype:
        case "uint8":
            return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
        case "int64":
            return torch.randint(0, VOCABULARY if tensor.name == "ids_NL" else 4, shape, generator=generator)
        case "bool":
            return torch.arange(shape[1]).expand(*shape) < shape[1] - 1
    return torch.rand(shape, generator=generator)


#: The fusion network's graph, the longest to export, is compared as a whole bundle is (tests/marks/test_starter.py).
TOWERS = [name for name in GRAPHS if name != "fusion"]


@pytest.mark.slow
@pytest.mark.parametrize("name", TOWERS)
def test_exported_graphs_agree_with_torch(network: StarterNetwork, name: str) -> None:
    part, spec = network.get_submodule(name), network.specs[name]
    inputs = [values(tensor, row) for row, tensor in enumerate(spec.inputs)]
    with torch.no_grad():
        outputs = part(*inputs)
    session = onnxruntime.InferenceSession(exported(part, spec).SerializeToString())
    ours = outputs if isinstance(outputs, tuple) else (outputs,)
    theirs = session.run(
        [tensor.name for tensor in spec.outputs],
        {tensor.name: value.numpy() for tensor, value in zip(spec.inputs, inputs, strict=True)},
    )
    sizes: dict[str, int] = {}
    for tensor, torch_value, ort_value in zip(spec.outputs, ours, theirs, strict=True):
        tensor.check(ort_value, sizes)
        np.testing.assert_allclose(ort_value, torch_value.numpy(), atol=1e-4, rtol=1e-4, err_msg=tensor.name)


def test_only_what_is_on_top_trains(network: StarterNetwork) -> None:
    trained = {name for name, parameter in network.named_parameters() if parameter.requires_grad}
    frozen = {name for name, parameter in network.named_parameters() if not parameter.requires_grad}
    assert {".".join(name.split(".")[:2]) for name in frozen} == {
        "vision.backbone",
        "vision.nsfw",
        "audio.backbone",
        "text.words",
    }
    assert any(name.startswith("vision.project") for name in trained)
    assert sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad) < 3_000_000


def test_projecting_stored_features_gives_the_tokens(network: StarterNetwork) -> None:
    frames_FCHW = torch.randint(0, 256, (2, 3, 224, 224), dtype=torch.uint8)
    windows_FS = torch.randn(2, 15600) * 0.1
    ids_NL, mask_NL = torch.tensor([[5, 6, 0]]), torch.tensor([[True, True, False]])
    segments_NL = torch.tensor([[0, 3, 0]])
    with torch.no_grad():
        vision, audio = network.vision, network.audio
        assert vision.features(frames_FCHW).shape == (2, 4, 1280)
        torch.testing.assert_close(vision.project(vision.features(frames_FCHW)), vision(frames_FCHW)[0])
        assert audio.features(windows_FS).shape == (2, 3, 1545)
        torch.testing.assert_close(audio.project(audio.features(windows_FS)), audio(windows_FS)[0])
        words_NLC = network.text.features(ids_NL, mask_NL)
        tokens_NLD = network.text.project(words_NLC, segments_NL, mask_NL)
        torch.testing.assert_close(tokens_NLD, network.text(ids_NL, segments_NL, mask_NL))
        assert (tokens_NLD[0, 2] == 0).all()


def test_vision_marks_are_probabilities_of_the_named_classes(network: StarterNetwork) -> None:
    frames_FCHW = torch.randint(0, 256, (3, 3, 224, 224), dtype=torch.uint8)
    with torch.no_grad():
        _, classes_FI, scores_FI, priors_FR = network.vision(frames_FCHW)
        scores_FC = network.vision.backbone(frames_FCHW)[1].softmax(1)
        sexual_F = network.vision.nsfw(frames_FCHW)
    assert classes_FI[:, 0].tolist() == scores_FC.argmax(1).tolist()
    assert (scores_FI.diff(dim=1) <= 0).all()
    torch.testing.assert_close(priors_FR, torch.stack([sexual_F, scores_FC[:, list(WEAPONS)].sum(1)], dim=1))


def test_the_loudest_place_decides_the_prior_of_a_window(network: StarterNetwork) -> None:
    windows_FS = torch.randn(3, 15600) * 0.1
    with torch.no_grad():
        _, classes_FI, scores_FI, priors_FR = network.audio(windows_FS)
        logits_FPC = network.audio.backbone(windows_FS)[1]
    torch.testing.assert_close(priors_FR[:, 0], logits_FPC[:, :, list(SHOTS)].sigmoid().flatten(1).amax(1))
    torch.testing.assert_close(scores_FI[:, 0], logits_FPC.mean(1).sigmoid().amax(1))
    assert classes_FI.shape == (3, 3)


@pytest.mark.slow
def test_a_graph_of_words_stores_each_word_once(network: StarterNetwork, tmp_path: Path) -> None:
    model = exported(network.text, network.specs["text"])
    onnx.save(model, tmp_path / "text.onnx")
    tables = [value for value in model.graph.initializer if list(value.dims) == [VOCABULARY, 24]]
    assert len(tables) == 1
