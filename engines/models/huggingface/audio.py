"""Audio towers from AST and CLAP checkpoints.

Shape letters: F windows, S samples, P tokens of a window, T steps of time, Q places of frequency; features (F, P, C).
"""

from __future__ import annotations

import math
from typing import Any

import torch
import transformers
from torch import Tensor, nn

from engines.models.huggingface.checkpoint import Checkpoint, CheckpointError, check_kind, load_model, load_processor
from engines.models.huggingface.log_mel import AstSound, ClapSound
from engines.models.huggingface.pooling import line
from engines.models.huggingface.resample import Resample
from engines.models.huggingface.tower import Tower

#: By model type: the class that holds the audio part.
MODELS: dict[str, Any] = {
    "audio-spectrogram-transformer": transformers.ASTModel,
    "clap": transformers.ClapAudioModel,
    "clap_audio_model": transformers.ClapAudioModel,
}


class AudioTower(Tower):
    """`tokens` equal parts of the window's time, each averaged over time and frequency."""

    def __init__(self, backbone: nn.Module, resample: Resample, sound: nn.Module, features: int, tokens: int) -> None:
        super().__init__(backbone, features, tokens)
        self.resample, self.sound = resample, sound

    def forward(self, windows_FS: Tensor) -> Tensor:
        """float32 mono (F, S) in [-1, 1] at the bundle's rate -> features_FPC float32, in order of time."""
        steps_FTC = self.listen(self.sound(self.resample(windows_FS)))
        return self.get_buffer("parts_PT") @ steps_FTC

    def listen(self, columns: Tensor) -> Tensor:
        """The extractor's features -> steps of time that the window covers, (F, T, C)."""
        raise NotImplementedError


class AstTower(AudioTower):
    """AST: patches of the spectrogram; those that hold only padding are left out."""

    def __init__(self, backbone: nn.Module, resample: Resample, sound: AstSound, tokens: int) -> None:
        config: Any = backbone.config
        super().__init__(backbone, resample, sound, int(config.hidden_size), tokens)
        self.places = (config.num_mel_bins - config.patch_size) // config.frequency_stride + 1
        steps = (config.max_length - config.patch_size) // config.time_stride + 1
        covered = min(steps, -(-sound.columns // int(config.time_stride)))
        self.register_buffer("parts_PT", line(covered, tokens).to(torch.float32), persistent=False)

    def listen(self, columns: Tensor) -> Tensor:
        """`input_values` (F, columns, M) -> (F, T, C)."""
        seen_FXC: Tensor = self.backbone(input_values=columns).last_hidden_state[:, 2:]
        seen_FQTC = seen_FXC.reshape(seen_FXC.shape[0], self.places, -1, seen_FXC.shape[2])
        return seen_FQTC.mean(1)[:, : self.get_buffer("parts_PT").shape[1]]


class ClapTower(AudioTower):
    """CLAP's HTSAT: 32 steps over ten seconds; repeats of a shorter window are left out."""

    def __init__(self, backbone: nn.Module, resample: Resample, sound: ClapSound, tokens: int) -> None:
        encoder: Any = backbone.audio_encoder
        super().__init__(backbone, resample, sound, int(encoder.num_features), tokens)
        encoder.enable_fusion = encoder.patch_embed.enable_fusion = False  # see ClapSound
        steps = int(encoder.spec_size * encoder.freq_ratio) // encoder.patch_stride[1] // 2 ** (encoder.num_layers - 1)
        longest = sound.missing + sound.repeats * resample.samples
        covered = math.ceil(steps * resample.samples / longest)
        self.register_buffer("parts_PT", line(covered, tokens).to(torch.float32), persistent=False)

    def listen(self, columns: Tensor) -> Tensor:
        """`input_features` (F, 1, columns, M) -> (F, T, C)."""
        seen_FCQT: Tensor = self.backbone(input_features=columns).last_hidden_state
        # HTSAT folds time into the picture's rows; the package unfolds it into (F, C, Q, rows * steps).
        return seen_FCQT.mean(2).transpose(1, 2)[:, : self.get_buffer("parts_PT").shape[1]]


def audio_tower(checkpoint: Checkpoint, sample_rate_hz: int, window_samples: int, tokens: int) -> AudioTower:
    """Windows at a bundle's rate -> `tokens` tokens each. Raises `CheckpointError` for what is no audio model."""
    check_kind(checkpoint, MODELS, "an audio")
    backbone = load_model(checkpoint, MODELS[checkpoint.model_type])
    extractor = load_processor(checkpoint, transformers.AutoFeatureExtractor)
    try:
        resample = Resample(sample_rate_hz, int(extractor.sampling_rate), window_samples)
        if checkpoint.model_type == "audio-spectrogram-transformer":
            return AstTower(backbone, resample, AstSound(extractor, resample.samples), tokens)
        return ClapTower(backbone, resample, ClapSound(extractor, resample.samples), tokens)
    except (ValueError, AttributeError) as error:
        raise CheckpointError(f"{checkpoint.name}: {error}") from error
