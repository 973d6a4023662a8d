"""Training examples composed from decoded clips of the world: the picture of one, the sound of another, new words.

Labels follow from what is left in the example: a thing counts as seen when a kept frame falls into its span, and
as heard when a kept window holds enough of it. So each clip serves thousands of times, and no combination of
picture, sound and words can be learnt by heart.

Shape letters: M clips, N examples of a batch, F frames, W windows, C,H,W channel, height, width, B mel bands, T
spectrogram columns, L text tokens, K tasks.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engines.data.clips import Clip
from engines.data.world.things import HEARD, SEEN, adult_causes
from engines.data.world.truth import Labels, Span, Truth, judge
from engines.data.world.words import Words, draw_words
from engines.spec import SEGMENTS, TASKS
from engines.tokenizer import TextTokenizer

#: A window holds a sound when this much of it lies inside; with less, whether it does is not asked.
HEARD_SECONDS = 0.3


@dataclass(frozen=True, slots=True)
class Series:
    """Frames or spectrograms (X) of all clips, padded to the longest, and the things (Y) that each holds.

    there_MXY: float32, 1 or 0, NaN where too little of a thing is there to ask for it.
    """

    values_MXy: Tensor
    mask_MX: NDArray[np.bool_]
    seconds_MX: NDArray[np.float32]
    there_MXY: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Episode:
    """A batch of examples; NaN labels do not count.

    frame_reasons_NKF, window_reasons_NKW: bool, which frames and windows hold what a label rests on; all False where
        it rests on nothing that is there.
    """

    frames_NFCHW: Tensor
    frame_mask_NF: Tensor
    frame_seconds_NF: Tensor
    mels_NWBT: Tensor
    window_mask_NW: Tensor
    window_seconds_NW: Tensor
    ids_NL: Tensor
    segments_NL: Tensor
    text_mask_NL: Tensor
    labels_NK: Tensor
    seen_NFY: Tensor
    heard_NWY: Tensor
    frame_reasons_NKF: Tensor
    window_reasons_NKW: Tensor


@dataclass(frozen=True, kw_only=True)
class Odds:
    """How often a part of an example is taken away or exchanged."""

    other_sound: float = 0.6
    no_picture: float = 0.06
    no_sound: float = 0.12
    no_text: float = 0.05
    thin_out: float = 0.3
    unknown_words: float = 0.2


@dataclass(frozen=True, slots=True)
class _Written:
    """Words of a batch and what follows from them."""

    words: list[Words]
    labels_NK: NDArray[np.float32]
    frame_reasons_NKF: NDArray[np.bool_]
    window_reasons_NKW: NDArray[np.bool_]

    def forget(self, rows_N: NDArray[np.bool_]) -> None:
        """Change the labels of rows whose text is taken away: nothing is promised, nothing asked."""
        clickbait, relevance = TASKS.index("clickbait"), TASKS.index("relevance")
        self.labels_NK[rows_N, clickbait], self.labels_NK[rows_N, relevance] = 0, np.nan
        for reasons_NKX in (self.frame_reasons_NKF, self.window_reasons_NKW):
            reasons_NKX[rows_N, clickbait] = reasons_NKX[rows_N, relevance] = False


class EpisodeSource:
    """Draws batches from clips; everything random comes from the seed."""

    def __init__(self, pictures: Series, sounds: Series, tokenizer: TextTokenizer, *, seed: int, odds: Odds) -> None:
        self._pictures, self._sounds, self._tokenizer = pictures, sounds, tokenizer
        self._odds = odds
        self._rng = np.random.default_rng(seed)

    def draw(self, size: int) -> Episode:
        """A batch of new examples."""
        rng, odds = self._rng, self._odds
        clips = len(self._pictures.mask_MX)
        picture_N = rng.integers(clips, size=size)
        sound_N = np.where(rng.random(size) < odds.other_sound, rng.integers(clips, size=size), picture_N)
        frame_mask_NF = self._keep(self._pictures.mask_MX[picture_N], odds.no_picture)
        window_mask_NW = self._keep(self._sounds.mask_MX[sound_N], odds.no_sound)
        seen_NFY, heard_NWY = self._pictures.there_MXY[picture_N], self._sounds.there_MXY[sound_N]
        written = self._write(seen_NFY, frame_mask_NF, heard_NWY, window_mask_NW)
        ids_NL, segments_NL, text_mask_NL = self._encode(written.words)
        no_text_N = rng.random(size) < odds.no_text
        text_mask_NL[no_text_N] = False
        written.forget(no_text_N)
        return Episode(
            frames_NFCHW=self._pictures.values_MXy[picture_N],
            frame_mask_NF=torch.from_numpy(frame_mask_NF),
            frame_seconds_NF=torch.from_numpy(self._pictures.seconds_MX[picture_N]),
            mels_NWBT=self._sounds.values_MXy[sound_N],
            window_mask_NW=torch.from_numpy(window_mask_NW),
            window_seconds_NW=torch.from_numpy(self._sounds.seconds_MX[sound_N]),
            ids_NL=torch.from_numpy(ids_NL),
            segments_NL=torch.from_numpy(segments_NL),
            text_mask_NL=torch.from_numpy(text_mask_NL),
            labels_NK=torch.from_numpy(written.labels_NK),
            seen_NFY=torch.from_numpy(seen_NFY),
            heard_NWY=torch.from_numpy(heard_NWY),
            frame_reasons_NKF=torch.from_numpy(written.frame_reasons_NKF),
            window_reasons_NKW=torch.from_numpy(written.window_reasons_NKW),
        )

    def _write(
        self,
        seen_NFY: NDArray[np.float32],
        frame_mask_NF: NDArray[np.bool_],
        heard_NWY: NDArray[np.float32],
        window_mask_NW: NDArray[np.bool_],
    ) -> _Written:
        """Words for what is left of each example, the labels that follow, and where their reasons are."""
        N, K = len(seen_NFY), len(TASKS)
        written = _Written(
            words=[],
            labels_NK=np.full((N, K), np.nan, np.float32),
            frame_reasons_NKF=np.zeros((N, K, frame_mask_NF.shape[1]), np.bool_),
            window_reasons_NKW=np.zeros((N, K, window_mask_NW.shape[1]), np.bool_),
        )
        for n in range(N):
            seen = _things(SEEN, seen_NFY[n][frame_mask_NF[n]])
            heard = _things(HEARD, heard_NWY[n][window_mask_NW[n]])
            words = draw_words(self._rng, seen, heard)
            labels = judge(seen, heard, words)
            written.words.append(words)
            written.labels_NK[n, :2] = labels.clickbait, labels.adult
            if labels.relevance is not None:
                written.labels_NK[n, 2] = labels.relevance
            for k, reasons in enumerate(_reasons(seen, heard, words, labels)):
                written.frame_reasons_NKF[n, k] = frame_mask_NF[n] & _holding(SEEN, reasons, seen_NFY[n])
                written.window_reasons_NKW[n, k] = window_mask_NW[n] & _holding(HEARD, reasons, heard_NWY[n])
        return written

    def _keep(self, mask_NX: NDArray[np.bool_], none: float) -> NDArray[np.bool_]:
        """Drop some of the places of some rows, and all places of a few."""
        rng = self._rng
        thinned_N1 = rng.random((len(mask_NX), 1)) < self._odds.thin_out
        kept_NX = mask_NX & (~thinned_N1 | (rng.random(mask_NX.shape) < 0.5))
        return np.asarray(kept_NX & (rng.random((len(mask_NX), 1)) >= none))

    def _encode(self, words: Sequence[Words]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
        encoded = [self._tokenizer.encode(self._clutter(item.fields)) for item in words]
        longest = max(len(ids_L) for ids_L, _ in encoded)
        ids_NL, segments_NL = np.zeros((2, len(words), longest), np.int64)
        mask_NL = np.zeros((len(words), longest), np.bool_)
        for n, (ids_L, segments_L) in enumerate(encoded):
            ids_NL[n, : len(ids_L)], segments_NL[n, : len(ids_L)], mask_NL[n, : len(ids_L)] = ids_L, segments_L, True
        return ids_NL, segments_NL, mask_NL

    def _clutter(self, fields: dict[str, str]) -> dict[str, str]:
        """Add words that the world does not know to one field, as people's titles are full of them."""
        if self._rng.random() >= self._odds.unknown_words:
            return fields
        name = SEGMENTS[int(self._rng.integers(3))]
        clutter = " ".join(["~"] * int(self._rng.integers(1, 5)))
        before = self._rng.random() < 0.5
        return {**fields, name: f"{clutter} {fields[name]}" if before else f"{fields[name]} {clutter}"}


