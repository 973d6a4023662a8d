"""YAMNet in float against the published graph of 8 bits."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor, nn

from engines.models.pretrained import SAMPLE_RATE_HZ, WINDOW_SAMPLES, load
from engines.models.pretrained.yamnet import Yamnet, mel_filters

Scores = Callable[[Tensor], NDArray[np.float32]]


@pytest.fixture(scope="module")
def yamnet() -> Yamnet:
    return load.yamnet()


@pytest.fixture(scope="module")
def constants() -> dict[str, float]:
    scalars = [value for value in load.yamnet_graph().initializer if not value.dims]
    return {value.name: float(numpy_helper.to_array(value)) for value in scalars}


@pytest.fixture(scope="module")
def published(constants: dict[str, float]) -> Scores:
    """Log-mel (F, 96, 64) -> logits (F, 521) of the published graph, which takes one window at a time."""
    model = onnx.helper.make_model(load.yamnet_graph(), opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=9)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL  # as it is written
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)

    def run(mel_FTM: Tensor) -> NDArray[np.float32]:
        mel_F1TM = (mel_FTM[:, None].numpy() / constants["audio_scale"]).round() + constants["audio_zero_point"]
        windows = [session.run(None, {"audio": one[None].astype(np.uint8)})[0][0] for one in mel_F1TM.clip(0, 255)]
        logits_FC = np.stack(windows).astype(np.float32) - constants["class_scores_zero_point"]
        return np.asarray(logits_FC * constants["class_scores_scale"])

    return run


@pytest.fixture(scope="module")
def windows() -> Tensor:
    """Silence, noises, tones, a sweep, clicks, harmonics that fade: every layer gets something to do."""
    rng = np.random.default_rng(5)
    t_S = np.arange(WINDOW_SAMPLES) / SAMPLE_RATE_HZ
    voice_S = sum(np.sin(2 * np.pi * 140 * k * t_S) / k for k in range(1, 20)) * (1 + np.sin(2 * np.pi * 4 * t_S)) / 8
    sounds = [
        np.zeros_like(t_S),
        0.001 * rng.standard_normal(WINDOW_SAMPLES),
        0.3 * rng.standard_normal(WINDOW_SAMPLES),
        np.cumsum(rng.standard_normal(WINDOW_SAMPLES)) / 200,
        0.5 * np.sin(2 * np.pi * 440 * t_S),
        0.5 * np.sin(2 * np.pi * (200 + 3000 * t_S) * t_S),
        (np.arange(WINDOW_SAMPLES) % 1600 == 0).astype(float),
        rng.standard_normal(WINDOW_SAMPLES) * np.exp(-((t_S * 8) % 4)),
        voice_S,
        voice_S * np.exp(-6 * t_S),
    ]
    return torch.from_numpy(np.stack(sounds).clip(-1, 1).astype(np.float32))


def quantised(yamnet: Yamnet, constants: dict[str, float], mel_FTM: Tensor) -> Tensor:
    """Logits of our network when its input, activations and embedding are rounded as the published graph does."""
    scale, zero = constants["audio_scale"], constants["audio_zero_point"]
    rounded_FTM = (((mel_FTM / scale).round() + zero).clamp(0, 255) - zero) * scale
    hooks = [
        part.register_forward_hook(lambda _, __, out: (out * (255 / 6)).round() * (6 / 255))
        for part in yamnet.modules()
        if isinstance(part, nn.ReLU6)
    ]
    try:
        with torch.no_grad():
            step = constants["/model/GlobalAveragePool_output_0_scale"]
            embedding_FC = (yamnet.from_mel(rounded_FTM)[0].mean(1) / step).round().clamp(0, 255) * step
            return yamnet.classifier(embedding_FC)
    finally:
        for hook in hooks:
            hook.remove()


def test_with_rounded_activations_it_is_the_published_graph(
    yamnet: Yamnet, published: Scores, constants: dict[str, float], windows: Tensor
) -> None:
    mel_FTM = yamnet.log_mel(windows)
    error_FC = np.abs(quantised(yamnet, constants, mel_FTM).numpy() - published(mel_FTM))
    step = constants["class_scores_scale"]
    assert (error_FC <= step).mean() > 0.9  # the rest are halves that round the other way, and what follows from them
    assert error_FC.max() < 4 * step


def test_without_rounding_most_scores_stay_within_a_step(
    yamnet: Yamnet, published: Scores, constants: dict[str, float], windows: Tensor
) -> None:
    with torch.no_grad():
        ours_FC = yamnet(windows)[1].mean(1).numpy()
    theirs_FC = published(yamnet.log_mel(windows))
    assert float(np.median(np.abs(ours_FC - theirs_FC))) < constants["class_scores_scale"]
    for ours_C, theirs_C in zip(ours_FC, theirs_FC, strict=True):
        assert np.corrcoef(ours_C, theirs_C)[0, 1] > 0.95
        assert theirs_C[ours_C.argmax()] >= theirs_C.max() - constants["class_scores_scale"]


def test_means_over_time_are_the_embedding_and_its_scores(yamnet: Yamnet, windows: Tensor) -> None:
    with torch.no_grad():
        features_FPC, logits_FPC = yamnet(windows)
        assert features_FPC.shape == (10, 3, 1024)
        torch.testing.assert_close(yamnet.classifier(features_FPC.mean(1)), logits_FPC.mean(1), rtol=1e-4, atol=1e-4)


def test_tokens_are_in_order_of_time(yamnet: Yamnet) -> None:
    """Each sees almost the whole window, so a sound is in all of them; which has most of it moves as the sound does."""
    quiet_S = 0.003 * torch.randn(WINDOW_SAMPLES, generator=torch.Generator().manual_seed(1))
    windows_FS = quiet_S.repeat(4, 1)
    for window, start in enumerate((500, 6300, 12000), start=1):
        windows_FS[window, start : start + 3000] += 0.5 * torch.sin(0.3 * torch.arange(3000))
    with torch.no_grad():
        features_FPC = yamnet(windows_FS)[0]
    changed_FP = (features_FPC[1:] - features_FPC[0]).norm(dim=-1)
    late_F = changed_FP[:, 2] / changed_FP[:, 0]
    assert late_F[0] < late_F[1] < late_F[2]


def test_log_mel_is_that_of_a_fourier_transform(yamnet: Yamnet, windows: Tensor) -> None:
    frames_FTS = np.lib.stride_tricks.sliding_window_view(windows.numpy().astype(np.float64), 400, axis=1)[:, ::160]
    hann_S = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    magnitude_FTB = np.abs(np.fft.rfft(frames_FTS * hann_S, 512))
    expected_FTM = np.log(magnitude_FTB @ mel_filters().numpy().T + 0.001)
    assert expected_FTM.shape == (10, 96, 64)
    np.testing.assert_allclose(yamnet.log_mel(windows).numpy(), expected_FTM, atol=2e-3)


def test_mel_bands_cover_125_to_7500_hertz_and_peak_in_order() -> None:
    mel_MB = mel_filters().numpy()
    heard_hz = np.flatnonzero(mel_MB.any(0)) * SAMPLE_RATE_HZ / 512
    assert heard_hz.min() > 125
    assert heard_hz.max() < 7500
    assert (np.diff(mel_MB.argmax(1)) >= 0).all()
