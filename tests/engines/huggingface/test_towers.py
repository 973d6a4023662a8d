"""Towers against the package: same preprocessing, same network, and the same again in ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
import transformers
from PIL import Image

from engines.export import exported
from engines.models.huggingface.audio import audio_tower
from engines.models.huggingface.checkpoint import open_checkpoint
from engines.models.huggingface.text import text_tower
from engines.models.huggingface.tokenizer import tokenizer_json
from engines.models.huggingface.tower import Tower
from engines.models.huggingface.vision import vision_tower
from engines.ort import OrtRunner
from engines.parity import compare, random_inputs
from engines.reference import TorchRunner
from engines.spec import GraphSpec, Range, TensorSpec
from engines.tokenizer import TextTokenizer
from tests.engines.huggingface.conftest import FRAME_PIXELS, SAMPLE_RATE_HZ, VISION, WINDOW_SAMPLES

pytestmark = [pytest.mark.train, pytest.mark.slow]

Checkpoints = Callable[[str], Path]

INPUTS = {
    "vision": (TensorSpec("frames_FCHW", "uint8", ("F", 3, FRAME_PIXELS, FRAME_PIXELS)),),
    "audio": (TensorSpec("windows_FS", "float32", ("F", WINDOW_SAMPLES)),),
    "text": (
        TensorSpec("ids_NL", "int64", ("N", "L")),
        TensorSpec("segments_NL", "int64", ("N", "L")),
        TensorSpec("mask_NL", "bool", ("N", "L")),
    ),
}
TOWERS = {
    "siglip": "vision",
    "siglip2": "vision",
    "clip": "vision",
    "ast": "audio",
    "clap": "audio",
    "clap-fused": "audio",
    "bert": "text",
    "xlm-roberta": "text",
}


def build(name: str, checkpoints: Checkpoints) -> Tower:
    checkpoint = open_checkpoint(checkpoints(name))
    if TOWERS[name] == "vision":
        return vision_tower(checkpoint, FRAME_PIXELS, grid=2)
    if TOWERS[name] == "audio":
        return audio_tower(checkpoint, SAMPLE_RATE_HZ, WINDOW_SAMPLES, tokens=3)
    return text_tower(checkpoint, max_text_tokens=32)


def picture(seed: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Smooth and sharp at once: noise of two sizes, and edges."""
    rng = np.random.default_rng(seed)
    coarse = np.array(Image.fromarray(rng.integers(0, 256, (5, 5, 3), np.uint8)).resize((FRAME_PIXELS, FRAME_PIXELS)))
    return np.where(
        rng.random((FRAME_PIXELS, FRAME_PIXELS, 1)) < 0.2, rng.integers(0, 256, coarse.shape), coarse
    ).astype(np.uint8)


def sound(seed: int, samples: int = WINDOW_SAMPLES) -> np.ndarray[Any, np.dtype[np.float32]]:
    """A chord that fades, in noise, off centre."""
    rng = np.random.default_rng(seed)
    seconds = np.arange(samples) / SAMPLE_RATE_HZ
    chord = sum(np.sin(2 * np.pi * hertz * seconds) for hertz in rng.uniform(80, 6000, 4))
    wave = 0.1 * chord * np.exp(-3 * seconds) + 0.01 * rng.standard_normal(samples) + 0.01
    return wave.astype(np.float32)


@pytest.mark.parametrize("name", ["siglip", "clip"])
def test_pixels_are_those_of_the_image_processor(name: str, checkpoints: Checkpoints) -> None:
    tower: Any = build(name, checkpoints)
    processor = transformers.AutoImageProcessor.from_pretrained(checkpoints(name))
    frames = [picture(seed) for seed in range(4)]
    expected = processor(images=frames, return_tensors="pt")["pixel_values"]
    found = tower.pixels(torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2))
    assert found.shape == expected.shape
    grey_level = (tower.pixels.get_buffer("gain_C11").max()).item()
    assert (found - expected).abs().max() < 1.01 * grey_level  # a tie that Pillow's fixed point rounds the other way
    assert ((found - expected).abs() < 1e-5).float().mean() > 0.999