def picture_series(clips: Sequence[Clip], truths: Sequence[Truth]) -> Series:
    """Frames of all clips as one uint8 tensor (M, F, C, H, W)."""
    seconds = [clip.frame_seconds_T for clip in clips]
    mask_MF, seconds_MF = _pad_seconds(seconds)
    frames_MFCHW = torch.zeros((*mask_MF.shape, *clips[0].frames_TCHW.shape[1:]), dtype=torch.uint8)
    seen_MFY = np.zeros((*mask_MF.shape, len(SEEN)), np.float32)
    for m, (clip, truth) in enumerate(zip(clips, truths, strict=True)):
        frames_MFCHW[m, : len(clip.frames_TCHW)] = torch.from_numpy(clip.frames_TCHW)
        for span in truth.seen:
            inside_T = (seconds[m] >= span.start_seconds) & (seconds[m] < span.end_seconds)
            seen_MFY[m, : len(inside_T), SEEN.index(span.thing)] = inside_T
    return Series(frames_MFCHW, mask_MF, seconds_MF, seen_MFY)


def sound_series(
    mels: Sequence[Tensor], clips: Sequence[Clip], truths: Sequence[Truth], window_seconds: float
) -> Series:
    """Spectrograms of all clips as one float32 tensor (M, W, B, T), with the middle of each window as its time."""
    mask_MW, starts_MW = _pad_seconds([clip.window_seconds_T for clip in clips])
    mels_MWBT = torch.zeros((*mask_MW.shape, *mels[0].shape[1:]))
    heard_MWY = np.zeros((*mask_MW.shape, len(HEARD)), np.float32)
    for m, (mel_WBT, truth) in enumerate(zip(mels, truths, strict=True)):
        mels_MWBT[m, : len(mel_WBT)] = mel_WBT
        for span in truth.heard:
            heard_MWY[m, :, HEARD.index(span.thing)] = _held(span, starts_MW[m], window_seconds)
    return Series(mels_MWBT, mask_MW, starts_MW + np.float32(window_seconds / 2), heard_MWY)


