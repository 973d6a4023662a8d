"""Both sides run once over recorded inputs: what each decides of every one, and how far their tensors are apart.

Shape letters: M inputs, K tasks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engines.answers import Answers, Beside, beside, collect
from engines.bundle import Bundle
from engines.data.public.manifest import Row
from engines.engine_set import EngineSet
from engines.gate.errors import Tally, TensorError
from engines.gate.recorded import Recorded
from engines.gate.slices import parts_of
from engines.runner import run_together
from engines.scoring import ClipTokens, clip_tokens, fusion_inputs, tower_inputs
from engines.spec import TASKS, Array

Float32 = NDArray[np.float32]


@dataclass(frozen=True)
class Compared:
    """Calibrated scores of both, (M, K) float32, by the candidate's calibration; labels, (M, K), 0, 1 or NaN.

    parts: task -> for each input the parts of the data that it belongs to.
    """

    candidate_MK: Float32
    reference_MK: Float32
    labels_MK: Float32
    parts: Mapping[str, Sequence[frozenset[str]]]
    errors: tuple[TensorError, ...]


def compare_on(
    bundle: Bundle,
    candidate: EngineSet,
    reference: EngineSet,
    batches: Iterable[Sequence[Recorded]],
    on_input: Callable[[], None] = lambda: None,
) -> Compared:
    """Hand each batch to both sides. Scores are those of verdicts where the policy counts all categories.

    Towers get the same inputs, and so does fusion for what its tensors are compared by: the reference's tokens. What is
    decided rests on each side's own. Raises `RunnerError` when either fails.
    """
    sides = [_Side(bundle, engines) for engines in (candidate, reference)]
    tally, rows, parts = Tally(), list[Row](), {task: list[frozenset[str]]() for task in TASKS}
    for batch in batches:
        inputs = tower_inputs(bundle.tokenizer, [one.clip for one in batch], [one.row.fields for one in batch])
        towers, tokens = zip(*(side.perceive(inputs, batch) for side in sides), strict=True)
        for name in inputs:
            masks = {"tokens_NLD": np.asarray(inputs["text"]["mask_NL"], np.bool_)} if name == "text" else None
            tally.add(name, towers[0][name], towers[1][name], masks)
        given = fusion_inputs(tokens[1])
        decided = sides[1].decide(given, tokens[1])
        tally.add("fusion", candidate.fusion(given), decided)
        sides[0].decide(fusion_inputs(tokens[0]), tokens[0])
        for one in batch:
            rows.append(one.row)
            for task in TASKS:
                parts[task].append(parts_of(one, task))
            on_input()
    found = [side.answers(rows) for side in sides]
    scores_MK = [bundle.calibration.scores(answers.raised(bundle)) for answers in found]
    return Compared(scores_MK[0], scores_MK[1], found[0].labels_MK, parts, tally.errors)


class _Side:
    """One set of engines, and what it has said so far."""

    def __init__(self, bundle: Bundle, engines: EngineSet) -> None:
        self._bundle, self._engines = bundle, engines
        self._logits: list[Float32] = []
        self._others: list[Beside] = []

    def perceive(
        self, inputs: Mapping[str, Mapping[str, Array]], batch: Sequence[Recorded]
    ) -> tuple[dict[str, dict[str, Array]], list[ClipTokens]]:
        sizes = self._bundle.preprocessing
        calls = ((getattr(self._engines, name), given) for name, given in inputs.items())
        outputs = dict(zip(inputs, run_together(calls), strict=True))  # at once, as in the stream
        window_seconds = sizes.window_samples / sizes.sample_rate_hz
        return outputs, clip_tokens(inputs, outputs, [one.clip for one in batch], window_seconds)

    def decide(self, given: Mapping[str, Array], tokens: Sequence[ClipTokens]) -> dict[str, Array]:
        outputs = self._engines.fusion(given)
        self._logits += list(np.asarray(outputs["logits_NK"], np.float32))
        self._others += [beside(item) for item in tokens]
        return outputs

    def answers(self, rows: Sequence[Row]) -> Answers:
        return collect(self._bundle, rows, self._logits, self._others)
