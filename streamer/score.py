"""Embeddings -> Fused, through the fusion engine; Fused -> calibrated Scores.

Attribution is measured, not read off weights: the fusion network runs once more for each modality that is there,
without that modality, and the difference of the logits is what it brought. Its tokens are left out, not only masked,
so that the four runs of a case cost less than three.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from itertools import chain

import numpy as np

from engines.known import Known
from engines.runner import Runner, RunnerError, RunnerLostError, run_together
from engines.spec import Array
from streamer.categories import Categories, raised
from streamer.errors import EngineFailedError, EnginesLostError
from streamer.records import TASKS, Attention, Embeddings, Float32, Fused, Fusion, Int64, Modality, Scores, Tokens
from streamer.views import pooled, views_of

#: How each modality's tensors are called in the fusion graph, and the letter of its token axis.
_INPUTS = {
    Modality.VISION: ("vision_NVD", "vision_mask_NV", "vision_seconds_NV"),
    Modality.AUDIO: ("audio_NAD", "audio_mask_NA", "audio_seconds_NA"),
    Modality.TEXT: ("text_NLD", "text_mask_NL", None),
}


class Scorer:
    """Runs the fusion graph on batches. Not thread-safe, as its runner."""

    def __init__(self, fusion: Runner, categories: Categories, known: Known | None = None) -> None:
        """known: what novelty is measured by; None: nothing is said of it."""
        self._fusion = fusion
        self._categories = categories
        self._known = known

    def fuse(self, embeddings: Embeddings) -> Fusion:
        """What the network says of every case, in order.

        Raises `EngineFailedError` (retryable) and `EnginesLostError` (fatal).
        """
        started = time.perf_counter()
        if not embeddings.tokens:
            return Fusion((), 0.0)
        outputs, without_NKM = self._outputs(fusion_inputs(embeddings.tokens))
        logits_NK = np.asarray(outputs["logits_NK"], np.float32)
        means = [pooled(tokens) for tokens in embeddings.tokens]
        cases = tuple(
            Fused(
                logits_K=logits_NK[n],
                without_KM=without_NKM[n],
                embedding_D=np.asarray(outputs["embedding_ND"][n], np.float32),
                novelty=self._novelty(means[n]),
                views=views_of(means[n]),
                attention=_attention(outputs, n, tokens),
                vision_marks=tokens[Modality.VISION].marks,
                audio_marks=tokens[Modality.AUDIO].marks,
            )
            for n, tokens in enumerate(embeddings.tokens)
        )
        return Fusion(cases, engine_ms=(time.perf_counter() - started) * 1000)

    def score(self, fused: Fused) -> Scores:
        """Calibrated scores of one case: the same for what is fresh and what was recalled."""
        categories = self._categories.of(fused)
        logits_K = raised(fused.logits_K, categories)
        without_MK = np.stack(
            [raised(fused.without_KM[:, m], categories, without=modality) for m, modality in enumerate(Modality)]
        )
        scores_RK = self._categories.calibration.scores(np.concatenate([[fused.logits_K, logits_K], without_MK]))
        return Scores(
            fused,
            logits_K=logits_K,
            scores_K=scores_RK[1],
            network_K=scores_RK[0],
            attribution_KM=logits_K[:, None] - without_MK.T,
            without_KM=scores_RK[2:].T,
            categories=categories,
        )

    def _novelty(self, means: Mapping[Modality, Float32]) -> dict[Modality, float]:
        """By modality; one that the video lacks takes no part."""
        if self._known is None:
            return {}
        found = self._known.novelty({modality.value: mean_D for modality, mean_D in means.items()})
        return {Modality(name): value for name, value in found.items()}

    def _outputs(self, inputs: Mapping[str, Array]) -> tuple[dict[str, Array], Float32]:
        """The network's outputs, and (N, K, M) logits with each modality left out; all runs are started together.

        Where a modality is missing anyway, the logits without it are the logits themselves.
        """
        having = {modality: np.flatnonzero(inputs[_INPUTS[modality][1]].any(axis=1)) for modality in Modality}
        lesser = {modality: cases for modality, cases in having.items() if cases.size}
        outputs, *others = self._run(inputs, lesser)
        without_NKM = np.repeat(np.asarray(outputs["logits_NK"], np.float32)[:, :, None], len(Modality), axis=2)
        for (modality, cases), other in zip(lesser.items(), others, strict=True):
            without_NKM[cases, :, list(Modality).index(modality)] = other["logits_NK"]
        return outputs, without_NKM

    def _run(self, inputs: Mapping[str, Array], lesser: Mapping[Modality, Int64]) -> list[dict[str, Array]]:
        """Outputs of all cases, and of those that have a modality without it."""
        batches = chain([inputs], (_without(inputs, modality, cases) for modality, cases in lesser.items()))
        try:
            found = run_together((self._fusion, batch) for batch in batches)
        except RunnerLostError as error:
            raise EnginesLostError(str(error)) from error
        except RunnerError as error:
            rows = len(inputs["text_mask_NL"])
            raise EngineFailedError(f"fusion failed on {rows} cases: {error}") from error
        for outputs in found:
            for name, array in outputs.items():
                if not np.isfinite(np.asarray(array, np.float32)).all():
                    raise EngineFailedError(f"fusion gave {name} of shape {array.shape} that is not finite")
        return found


def fusion_inputs(cases: Sequence[Mapping[Modality, Tokens]]) -> dict[str, Array]:
    """Pad each modality's tokens to the longest of the batch; every token axis has at least one place."""
    D = next(iter(cases[0].values())).values_TPD.shape[2]
    inputs: dict[str, Array] = {}
    for modality, (values_name, mask_name, seconds_name) in _INPUTS.items():
        tokens = [case.get(modality) for case in cases]
        longest = max([1, *(item.mask_TP.size for item in tokens if item is not None)])
        values_NXD = np.zeros((len(cases), longest, D), np.float32)
        mask_NX = np.zeros((len(cases), longest), np.bool_)
        seconds_NX = np.zeros((len(cases), longest), np.float32)
        for n, item in enumerate(tokens):
            if item is None or not item.mask_TP.size:
                continue
            count, P = item.mask_TP.size, item.mask_TP.shape[1]
            values_NXD[n, :count] = item.values_TPD.reshape(count, D)
            mask_NX[n, :count] = item.mask_TP.reshape(count)
            seconds_NX[n, :count] = np.repeat(item.spans_T2.mean(axis=1), P)
        inputs[values_name], inputs[mask_name] = values_NXD, mask_NX
        if seconds_name:
            inputs[seconds_name] = seconds_NX
    return inputs