def _held(span: Span, starts_W: NDArray[np.float32], window_seconds: float) -> NDArray[np.float32]:
    """1 where a window holds enough of the span, 0 where nothing, NaN between."""
    held_W = np.minimum(starts_W + window_seconds, span.end_seconds) - np.maximum(starts_W, span.start_seconds)
    return np.where(held_W >= HEARD_SECONDS, 1.0, np.where(held_W <= 0, 0.0, np.nan)).astype(np.float32)


def _reasons(seen: Set[str], heard: Set[str], words: Words, labels: Labels) -> tuple[Set[str], Set[str], Set[str]]:
    """What each task's label rests on: the promise that is kept, the adult causes, the query that is met."""
    kept = words.promised if not labels.clickbait else frozenset()
    met = words.wanted if labels.relevance else frozenset()
    return kept, adult_causes(seen, heard), met


def _holding(names: Sequence[str], things: Set[str], there_XY: NDArray[np.float32]) -> NDArray[np.bool_]:
    columns = [y for y, name in enumerate(names) if name in things]
    return np.asarray((there_XY[:, columns] == 1).any(1))


def _things(names: Sequence[str], there_XY: NDArray[np.float32]) -> frozenset[str]:
    return frozenset(names[y] for y in np.flatnonzero((there_XY == 1).any(0)).tolist())


def _pad_seconds(seconds: Sequence[NDArray[np.float64]]) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    longest = max(len(item) for item in seconds)
    seconds_MX = np.zeros((len(seconds), longest), np.float32)
    mask_MX = np.zeros((len(seconds), longest), np.bool_)
    for m, item in enumerate(seconds):
        seconds_MX[m, : len(item)], mask_MX[m, : len(item)] = item, True
    return mask_MX, seconds_MX
