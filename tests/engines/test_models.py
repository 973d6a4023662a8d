"""The networks in torch: the gate, the masks, the spectrogram, and that the exported graphs say the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from engines.models.audio import BANDS, AudioTower, LogMel  # noqa: E402
from engines.models.fusion import Fusion  # noqa: E402
from engines.models.network import Network, NetworkSizes  # noqa: E402
from engines.models.spectrum import PowerSpectrum, mel_filters  # noqa: E402
from engines.ort import OrtRunner  # noqa: E402
from engines.parity import compare, random_inputs  # noqa: E402
from engines.reference import reference_engines  # noqa: E402
from engines.spec import GRAPHS, graph_specs  # noqa: E402

pytestmark = pytest.mark.train

SIZES = NetworkSizes(
    frame_pixels=64, window_samples=15_360, sample_rate_hz=16_000, vocabulary_size=20, embedding_size=16, heads=2
)
SPECS = graph_specs(64, 15_360, 16)


def fusion_inputs(seed: int = 0) -> list[torch.Tensor]:
    sizes = {"N": 3, "V": 8, "A": 6, "L": 5}
    inputs = random_inputs(SPECS["fusion"], sizes, np.random.default_rng(seed))
    return [torch.from_numpy(inputs[tensor.name]) for tensor in SPECS["fusion"].inputs]


def test_closed_gate_is_the_network_without_audio() -> None:
    torch.manual_seed(0)
    fusion = Fusion(16, 2).eval()
    inputs = fusion_inputs()
    deaf = [*inputs]
    deaf[4] = torch.zeros_like(inputs[4])
    assert torch.equal(fusion(*inputs)[0], fusion(*deaf)[0])


def test_open_gate_lets_audio_in_and_only_audio() -> None:
    torch.manual_seed(0)
    fusion = Fusion(16, 2).eval()
    closed = fusion(*fusion_inputs())[0]
    with torch.no_grad():
        fusion.audio.attention_gate.fill_(0.5)
        fusion.audio.forward_gate.fill_(0.5)
    inputs = fusion_inputs()
    deaf = [*inputs]
    deaf[4] = torch.zeros_like(inputs[4])
    assert (fusion(*inputs)[0] - closed).abs().min() > 1e-4
    assert torch.equal(fusion(*deaf)[0], closed_without_audio(fusion, deaf))


def closed_without_audio(fusion: Fusion, inputs: list[torch.Tensor]) -> torch.Tensor:
    """Logits with both gates shut, whatever they are."""
    gates = fusion.audio.attention_gate.clone(), fusion.audio.forward_gate.clone()
    with torch.no_grad():
        fusion.audio.attention_gate.zero_()
        fusion.audio.forward_gate.zero_()
        logits_NK = fusion(*inputs)[0]
        fusion.audio.attention_gate.copy_(gates[0])
        fusion.audio.forward_gate.copy_(gates[1])
    return logits_NK


def test_gradient_reaches_the_closed_gate() -> None:
    torch.manual_seed(0)
    fusion = Fusion(16, 2)
    torch.autograd.backward(fusion(*fusion_inputs())[0].sum())
    assert fusion.audio.attention_gate.grad is not None
    assert fusion.audio.attention_gate.grad.abs().item() > 0


@pytest.mark.parametrize("hertz", [200, 440, 1000, 3000, 6000])
def test_spectrogram_peaks_at_the_pitch(hertz: int) -> None:
    seconds = torch.arange(15_360) / 16_000
    mel_MT = LogMel(16_000)(0.3 * torch.sin(2 * torch.pi * hertz * seconds)[None])[0]
    centre_hz = 700 * (10 ** (torch.linspace(0, 2595 * np.log10(1 + 8000 / 700), BANDS + 2)[1:-1] / 2595) - 1)
    peak = int(mel_MT.mean(1).argmax())
    nearest = int((centre_hz - hertz).abs().argmin())
    assert abs(peak - nearest) <= 1


def test_spectrogram_agrees_with_the_fourier_transform() -> None:
    rng = np.random.default_rng(0)
    wave_S = rng.uniform(-0.5, 0.5, 15_360)
    frames_TS = np.lib.stride_tricks.sliding_window_view(wave_S, 320)[::240]
    hann_S = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(320) / 320)
    power_BT = np.abs(np.fft.rfft(frames_TS * hann_S)).T ** 2
    expected_MT = (np.log(mel_filters(BANDS, 161, 16_000).numpy() @ power_BT + 1e-4) + 7.2) / 3.0
    found_MT = LogMel(16_000)(torch.from_numpy(wave_S.astype(np.float32))[None])[0].numpy()
    assert np.abs(found_MT - expected_MT).max() < 1e-3


def test_every_mel_band_hears_something() -> None:
    assert (mel_filters(BANDS, 161, 16_000).sum(1) > 0).all()


def test_silence_is_finite() -> None:
    assert torch.isfinite(AudioTower(16, 16_000).eval()(torch.zeros(2, 15_360))).all()


def test_equal_seeds_give_equal_networks() -> None:
    def logits() -> torch.Tensor:
        torch.manual_seed(5)
        return Fusion(16, 2).eval()(*fusion_inputs())[0]

    assert torch.equal(logits(), logits())


@pytest.mark.slow
def test_exported_graphs_agree_with_torch_and_are_reproducible(tmp_path: Path) -> None:
    from engines.export import export_graphs, exported

    torch.manual_seed(0)
    network = Network(SIZES)
    with torch.no_grad():
        network.fusion.audio.attention_gate.fill_(0.7)
        network.fusion.audio.forward_gate.fill_(-0.4)
    export_graphs(network, tmp_path)
    again = {name: exported(network.get_submodule(name), SPECS[name]) for name in ("text", "audio")}  # the quick ones
    rng = np.random.default_rng(0)
    with reference_engines(network) as reference:
        for name in GRAPHS:
            path = tmp_path / f"{name}.onnx"
            assert name not in again or path.read_bytes() == again[name].SerializeToString()
            sizes = [
                {"F": f, "N": n, "V": v, "A": a, "L": words, "vocabulary": 20, "segments": 4}
                for f, n, v, a, words in ((1, 1, 1, 1, 1), (5, 4, 9, 3, 7), (33, 17, 64, 36, 20))
            ]
            batches = [random_inputs(SPECS[name], size, rng) for size in sizes]
            with OrtRunner(path, SPECS[name]) as runner:
                assert compare(runner, getattr(reference, name), batches).worst <= 1e-4


def test_pointing_has_a_gradient_even_at_the_closed_gate() -> None:
    from engines.training.trainer import pointing_loss

    torch.manual_seed(0)
    fusion = Fusion(16, 2)
    *_, audio_weight_NKA, _ = fusion(*fusion_inputs())
    reasons_NKW = torch.zeros(3, 3, 3, dtype=torch.bool)
    reasons_NKW[0, 1, 0] = True
    torch.autograd.backward(pointing_loss(audio_weight_NKA, reasons_NKW))
    gradients = [parameter.grad for parameter in fusion.parameters() if parameter.grad is not None]
    assert all(torch.isfinite(gradient).all() for gradient in gradients)


@pytest.mark.parametrize(("frame", "hop", "fft"), [(320, 240, 320), (400, 160, 512)])
def test_the_folded_spectrum_is_that_of_the_fourier_transform(frame: int, hop: int, fft: int) -> None:
    wave_S = np.random.default_rng(4).normal(0, 0.3, 15_615).astype(np.float32)
    found_TB = PowerSpectrum(frame, hop, fft)(torch.from_numpy(wave_S)[None])[0].numpy()
    hann_S = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(frame) / frame)
    frames_TS = np.lib.stride_tricks.sliding_window_view(wave_S.astype(np.float64), frame)[::hop] * hann_S
    expected_TB = np.abs(np.fft.rfft(frames_TS, fft)) ** 2
    assert found_TB.shape == expected_TB.shape
    assert np.abs(found_TB - expected_TB).max() < 1e-4 * expected_TB.max()


def test_a_spectrum_refuses_sizes_that_would_need_many_slices() -> None:
    with pytest.raises(ValueError, match="common divisor"):
        PowerSpectrum(400, 161, 512)
