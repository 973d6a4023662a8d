"""A recipe and a folder of decoded clips -> a calibrated checkpoint."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from engines.data.clips import Clip, read_clips
from engines.data.world.truth import TRUTH_FILE, Truth, read_truths
from engines.evaluation.world import label_matrix
from engines.manifest import Preprocessing
from engines.models.network import Network
from engines.reference import reference_engines
from engines.scoring import Judgement, encode, judge_all
from engines.tokenizer import TextTokenizer, word_pipeline
from engines.training.calibrate import calibrate, thresholds
from engines.training.checkpoint import Card, save_checkpoint
from engines.training.curves import write_curves
from engines.training.episodes import EpisodeSource, picture_series, sound_series
from engines.training.known import representatives
from engines.training.recipes import Recipe
from engines.training.trainer import train, world_naming

CHECKPOINT = "checkpoint.safetensors"


def train_recipe(
    recipe: Recipe,
    data: Path,
    out: Path,
    *,
    threads: int,
    on_step: Callable[[int, float], None] = lambda *_: None,
) -> Path:
    """Train, calibrate, write checkpoint and loss curve into `out`; returns the checkpoint.

    Equal recipe, data, packages, machine and number of threads give an equal checkpoint. Raises `ValueError` when
    the data do not fit the recipe.
    """
    torch.manual_seed(recipe.seed)
    torch.set_num_threads(threads)
    truths = read_truths(data)
    sizes = recipe.preprocessing
    clips = read_clips(data, truths, frame_pixels=sizes.frame_pixels, window_samples=sizes.window_samples)
    split = len(clips) - round(recipe.held_out * len(clips))
    if not 0 < split < len(clips):
        raise ValueError(f"{data}: came {len(clips)} clips, expected enough to hold out {recipe.held_out:.0%}")
    tokenizer = TextTokenizer(word_pipeline(recipe.vocabulary), sizes.max_text_tokens)
    network = Network(recipe.sizes)
    source = _episode_source(recipe, network, tokenizer, clips[:split], truths[:split])
    naming = world_naming(tokenizer, recipe.embedding_size)
    losses = train(network, naming, source, recipe.trainer, seed=recipe.seed, on_step=on_step)
    remember(network, tokenizer, recipe.preprocessing, clips[:split], truths[:split])
    card = _calibrated_card(recipe, network, tokenizer, clips[split:], truths[split:])
    lineage = {**card.training, "data": {"clips": len(clips), "sha256": data_hash(data, truths)}, "threads": threads}
    card = Card(**{name: getattr(card, name) for name in card.__struct_fields__} | {"training": lineage})
    out.mkdir(parents=True, exist_ok=True)
    save_checkpoint(out / CHECKPOINT, network, card)
    write_curves(out, losses)
    return out / CHECKPOINT


def data_hash(folder: Path, truths: Iterable[Truth]) -> str:
    """sha256 hex of the truth and of every decoded clip, in the order of the truth."""
    digest = hashlib.sha256((folder / TRUTH_FILE).read_bytes())
    for truth in truths:
        digest.update(hashlib.sha256((folder / f"{Path(truth.file).stem}.safetensors").read_bytes()).digest())
    return digest.hexdigest()


def remember(
    network: Network,
    tokenizer: TextTokenizer,
    sizes: Preprocessing,
    clips: Sequence[Clip],
    truths: Sequence[Truth],
) -> None:
    """Have the network keep representatives of its training clips, for novelty."""
    embedding_ND = np.stack([item.embedding_D for item in _judged(network, tokenizer, sizes, clips, truths)])
    network.fusion.known_MD.copy_(torch.from_numpy(representatives(embedding_ND, len(network.fusion.known_MD))))


def _judged(
    network: Network,
    tokenizer: TextTokenizer,
    sizes: Preprocessing,
    clips: Sequence[Clip],
    truths: Sequence[Truth],
) -> list[Judgement]:
    window_seconds = sizes.window_samples / sizes.sample_rate_hz
    with reference_engines(network) as engines:
        pairs = zip(clips, truths, strict=True)
        tokens = [encode(engines, tokenizer, clip, truth.fields, window_seconds) for clip, truth in pairs]
        return judge_all(engines, tokens)


def _episode_source(
    recipe: Recipe, network: Network, tokenizer: TextTokenizer, clips: Sequence[Clip], truths: Sequence[Truth]
) -> EpisodeSource:
    with torch.no_grad():
        mels = [network.audio.log_mel(torch.from_numpy(clip.windows_TS)) for clip in clips]
    window_seconds = recipe.preprocessing.window_samples / recipe.preprocessing.sample_rate_hz
    return EpisodeSource(
        picture_series(clips, truths),
        sound_series(mels, clips, truths, window_seconds),
        tokenizer,
        seed=recipe.seed,
        odds=recipe.odds,
    )


def _calibrated_card(
    recipe: Recipe, network: Network, tokenizer: TextTokenizer, clips: Sequence[Clip], truths: Sequence[Truth]
) -> Card:
    sizes = recipe.preprocessing
    logits_MK = np.stack([item.logits_K for item in _judged(network, tokenizer, sizes, clips, truths)])
    labels_MK = label_matrix(truths)
    calibration = calibrate(logits_MK, labels_MK)
    return Card(
        name=recipe.name,
        sizes=recipe.sizes,
        preprocessing=sizes,
        vocabulary=recipe.vocabulary,
        calibration=calibration,
        thresholds=thresholds(calibration.scores(logits_MK), labels_MK),
        training=_lineage(recipe),
    )


def _lineage(recipe: Recipe) -> dict[str, Any]:
    packages = ("earshot", "numpy", "onnx", "onnxscript", "tokenizers", "torch")
    return {
        "recipe": recipe.name,
        "seed": recipe.seed,
        "steps": recipe.trainer.steps,
        "batch_size": recipe.trainer.batch_size,
        "learning_rate": recipe.trainer.learning_rate,
        "python": platform.python_version(),
        "packages": {name: version(name) for name in packages},
    }
