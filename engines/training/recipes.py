"""Named runs: everything that decides what comes out of training, in one place."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from engines.data.world.words import vocabulary
from engines.manifest import Preprocessing
from engines.models.network import NetworkSizes
from engines.models.pretrained import FRAME_PIXELS, SAMPLE_RATE_HZ, WINDOW_SAMPLES
from engines.models.pretrained.words import WordVectors
from engines.models.starter import StarterSizes
from engines.tokenizer import word_pipeline
from engines.training.episodes import Odds
from engines.training.trainer import TrainerOptions
from engines.training.tuning.hiding import HidingOptions
from engines.training.tuning.loop import TuneOptions
from engines.training.tuning.matching import MatchingOptions
from engines.training.tuning.remix import RemixOptions


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a bundle of that name is trained. `held_out` is the share of clips kept for calibration."""

    name: str
    preprocessing: Preprocessing
    vocabulary: list[str]
    trainer: TrainerOptions
    odds: Odds
    embedding_size: int = 64
    heads: int = 4
    held_out: float = 0.15
    seed: int = 1

    @property
    def sizes(self) -> NetworkSizes:
        """Shapes of the network."""
        return NetworkSizes(
            frame_pixels=self.preprocessing.frame_pixels,
            window_samples=self.preprocessing.window_samples,
            sample_rate_hz=self.preprocessing.sample_rate_hz,
            vocabulary_size=word_pipeline(self.vocabulary).get_vocab_size(),
            embedding_size=self.embedding_size,
            heads=self.heads,
        )


WORLD = Recipe(
    name="world",
    preprocessing=Preprocessing(
        frame_pixels=64,
        sample_rate_hz=16_000,
        window_samples=15_360,
        max_frames=8,
        max_windows=32,
        max_text_tokens=64,
    ),
    vocabulary=vocabulary(),
    trainer=TrainerOptions(),
    odds=Odds(),
)


@dataclass(frozen=True, kw_only=True)
class StarterRecipe:
    """How what lies on top of the frozen towers is trained: the starter bundle, and every arm it is compared with.

    isotonic: calibration bends (`Calibration.bends`).
    """

    name: str = "starter"
    layers: int = 2
    audio_layers: int = 0
    tune: TuneOptions = field(default_factory=TuneOptions)
    isotonic: bool = False
    seed: int = 1

    def sizes(self, words: WordVectors) -> StarterSizes:
        """Shapes of the network over these words."""
        vocabulary_size, word_features = words.table.weight.shape
        return StarterSizes(
            vocabulary_size=vocabulary_size,
            word_features=word_features,
            layers=self.layers,
            audio_layers=self.audio_layers,
        )


#: Sizes of EfficientNet-Lite0 and of YAMNet.
STARTER_PREPROCESSING = Preprocessing(
    frame_pixels=FRAME_PIXELS,
    sample_rate_hz=SAMPLE_RATE_HZ,
    window_samples=WINDOW_SAMPLES,
    max_frames=8,
    max_windows=32,
    max_text_tokens=64,
)

#: Chosen on validation clips. What is put together anew, named and matched needs rows that say what is seen and heard:
#: composed ones do; others are trained on as they are.
STARTER = StarterRecipe(
    tune=TuneOptions(
        epochs=8,
        naming=0.1,
        silent=1.0,
        hiding=HidingOptions(audio=0.0),
        remix=RemixOptions(sound=0.5, title=0.7, query=0.9),
        matching=MatchingOptions(epochs=4),
    )
)

#: Going on from a checkpoint: what was matched stays matched, and smaller steps forget less of it.
TUNED = replace(STARTER, tune=replace(STARTER.tune, learning_rate=1e-4, matching=MatchingOptions()))
