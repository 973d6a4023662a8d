"""Decoded clips and their words through the four engines: what training, evaluation and parity look at.

Shape letters: M clips, T frames or windows of a clip, P tokens of each, L text tokens, D embedding size, K tasks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from engines.data.clips import Clip
from engines.engine_set import EngineSet
from engines.spec import MARKING, Array
from engines.tokenizer import TextTokenizer

#: Clips that are fused together; large enough to be fast, small enough to stay inside every engine's range.
BATCH = 16

Float16 = NDArray[np.float16]
Float32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ClipTokens:
    """Tokens of one clip in half precision, as the stream keeps them; a missing modality has T = 0 (text never).

    priors: modality -> float32 (R,), the highest of its frames or windows; of those that are there and have any.
    """

    vision_TPD: Float16
    vision_seconds_T: Float32
    audio_TPD: Float16
    audio_seconds_T: Float32
    text_LD: Float16
    priors: Mapping[str, Float32] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the fusion network says of one clip.

    logits_K float32; embedding_D float32, unit norm; novelty in [0, 2]; weights float32, summed over the tokens of
    each frame or window (K, T), and of the text (K,).
    """

    logits_K: Float32
    embedding_D: Float32
    novelty: float
    vision_KT: Float32
    audio_KT: Float32
    text_K: Float32


def encode(
    engines: EngineSet, tokenizer: TextTokenizer, clip: Clip, fields: Mapping[str, str], window_seconds: float
) -> ClipTokens:
    """Run the three towers on one clip."""
    ids_L, segments_L = tokenizer.encode(fields)
    text = {"ids_NL": ids_L[None], "segments_NL": segments_L[None], "mask_NL": np.ones((1, len(ids_L)), np.bool_)}
    text_NLD = engines.text(text)["tokens_NLD"].astype(np.float16)
    D = text_NLD.shape[2]
    tokens_TPD = {modality: np.zeros((0, 1, D), np.float16) for modality in MARKING}
    priors: dict[str, Float32] = {}
    given: dict[str, tuple[str, Array]] = {
        "vision": ("frames_FCHW", clip.frames_TCHW),
        "audio": ("windows_FS", clip.windows_TS),
    }
    for modality, (name, media) in given.items():
        if len(media):
            outputs = getattr(engines, modality)({name: media})
            tokens_TPD[modality] = outputs["tokens_FPD"].astype(np.float16)
            if "priors_FR" in outputs:
                priors[modality] = np.asarray(outputs["priors_FR"].max(0), np.float32)
    frame_seconds_T = clip.frame_seconds_T.astype(np.float32)
    middle_T = (clip.window_seconds_T + window_seconds / 2).astype(np.float32)
    return ClipTokens(tokens_TPD["vision"], frame_seconds_T, tokens_TPD["audio"], middle_T, text_NLD[0], priors)


def judge_all(engines: EngineSet, clips: Sequence[ClipTokens], *, audio: bool = True) -> list[Judgement]:
    """Run the fusion network; with `audio=False` every sound track is masked."""
    judgements: list[Judgement] = []
    for start in range(0, len(clips), BATCH):
        batch = clips[start : start + BATCH]
        outputs = engines.fusion(fusion_inputs(batch, audio=audio))
        judgements += [_judgement(outputs, n, tokens) for n, tokens in enumerate(batch)]
    return judgements


def fusion_inputs(batch: Sequence[ClipTokens], *, audio: bool = True) -> dict[str, Array]:
    """Pad to the longest of the batch; every token axis has at least one place."""
    vision = [_flat(tokens.vision_TPD, tokens.vision_seconds_T) for tokens in batch]
    sound = [_flat(tokens.audio_TPD, tokens.audio_seconds_T) for tokens in batch]
    text = [(tokens.text_LD, np.zeros(len(tokens.text_LD), np.float32)) for tokens in batch]
    vision_NVD, vision_mask_NV, vision_seconds_NV = _pad(vision)
    audio_NAD, audio_mask_NA, audio_seconds_NA = _pad(sound)
    text_NLD, text_mask_NL, _ = _pad(text)
    return {
        "vision_NVD": vision_NVD,
        "vision_mask_NV": vision_mask_NV,
        "vision_seconds_NV": vision_seconds_NV,
        "audio_NAD": audio_NAD,
        "audio_mask_NA": audio_mask_NA & audio,
        "audio_seconds_NA": audio_seconds_NA,
        "text_NLD": text_NLD,
        "text_mask_NL": text_mask_NL,
    }


def _flat(tokens_TPD: Float16, seconds_T: Float32) -> tuple[Float16, Float32]:
    T, P, D = tokens_TPD.shape
    return tokens_TPD.reshape(T * P, D), np.repeat(seconds_T, P)


def _pad(items: Sequence[tuple[Float16, Float32]]) -> tuple[Float32, NDArray[np.bool_], Float32]:
    longest = max(1, *(len(values_XD) for values_XD, _ in items))
    values_NXD = np.zeros((len(items), longest, items[0][0].shape[1]), np.float32)
    mask_NX = np.zeros((len(items), longest), np.bool_)
    seconds_NX = np.zeros((len(items), longest), np.float32)
    for n, (values_XD, seconds_X) in enumerate(items):
        X = len(values_XD)
        values_NXD[n, :X], mask_NX[n, :X], seconds_NX[n, :X] = values_XD, True, seconds_X
    return values_NXD, mask_NX, seconds_NX


def _judgement(outputs: Mapping[str, Array], n: int, tokens: ClipTokens) -> Judgement:
    def per_item(name: str, tokens_TPD: Float16) -> Float32:
        T, P, _ = tokens_TPD.shape
        weights_KX = np.asarray(outputs[name][n], np.float32)
        return np.asarray(weights_KX[:, : T * P].reshape(len(weights_KX), T, P).sum(2), np.float32)

    return Judgement(
        np.asarray(outputs["logits_NK"][n], np.float32),
        np.asarray(outputs["embedding_ND"][n], np.float32),
        float(outputs["novelty_N"][n]),
        per_item("vision_weight_NKV", tokens.vision_TPD),
        per_item("audio_weight_NKA", tokens.audio_TPD),
        np.asarray(outputs["text_weight_NKL"][n], np.float32).sum(1),
    )
