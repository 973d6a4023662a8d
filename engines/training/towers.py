"""The frozen towers whose features are stored."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from engines.models.pretrained import load
from engines.models.pretrained.hearing import load_hearing
from engines.models.starter import heard, sound_features
from engines.privacy import AudioPrivacy
from engines.privacy.sound import audio_privacy
from engines.training.extract import FrozenTowers, fingerprint


def sound_maps() -> FrozenTowers:
    """What the last layers of YAMNet work on, (F, 24, 512), for tuning them; nothing of frames."""
    audio = load.yamnet()

    def see(frames_FCHW: Tensor) -> Tensor:
        return torch.zeros((len(frames_FCHW), 1, 1))

    def hear(windows_FS: Tensor) -> Tensor:
        map_FCHW: Tensor = audio.map(audio.log_mel(windows_FS))
        return map_FCHW.flatten(2).transpose(1, 2)

    return FrozenTowers(see, hear, fingerprint(audio))


def starter_towers(privacy: AudioPrivacy = AudioPrivacy.NONE, hearing: Path | None = None) -> FrozenTowers:
    """EfficientNet-Lite0 and YAMNet, as in the starter network; `hearing`: with these tuned last layers.

    Raises what `pretrained.load` and `load_hearing` raise, and `ValueError` for tuned layers under privacy: what was
    measured of the latter is that the published embedding gives away.
    """
    if hearing is not None and privacy != AudioPrivacy.NONE:
        raise ValueError(f"came tuned hearing and audio privacy {privacy.value!r}, expected one of the two at most")
    vision, audio, kept = load.efficientnet_lite0(), load.yamnet(), audio_privacy(privacy)
    tuned = None if hearing is None else load_hearing(hearing)
    published = fingerprint(vision, audio)
    name = published if tuned is None else fingerprint(vision, audio, tuned)
    # This layout makes depthwise convolutions twice as fast on CPUs, and changes no value.
    for parameter in vision.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)

    def see(frames_FCHW: Tensor) -> Tensor:
        features_FPC: Tensor = vision(frames_FCHW.contiguous(memory_format=torch.channels_last))[0]
        return features_FPC

    def hear(windows_FS: Tensor) -> Tensor:
        features_FPC: Tensor = kept(sound_features(*heard(audio, tuned, windows_FS)))
        return features_FPC

    return FrozenTowers(see, hear, name, privacy, hearing, published)
