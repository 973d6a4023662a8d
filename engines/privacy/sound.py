"""Window features of YAMNet -> what of them may be stored.

The transforms are modules, for one window at a time: the same code runs before features are stored and inside an audio
graph, so that the tokens that leave the graph, and with them caches, hold no more. Nothing in them is fitted.

Shape letters: F windows, P places of a window, C = 1024 + 521 features: YAMNet's embedding, then tanh of its logits.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from engines.models.pretrained import SOUND_CLASSES, WINDOW_FEATURES
from engines.privacy import AudioPrivacy

#: Classes of AudioSet, in YAMNet's order, in which somebody speaks or sings: speech to yelling, whispering, singing to
#: rapping.
VOICE = (*range(11), 12, *range(24, 32))
SPEECH = 0
#: Classes that tell nothing of who speaks where. Left out: voice; chatter to children playing; and from "Silence" on,
#: rooms, noises and recordings, which are marks of a microphone.
EVENTS = tuple(index for index in range(494) if index not in VOICE and not 63 <= index < 67)
#: From this probability on a window counts as spoken in. Of 3,000 spoken digits 1 is below it, of windows with shots,
#: engines and animals 4 to 7 % are above.
SPOKEN = 0.1
#: From this probability on an event counts as there while somebody speaks.
PRESENT = 0.3
#: Scores of a summary are rounded to whole steps: unrounded ones tell speakers apart almost as well as the features do.
STEPS = 8


class Stored(nn.Module):
    """A transform that leaves something out, and the class scores that can be read from what it leaves in."""

    def scores(self, features_FPC: Tensor) -> Tensor:
        """What `forward` gave -> scores of AudioSet's classes, in [0, 1], (F, P, 521)."""
        raise NotImplementedError


class Summary(Stored):
    """Class scores alone, averaged over the window, in eighths; they take the place of tanh of the logits."""

    def forward(self, features_FPC: Tensor) -> Tensor:
        """float32 (F, P, C) -> the same shape; all places are equal, the embedding is 0."""
        scores_F1S = probabilities(features_FPC[..., WINDOW_FEATURES:]).mean(1, keepdim=True)
        scores_FPS = (scores_F1S * STEPS).round().expand(-1, features_FPC.shape[1], -1) / STEPS
        return torch.cat([torch.zeros_like(features_FPC[..., :WINDOW_FEATURES]), scores_FPS], dim=-1)

    def scores(self, features_FPC: Tensor) -> Tensor:
        """As they are stored."""
        return features_FPC[..., WINDOW_FEATURES:]


class Anonymise(Stored):
    """Of a window in which somebody speaks only that, and which events are there as well; all else unchanged."""

    def __init__(self) -> None:
        super().__init__()
        self.voice: Tensor
        self.register_buffer("voice", torch.tensor(VOICE), persistent=False)
        heard_S = torch.zeros(SOUND_CLASSES, dtype=torch.bool)
        heard_S[list(EVENTS)] = True
        self.events_S: Tensor
        self.register_buffer("events_S", heard_S, persistent=False)
        said_S = torch.zeros(SOUND_CLASSES, dtype=torch.bool)
        said_S[SPEECH] = True
        self.said_S: Tensor
        self.register_buffer("said_S", said_S, persistent=False)

    def forward(self, features_FPC: Tensor) -> Tensor:
        """float32 (F, P, C) -> the same shape; where somebody speaks embeddings are 0 and tanh of logits -1 or 1."""
        scores_FPS = probabilities(features_FPC[..., WINDOW_FEATURES:])
        spoken_F11 = (scores_FPS.index_select(2, self.voice).amax((1, 2)) > SPOKEN)[:, None, None]
        present_F1S = (scores_FPS.amax(1, keepdim=True) > PRESENT) & self.events_S | self.said_S
        coded_FPS = present_F1S.to(features_FPC.dtype).expand_as(scores_FPS) * 2 - 1
        coded_FPC = torch.cat([torch.zeros_like(features_FPC[..., :WINDOW_FEATURES]), coded_FPS], dim=-1)
        return torch.where(spoken_F11, coded_FPC, features_FPC)

    def scores(self, features_FPC: Tensor) -> Tensor:
        """0 or 1 where somebody speaks."""
        return probabilities(features_FPC[..., WINDOW_FEATURES:])


def audio_privacy(choice: AudioPrivacy) -> nn.Module:
    """The transform of that name; of `none` one that changes nothing."""
    return {AudioPrivacy.NONE: nn.Identity, AudioPrivacy.SUMMARY: Summary, AudioPrivacy.ANONYMISE: Anonymise}[choice]()


def probabilities(tanh_FPS: Tensor) -> Tensor:
    """tanh of logits -> their sigmoid, in [0, 1]: with t = tanh(z), e^z = sqrt((1 + t) / (1 - t))."""
    rising, falling = (1 + tanh_FPS).clamp(min=0).sqrt(), (1 - tanh_FPS).clamp(min=0).sqrt()
    return rising / (rising + falling)
