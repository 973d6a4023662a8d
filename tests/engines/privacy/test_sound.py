"""What may be stored of sound holds nothing else."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from engines.models.pretrained import SOUND_CLASSES, WINDOW_FEATURES
from engines.privacy import AudioPrivacy
from engines.privacy.sound import EVENTS, SPEECH, VOICE, audio_privacy, probabilities

pytestmark = pytest.mark.train

SINGING, GUNSHOT, ROOM = 24, 421, 500


def features(seed: int, **logits: float) -> Tensor:
    """Four windows of three places; classes are absent but for those given."""
    generator = torch.Generator().manual_seed(seed)
    embedding_FPC = torch.randn(4, 3, WINDOW_FEATURES, generator=generator).relu()
    logits_FPS = -6 + torch.randn(4, 3, SOUND_CLASSES, generator=generator)
    for name, value in logits.items():
        logits_FPS[:, 1, {"speech": SPEECH, "singing": SINGING, "gunshot": GUNSHOT, "room": ROOM}[name]] = value
    return torch.cat([embedding_FPC, logits_FPS.tanh()], dim=-1)


def test_probabilities_are_the_sigmoid_of_the_logits() -> None:
    logits = torch.linspace(-4, 4, 33)
    torch.testing.assert_close(probabilities(logits.tanh()), logits.sigmoid(), atol=1e-4, rtol=0)
    assert probabilities(torch.tensor([-1.0, 1.0])).tolist() == [0.0, 1.0]
    assert probabilities(torch.tensor([1.001])).tolist() == [1.0]  # rounded beyond 1 in half precision


def test_none_stores_all() -> None:
    came = features(0, speech=3)
    assert torch.equal(audio_privacy(AudioPrivacy.NONE)(came), came)


def test_summary_is_scores_of_the_window_in_eighths_and_nothing_else() -> None:
    came = features(0, speech=8, gunshot=8)
    stored = audio_privacy(AudioPrivacy.SUMMARY)(came)
    assert stored.shape == came.shape
    assert (stored[..., :WINDOW_FEATURES] == 0).all()
    scores = stored[..., WINDOW_FEATURES:]
    assert torch.equal(scores * 8, (scores * 8).round())
    assert (scores[..., [SPEECH, GUNSHOT]] == 3 / 8).all()  # one place of three
    assert torch.equal(scores[:, :1].expand_as(scores), scores)


@pytest.mark.parametrize("voice", ["speech", "singing"])
def test_spoken_windows_are_all_the_same(voice: str) -> None:
    stored = audio_privacy(AudioPrivacy.ANONYMISE)(torch.cat([features(seed, **{voice: 0.0}) for seed in range(8)]))
    assert torch.equal(stored, stored[:1, :1].expand_as(stored))
    assert (stored[..., :WINDOW_FEATURES] == 0).all()
    there = stored[0, 0, WINDOW_FEATURES:] == 1
    assert there.nonzero().flatten().tolist() == [SPEECH]


def test_event_under_speech_stays_and_a_room_does_not() -> None:
    plain = audio_privacy(AudioPrivacy.ANONYMISE)(features(0, speech=3))
    stored = audio_privacy(AudioPrivacy.ANONYMISE)(features(1, speech=3, gunshot=1.0, room=5))
    differs = (stored != plain).any(0).any(0).nonzero().flatten()
    assert differs.tolist() == [WINDOW_FEATURES + GUNSHOT]


def test_windows_without_a_voice_stay_as_they_are() -> None:
    came = features(0, gunshot=5)
    came[2] = features(1, speech=2)[2]
    stored = audio_privacy(AudioPrivacy.ANONYMISE)(came)
    assert [n for n in range(4) if not torch.equal(stored[n], came[n])] == [2]


def test_voice_room_and_event_classes_do_not_overlap() -> None:
    assert not set(VOICE) & set(EVENTS)
    assert {GUNSHOT, 11} <= set(EVENTS)  # a scream is an event
    assert not set(EVENTS) & {ROOM, 494, 63}


@pytest.mark.parametrize("choice", AudioPrivacy)
def test_stored_features_survive_half_precision(choice: AudioPrivacy) -> None:
    came = features(3, speech=-0.5, gunshot=2)
    exact, half = audio_privacy(choice)(came), audio_privacy(choice)(came.half().float())
    torch.testing.assert_close(exact, half, atol=0.13 if choice == AudioPrivacy.SUMMARY else 5e-3, rtol=1e-3)