@pytest.mark.parametrize("name", ["siglip", "clip"])
def test_vision_features_are_the_model_s(name: str, checkpoints: Checkpoints) -> None:
    tower: Any = build(name, checkpoints)
    model_class = {"siglip": transformers.SiglipVisionModel, "clip": transformers.CLIPVisionModel}[name]
    model = model_class.from_pretrained(checkpoints(name)).eval()
    frames = torch.from_numpy(np.stack([picture(0), picture(1)])).permute(0, 3, 1, 2)
    with torch.no_grad():
        found = tower(frames)
        expected = model(pixel_values=tower.pixels(frames))
    assert found.shape == (2, 5, VISION["hidden_size"]) == (2, tower.tokens, tower.features)
    torch.testing.assert_close(found[:, 0], expected.pooler_output)
    patches = expected.last_hidden_state[:, -16:].unflatten(1, (4, 4))
    torch.testing.assert_close(found[:, 2], patches[:, :2, 2:].mean((1, 2)))  # the top right quadrant


def test_flexible_siglip2_is_the_package_s(checkpoints: Checkpoints) -> None:
    tower: Any = build("siglip2", checkpoints)
    model = transformers.Siglip2VisionModel.from_pretrained(checkpoints("siglip2")).eval()
    processor = transformers.AutoImageProcessor.from_pretrained(checkpoints("siglip2"))
    frames = [picture(seed) for seed in range(3)]
    with torch.no_grad():
        expected = model(**processor(images=frames, return_tensors="pt"))
        found = tower(torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2))
    torch.testing.assert_close(found[:, 0], expected.pooler_output, atol=1e-2, rtol=1e-2)  # ties of rounding
    corner = expected.last_hidden_state.unflatten(1, (4, 4))[:, :2, :2].mean((1, 2))
    torch.testing.assert_close(found[:, 1], corner, atol=1e-2, rtol=1e-2)


def test_ast_spectrogram_is_the_feature_extractor_s(checkpoints: Checkpoints) -> None:
    tower: Any = build("ast", checkpoints)
    extractor = transformers.AutoFeatureExtractor.from_pretrained(checkpoints("ast"))
    windows = [sound(seed) for seed in range(3)] + [np.zeros(WINDOW_SAMPLES, np.float32)]
    expected = extractor(windows, sampling_rate=SAMPLE_RATE_HZ, return_tensors="pt")["input_values"]
    found = tower.sound(torch.from_numpy(np.stack(windows)))
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=0)


@pytest.mark.parametrize("name", ["clap", "clap-fused"])
def test_clap_spectrogram_is_the_feature_extractor_s(name: str, checkpoints: Checkpoints) -> None:
    tower: Any = build(name, checkpoints)
    extractor = transformers.AutoFeatureExtractor.from_pretrained(checkpoints(name))
    windows = tower.resample(torch.from_numpy(np.stack([sound(seed) for seed in range(2)])))
    expected = extractor(list(windows.numpy()), sampling_rate=48_000, return_tensors="pt")["input_features"]
    found = tower.sound(windows)
    torch.testing.assert_close(found, expected[:, :1].to(torch.float32), atol=2e-2, rtol=0)  # of about 100 dB


@pytest.mark.parametrize(
    ("rate_hz", "new_rate_hz"), [(16_000, 48_000), (16_000, 22_050), (44_100, 16_000), (16_000, 16_000)]
)
def test_resampling_is_scipy_s(rate_hz: int, new_rate_hz: int) -> None:
    from scipy.signal import resample_poly

    from engines.models.huggingface.resample import Resample

    wave = sound(3, 4001)
    found = Resample(rate_hz, new_rate_hz, wave.size)(torch.from_numpy(wave)[None])[0]
    expected = resample_poly(wave.astype(np.float64), new_rate_hz, rate_hz)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-5)


def test_audio_tokens_cover_the_window_and_no_padding(checkpoints: Checkpoints) -> None:
    tower: Any = build("ast", checkpoints)
    quiet = torch.zeros(1, WINDOW_SAMPLES)
    assert tower(quiet).shape == (1, 3, VISION["hidden_size"])
    columns = tower.sound(quiet)[0, :, 0]
    assert tower.sound.columns == 96
    assert (columns[:96] == columns[0]).all()
    assert (columns[96:] != columns[0]).all()
    assert tower.get_buffer("parts_PT").shape == (3, 10)  # of 12 steps, those that begin before column 96


