"""The frozen towers whose features are stored."""

from __future__ import annotations

import torch
from torch import Tensor

from engines.models.pretrained import load
from engines.models.starter import sound_features
from engines.privacy import AudioPrivacy
from engines.privacy.sound import audio_privacy
from engines.training.extract import FrozenTowers, fingerprint


def starter_towers(privacy: AudioPrivacy = AudioPrivacy.NONE) -> FrozenTowers:
    """EfficientNet-Lite0 and YAMNet, as in the starter network. Raises what `pretrained.load` raises."""
    vision, audio, kept = load.efficientnet_lite0(), load.yamnet(), audio_privacy(privacy)
    name = fingerprint(vision, audio)
    # This layout makes depthwise convolutions twice as fast on CPUs, and changes no value.
    for parameter in vision.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)

    def see(frames_FCHW: Tensor) -> Tensor:
        features_FPC: Tensor = vision(frames_FCHW.contiguous(memory_format=torch.channels_last))[0]
        return features_FPC

    def hear(windows_FS: Tensor) -> Tensor:
        features_FPC: Tensor = kept(sound_features(*audio(windows_FS)))
        return features_FPC

    return FrozenTowers(see, hear, name, privacy)
