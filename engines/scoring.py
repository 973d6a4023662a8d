"""Decoded clips and their words through the four engines: what training, evaluation and parity look at.

Shape letters: M clips, T frames or windows of a clip, P tokens of each, L text tokens, D embedding size, K tasks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.data.clips import Clip
from engines.engine_set import EngineSet
from engines.known import direction, pooled_tokens
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

    @property
    def views(self) -> dict[str, Float16]:
        """By sense that is there, the direction of its mean token, float16 (D,), unit norm."""
        senses = {"vision": self.vision_TPD, "audio": self.audio_TPD, "text": self.text_LD}
        tokens = {name: values.reshape(-1, values.shape[-1]) for name, values in senses.items() if values.size}
        found = {name: direction(pooled_tokens(token_XD)) for name, token_XD in tokens.items()}
        return {name: view_D for name, view_D in found.items() if view_D is not None}


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
    inputs = tower_inputs(tokenizer, [clip], [fields])
    outputs = {name: getattr(engines, name)(given) for name, given in inputs.items()}
    return clip_tokens(inputs, outputs, [clip], window_seconds)[0]


def tower_inputs(
    tokenizer: TextTokenizer, clips: Sequence[Clip], fields: Sequence[Mapping[str, str]]
) -> dict[str, dict[str, Array]]:
    """Graph -> its inputs for these clips and their words, back to back; a tower that has nothing to do is left out."""
    inputs: dict[str, dict[str, Array]] = {"text": _text_inputs([tokenizer.encode(words) for words in fields])}
    frames_FCHW = np.concatenate([clip.frames_TCHW for clip in clips])
    windows_FS = np.concatenate([clip.windows_TS for clip in clips])
    for modality, name, media in (("vision", "frames_FCHW", frames_FCHW), ("audio", "windows_FS", windows_FS)):
        if len(media):
            inputs[modality] = {name: media}
    return inputs


def clip_tokens(
    inputs: Mapping[str, Mapping[str, Array]],
    outputs: Mapping[str, Mapping[str, Array]],
    clips: Sequence[Clip],
    window_seconds: float,
) -> list[ClipTokens]:
    """What the towers gave for `tower_inputs`, clip by clip."""
    text_NLD = outputs["text"]["tokens_NLD"].astype(np.float16)
    nothing = {"tokens_FPD": np.zeros((0, 1, text_NLD.shape[2]), np.float16)}
    counts = {"vision": [len(clip.frames_TCHW) for clip in clips], "audio": [len(clip.windows_TS) for clip in clips]}
    # Modality -> name of the output -> an array for each clip.
    parts = {
        modality: {name: _parts(array, counts[modality]) for name, array in outputs.get(modality, nothing).items()}
        for modality in MARKING
    }
    found = []
    for m, clip in enumerate(clips):
        vision_TPD, audio_TPD = (parts[modality]["tokens_FPD"][m].astype(np.float16) for modality in MARKING)
        priors = {
            modality: np.asarray(parts[modality]["priors_FR"][m].max(0), np.float32)
            for modality in MARKING
            if counts[modality][m] and "priors_FR" in parts[modality]
        }
        seen_T = clip.frame_seconds_T.astype(np.float32)
        heard_T = (clip.window_seconds_T + window_seconds / 2).astype(np.float32)
        text_LD = text_NLD[m][np.asarray(inputs["text"]["mask_NL"][m], np.bool_)]
        found.append(ClipTokens(vision_TPD, seen_T, audio_TPD, heard_T, text_LD, priors))
    return found


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


def _text_inputs(encoded: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]]) -> dict[str, Array]:
    """Padded to the longest by id 0."""
    longest = max(len(ids_L) for ids_L, _ in encoded)
    ids_NL, segments_NL = (np.zeros((len(encoded), longest), np.int64) for _ in range(2))
    mask_NL = np.zeros((len(encoded), longest), np.bool_)
    for n, (ids_L, segments_L) in enumerate(encoded):
        L = len(ids_L)
        ids_NL[n, :L], segments_NL[n, :L], mask_NL[n, :L] = ids_L, segments_L, True
    return {"ids_NL": ids_NL, "segments_NL": segments_NL, "mask_NL": mask_NL}


def _parts(values_FX: Array, counts: Sequence[int]) -> list[NDArray[Any]]:
    """Those of each clip."""
    return np.split(values_FX, np.cumsum(counts)[:-1])


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