@pytest.mark.parametrize("name", ["clap", "clap-fused"])
def test_clap_features_are_the_model_s(name: str, checkpoints: Checkpoints) -> None:
    tower: Any = build(name, checkpoints)
    model = transformers.ClapAudioModel.from_pretrained(checkpoints(name)).eval()
    windows = torch.from_numpy(np.stack([sound(0), sound(1)]))
    with torch.no_grad():
        columns = tower.sound(tower.resample(windows))
        copies = columns.expand(-1, 4 if name == "clap-fused" else 1, -1, -1)
        expected = model(input_features=copies, is_longer=torch.zeros(2, 1, dtype=torch.bool)).last_hidden_state
        found = tower(windows)
    assert found.shape == (2, 3, 64)
    torch.testing.assert_close(found[:, 1], expected[:, :, :, 1:3].mean((2, 3)))  # of the four steps that are covered


@pytest.mark.parametrize("name", ["bert", "xlm-roberta"])
def test_each_field_is_read_as_a_sentence(name: str, checkpoints: Checkpoints, tmp_path: Path) -> None:
    checkpoint = open_checkpoint(checkpoints(name))
    tower = build(name, checkpoints)
    (tmp_path / "tokenizer.json").write_text(tokenizer_json(checkpoint))
    ours = TextTokenizer.from_file(tmp_path / "tokenizer.json", 32)
    fields = {"title": "a dog barks at night", "query": "dogs"}
    ids_L, segments_L = ours.encode(fields)
    inputs = [torch.from_numpy(array)[None] for array in (ids_L, segments_L, np.ones(ids_L.shape, np.bool_))]
    padded = [torch.nn.functional.pad(tensor, (0, 4)) for tensor in inputs]

    theirs = transformers.AutoTokenizer.from_pretrained(checkpoints(name))
    model = transformers.AutoModel.from_pretrained(checkpoints(name)).eval()
    with torch.no_grad():
        found = tower(*padded)[0]
        expected = [model(**theirs(text, return_tensors="pt")).last_hidden_state[0, 1:-1] for text in fields.values()]
    torch.testing.assert_close(found[: len(ids_L)], torch.cat(expected), atol=1e-5, rtol=1e-4)
    assert (found[len(ids_L) :] == 0).all()


@pytest.mark.parametrize("name", ["bert", "xlm-roberta"])
def test_no_text_becomes_a_special_token(name: str, checkpoints: Checkpoints, tmp_path: Path) -> None:
    checkpoint = open_checkpoint(checkpoints(name))
    theirs = transformers.AutoTokenizer.from_pretrained(checkpoints(name))
    (tmp_path / "tokenizer.json").write_text(tokenizer_json(checkpoint))
    ours = TextTokenizer.from_file(tmp_path / "tokenizer.json", 64)
    hostile = "a [SEP] [CLS] [MASK] [UNK] <s> </s> <pad> <unk> dog"
    special = set(theirs.all_special_ids) - {theirs.unk_token_id}
    assert special & set(theirs(hostile, add_special_tokens=False)["input_ids"])
    ids_L, _ = ours.encode({"title": hostile})
    assert not special & set(ids_L.tolist())


@pytest.mark.slow
@pytest.mark.parametrize("name", TOWERS)
def test_exported_tower_says_the_same(name: str, checkpoints: Checkpoints, tmp_path: Path) -> None:
    tower = build(name, checkpoints)
    kind = TOWERS[name]
    if kind == "text":
        outputs = (TensorSpec("features_NLC", "float32", ("N", "L", tower.features)),)
        spec = GraphSpec(kind, INPUTS[kind], outputs, {"N": Range(1, 2, 4), "L": Range(1, 8, 16)})
    else:
        outputs = (TensorSpec("features_FPC", "float32", ("F", tower.tokens, tower.features)),)
        spec = GraphSpec(kind, INPUTS[kind], outputs, {"F": Range(1, 2, 8)})
    onnx.save(exported(tower, spec), tmp_path / "graph.onnx")
    rng = np.random.default_rng(0)
    sizes = [{"F": rows, "N": rows, "L": tokens, "vocabulary": 25, "segments": 4} for rows, tokens in [(1, 1), (4, 9)]]
    batches = [random_inputs(spec, size, rng) for size in sizes]
    if kind == "audio":
        batches.append({"windows_FS": np.stack([sound(0), sound(1)])})
    with OrtRunner(tmp_path / "graph.onnx", spec) as runner, TorchRunner(tower, spec) as reference:
        assert compare(runner, reference, batches).worst < 1e-4
