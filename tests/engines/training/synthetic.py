"""Features of clips that were never there: the label of each task is written into one modality of the features."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from engines.data.public.manifest import Labels, Row, write_dataset
from engines.models.pretrained.words import WordVectors
from engines.models.starter import StarterNetwork, StarterSizes
from engines.tokenizer import TextTokenizer, word_pipeline
from engines.training.features import CLIPS, HEADER, FeatureBatch, FeatureHeader, FeatureSet, shard_path, write_json
from engines.training.recipes import STARTER_PREPROCESSING

WORDS = ["red", "green", "blue", "loud", "quiet"]
#: Names of what composed clips show and sound like.
NAMES = ["revolver", "panda", "electric_guitar", "dalmatian", "pizza", "gunshot", "guitar", "dog_bark", "rain"]
VOCABULARY = [*WORDS, *{part: None for name in NAMES for part in name.split("_")}]
FRAMES, WINDOWS, PLACES, STEPS, SEEN, HEARD = 5, 4, 4, 3, 16, 12
SHARD_CLIPS = 32


def tokenizer() -> TextTokenizer:
    return TextTokenizer(word_pipeline(VOCABULARY), 16)


def word_vectors() -> WordVectors:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return WordVectors(tokenizer().vocabulary_size, 8).requires_grad_(False).eval()


def sizes(**changes: int) -> StarterSizes:
    given = {"vocabulary_size": tokenizer().vocabulary_size, "word_features": 8, "embedding_size": 32, "heads": 2}
    return StarterSizes(**(given | changes))


def write_features(
    folder: Path, clips: int = 160, versions: tuple[str, ...] = (CLIPS,), seen: int = SEEN, heard: int = HEARD
) -> Path:
    """Clickbait is heard, adult is seen or heard, relevance is graded by what is seen; some labels are not known."""
    rng = np.random.default_rng(7)
    heard_N, seen_N, grade_N = rng.random(clips) < 0.4, rng.random(clips) < 0.3, rng.integers(0, 4, clips)
    splits = np.array(["train", "train", "train", "val", "test"])[np.arange(clips) % 5]
    rows = [
        Row(
            clip_id=f"clip-{n}",
            file=f"clip-{n}.mp4",
            split=str(splits[n]),  # type: ignore[arg-type]
            title=" ".join(rng.choice(WORDS, 3)),
            query="red" if n % 3 else None,
            labels=Labels(
                clickbait=int(heard_N[n]),
                adult=int(seen_N[n] or heard_N[n]) if n % 7 else None,
                relevance=int(grade_N[n]) if n % 3 else None,
            ),
        )
        for n in range(clips)
    ]
    dataset = write_dataset(folder, rows, made_with={}, licences={})
    for shard, start in enumerate(range(0, clips, SHARD_CLIPS)):
        for version in versions:
            chosen = [n for n in range(start, min(start + SHARD_CLIPS, clips)) if in_version(version, rows[n])]
            tensors = {"clips": torch.tensor(chosen, dtype=torch.int64)}
            tensors |= modality(rng, "audio", len(chosen), (WINDOWS, STEPS, heard), heard_N[chosen] * 2.0)
            if version == CLIPS:
                signal_N = seen_N[chosen] * 2.0
                tensors |= modality(rng, "vision", len(chosen), (FRAMES, PLACES, seen), signal_N, grade_N[chosen])
            save_file(tensors, shard_path(folder, version, shard))
    write_json(
        folder / HEADER,
        FeatureHeader(
            towers="0" * 64,
            preprocessing=STARTER_PREPROCESSING,
            dataset=dataset.sha256,
            clips=clips,
            shard_clips=SHARD_CLIPS,
            versions=versions,
        ),
    )
    return folder


def in_version(version: str, row: Row) -> bool:
    return version == CLIPS or row.split == ("test" if version.startswith("noise_") else "train")


def modality(
    rng: np.random.Generator, name: str, clips: int, shape: tuple[int, int, int], *signals: np.ndarray
) -> dict[str, torch.Tensor]:
    """Noise, with each signal in a feature of its own at one time; some clips are shorter, some without."""
    features = rng.standard_normal((clips, *shape)).astype(np.float32)
    for channel, signal_N in enumerate(signals):
        features[:, 1, :, channel] += 3 * (shape[2] / HEARD) ** 0.5 * signal_N[:, None]
    lengths_N = np.where(np.arange(clips) % 5 == 4, 2, shape[0])
    lengths_N = np.where(np.arange(clips) % 9 == 8, 0, lengths_N)
    mask = np.arange(shape[0]) < lengths_N[:, None]
    seconds = np.tile(np.arange(shape[0], dtype=np.float32) / 2, (clips, 1))
    return {
        f"{name}_features": torch.from_numpy(features).to(torch.float16),
        f"{name}_mask": torch.from_numpy(mask),
        f"{name}_seconds": torch.from_numpy(seconds),
    }


def feature_set(folder: Path) -> FeatureSet:
    return FeatureSet(folder, tokenizer())


def judged(network: StarterNetwork, batch: FeatureBatch) -> tuple[torch.Tensor, ...]:
    """Outputs of the whole fusion network for stored features, entered above the towers."""
    N, F, P, _ = batch.vision_NFPC.shape
    _, W, Q, _ = batch.audio_NWPC.shape
    with torch.inference_mode():
        outputs: tuple[torch.Tensor, ...] = network.fusion(
            network.vision.project(batch.vision_NFPC.flatten(0, 1)).reshape(N, F * P, -1),
            batch.vision_mask_NF.repeat_interleave(P, 1),
            batch.vision_seconds_NF.repeat_interleave(P, 1),
            network.audio.project(batch.audio_NWPC.flatten(0, 1)).reshape(N, W * Q, -1),
            batch.audio_mask_NW.repeat_interleave(Q, 1),
            batch.audio_seconds_NW.repeat_interleave(Q, 1),
            network.text(batch.ids_NL, batch.segments_NL, batch.text_mask_NL),
            batch.text_mask_NL,
        )
    return outputs
