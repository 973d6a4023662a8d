"""The audio tower of a network that leaves voices out: nothing of a spoken window gets past it."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
import torch

from engines.export import exported
from engines.models.pretrained import WINDOW_SAMPLES
from engines.models.starter import StarterAudio
from engines.ort import OrtRunner
from engines.parity import compare
from engines.privacy import AudioPrivacy
from engines.privacy.sound import SPEECH
from engines.reference import TorchRunner
from engines.spec import graph_specs
from engines.training.extract import Extractor, FrozenTowers
from engines.training.recipes import STARTER_PREPROCESSING
from tests.engines.training.synthetic import write_features

pytestmark = pytest.mark.train

GUNSHOT = 421


def tower(privacy: AudioPrivacy, *, spoken: bool) -> StarterAudio:
    """Random, but sure whether somebody speaks."""
    torch.manual_seed(0)
    audio = StarterAudio(16, privacy).eval()
    audio.backbone.classifier.bias.data.fill_(-8)
    audio.backbone.classifier.bias.data[SPEECH] = 8 if spoken else -8
    return audio


def windows(seed: int) -> torch.Tensor:
    return 0.2 * torch.randn(2, WINDOW_SAMPLES, generator=torch.Generator().manual_seed(seed))


def test_spoken_windows_give_one_output_whatever_is_said() -> None:
    audio = tower(AudioPrivacy.ANONYMISE, spoken=True)
    with torch.no_grad():
        one, other = audio(windows(0)), audio(windows(1))
    assert all(torch.equal(left, right) for left, right in zip(one, other, strict=True))
    assert one[1][0, 0] == SPEECH
    assert (one[2][:, 0] == 1).all()
    plain = tower(AudioPrivacy.NONE, spoken=True)
    with torch.no_grad():
        assert not torch.equal(plain(windows(0))[0], plain(windows(1))[0])


def test_windows_without_a_voice_are_heard_as_ever() -> None:
    with torch.no_grad():
        plain = tower(AudioPrivacy.NONE, spoken=False)(windows(0))
        private = tower(AudioPrivacy.ANONYMISE, spoken=False)(windows(0))
    assert torch.equal(private[0], plain[0])
    torch.testing.assert_close(private[3], plain[3], atol=1e-4, rtol=0)


def test_shot_under_a_voice_is_still_a_prior() -> None:
    audio = tower(AudioPrivacy.ANONYMISE, spoken=True)
    audio.backbone.classifier.bias.data[GUNSHOT] = 8
    with torch.no_grad():
        assert (audio(windows(0))[3] == 1).all()


def test_summary_gives_names_and_priors_from_what_it_keeps() -> None:
    with torch.no_grad():
        audio = tower(AudioPrivacy.SUMMARY, spoken=True)
        _, classes_FI, scores_FI, priors_FR = audio(windows(0))
    assert (classes_FI[:, 0] == SPEECH).all()
    assert torch.equal(scores_FI * 8, (scores_FI * 8).round())
    assert (priors_FR == 0).all()


@pytest.mark.slow
@pytest.mark.parametrize("privacy", AudioPrivacy)
def test_exported_tower_leaves_out_the_same(privacy: AudioPrivacy, tmp_path: Path) -> None:
    audio = tower(privacy, spoken=True)
    spec = graph_specs(224, WINDOW_SAMPLES, 16, classes=("audio",), priors={"audio": 1})["audio"]
    onnx.save(exported(audio, spec), tmp_path / "audio.onnx")
    with OrtRunner(tmp_path / "audio.onnx", spec) as runner, TorchRunner(audio, spec) as reference:
        assert compare(runner, reference, [{"windows_FS": windows(seed).numpy()} for seed in range(3)]).worst < 1e-3


def test_features_of_one_choice_are_not_mixed_with_those_of_another(tmp_path: Path) -> None:
    folder = write_features(tmp_path / "features")

    def nothing(items: torch.Tensor) -> torch.Tensor:
        return torch.zeros(len(items), 1, 1)

    towers = FrozenTowers(nothing, nothing, "0" * 64, AudioPrivacy.SUMMARY)
    with pytest.raises(ValueError, match="audio_privacy none, asked for summary"):
        Extractor(folder, folder, towers, STARTER_PREPROCESSING, shard_clips=32)