def _without(inputs: Mapping[str, Array], modality: Modality, cases: Int64) -> dict[str, Array]:
    """The inputs of these cases with one masked token in place of a modality."""
    rows = {name: array[cases] for name, array in inputs.items()}
    for name in _INPUTS[modality]:
        if name is not None:
            rows[name] = np.zeros_like(rows[name][:, :1])
    return rows


def _attention(outputs: Mapping[str, Array], n: int, tokens: Mapping[Modality, Tokens]) -> Attention:
    """Sum the weights of each frame's or window's tokens, leaving the padding behind."""

    def per_item(name: str, modality: Modality) -> Float32:
        T, P = tokens[modality].mask_TP.shape
        weights_KX = np.asarray(outputs[name][n], np.float32)[:, : T * P]
        return np.asarray(weights_KX.reshape(len(TASKS), T, P).sum(axis=2), np.float32)

    return Attention(
        vision_KT=per_item("vision_weight_NKV", Modality.VISION),
        audio_KT=per_item("audio_weight_NKA", Modality.AUDIO),
        text_K=per_item("text_weight_NKL", Modality.TEXT).sum(axis=1),
        vision_spans_T2=tokens[Modality.VISION].spans_T2,
        audio_spans_T2=tokens[Modality.AUDIO].spans_T2,
    )
