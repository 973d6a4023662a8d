"""Promises of the shipped fusion networks that no engine may break: masks, padding, batches, evidence weights."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from engines.bundle import Bundle
from engines.engine_set import EngineSet
from engines.opening import open_engines
from engines.parity import random_inputs
from engines.spec import Array

SIZES = {"N": 6, "V": 20, "A": 12, "L": 7}
PADDED = {"vision": "NV", "audio": "NA", "text": "NL"}


@pytest.fixture(scope="module", params=["world", "starter"])
def bundle(request: pytest.FixtureRequest) -> Bundle:
    return Bundle.load(request.param)


@pytest.fixture(scope="module")
def engines(bundle: Bundle) -> Iterator[EngineSet]:
    with open_engines(bundle) as engines:
        yield engines


@pytest.fixture
def inputs(bundle: Bundle) -> dict[str, Array]:
    return random_inputs(bundle.graphs["fusion"], SIZES, np.random.default_rng(3))


def pad(inputs: dict[str, Array], modality: str, places: int) -> dict[str, Array]:
    """Places full of nonsense at the end of one modality's token axis, masked."""
    axes = PADDED[modality]
    rng = np.random.default_rng(4)
    padded = dict(inputs)
    for name in (f"{modality}_{axes}D", f"{modality}_mask_{axes}", f"{modality}_seconds_{axes}"):
        if name not in inputs:
            continue
        shape = list(inputs[name].shape)
        shape[1] = places
        more = np.zeros(shape, bool) if "mask" in name else 100 * rng.standard_normal(shape).astype(np.float32)
        padded[name] = np.concatenate([inputs[name], more], axis=1)
    return padded


@pytest.mark.parametrize("modality", PADDED)
@pytest.mark.parametrize("places", [1, 50])
def test_padding_changes_nothing(engines: EngineSet, inputs: dict[str, Array], modality: str, places: int) -> None:
    plain, padded = engines.fusion(inputs), engines.fusion(pad(inputs, modality, places))
    assert np.abs(plain["logits_NK"] - padded["logits_NK"]).max() <= 1e-5
    assert np.abs(plain["embedding_ND"] - padded["embedding_ND"]).max() <= 1e-5
    name = {"vision": "vision_weight_NKV", "audio": "audio_weight_NKA", "text": "text_weight_NKL"}[modality]
    assert (padded[name][:, :, -places:] == 0).all()


def test_company_in_the_batch_changes_nothing(engines: EngineSet, inputs: dict[str, Array]) -> None:
    together = engines.fusion(inputs)
    for n in range(SIZES["N"]):
        alone = engines.fusion({name: array[n : n + 1] for name, array in inputs.items()})
        assert np.abs(alone["logits_NK"] - together["logits_NK"][n]).max() <= 1e-5


def test_masked_audio_is_no_audio(engines: EngineSet, inputs: dict[str, Array]) -> None:
    silent = inputs | {"audio_mask_NA": np.zeros_like(inputs["audio_mask_NA"])}
    other = silent | {"audio_NAD": 10 * inputs["audio_NAD"], "audio_seconds_NA": 5 + inputs["audio_seconds_NA"]}
    assert (engines.fusion(silent)["logits_NK"] == engines.fusion(other)["logits_NK"]).all()
    assert (engines.fusion(silent)["audio_weight_NKA"] == 0).all()


@pytest.mark.parametrize("missing", [(), ("vision",), ("audio",), ("text",), ("vision", "text"), ("vision", "audio")])
def test_weights_share_one_whole(engines: EngineSet, inputs: dict[str, Array], missing: tuple[str, ...]) -> None:
    for modality in missing:
        name = f"{modality}_mask_{PADDED[modality]}"
        inputs[name] = np.zeros_like(inputs[name])
    outputs = engines.fusion(inputs)
    weights = [outputs[name] for name in ("vision_weight_NKV", "audio_weight_NKA", "text_weight_NKL")]
    assert all((array >= 0).all() for array in weights)
    assert np.abs(sum(array.sum(2) for array in weights) - 1).max() <= 1e-5


def test_without_words_all_is_finite(engines: EngineSet, inputs: dict[str, Array]) -> None:
    """The stream gives one masked token of zeros where an event has no text."""
    inputs["text_NLD"] = np.zeros_like(inputs["text_NLD"][:, :1])
    inputs["text_mask_NL"] = np.zeros_like(inputs["text_mask_NL"][:, :1])
    assert all(np.isfinite(array).all() for array in engines.fusion(inputs).values())


def test_embedding_has_unit_norm(engines: EngineSet, inputs: dict[str, Array]) -> None:
    assert np.abs(np.linalg.norm(engines.fusion(inputs)["embedding_ND"], axis=1) - 1).max() <= 1e-5


def test_a_video_with_nothing_in_it_gets_finite_logits(engines: EngineSet, inputs: dict[str, Array]) -> None:
    for modality, axes in PADDED.items():
        inputs[f"{modality}_mask_{axes}"] = np.zeros_like(inputs[f"{modality}_mask_{axes}"])
    assert all(np.isfinite(array).all() for array in engines.fusion(inputs).values())
