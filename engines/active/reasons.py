"""Why a video was chosen, in a sentence for whoever labels it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from engines.active.allocate import Pick
from engines.active.arms import ERRORS, LIKELY_ARM, POSITIVES, PROBE, REPORTS
from engines.active.lookalike import calibrated
from engines.active.pool import FUSED, Situation
from engines.active.spaces import backgrounds
from engines.active.vectors import highest

#: What a reviewer calls a video, by task and label.
CALLED = {
    "clickbait": ("not clickbait", "clickbait"),
    "adult": ("not adult", "adult"),
    "relevance": ("not relevant", "relevant"),
}
#: What people say for a space.
IN_SPACE = {"vision": " in pictures", "audio": " in sound", "text": " in words", FUSED: ""}
#: Scores up to which, and from which, a model is said to be sure.
SURE_NO, SURE_YES = 0.1, 0.9
UNSURE = (0.35, 0.65)


class Like(msgspec.Struct, frozen=True):
    """A video that is like the chosen one: cosine similarity, and its label; None: reported, not labelled."""

    video_id: str
    similarity: float
    label: int | None


class Reason(msgspec.Struct, frozen=True):
    """The sentence, and the videos it speaks of."""

    sentence: str
    like: tuple[Like, ...]


class Explainer:
    """Reasons for the picks of one batch."""

    def __init__(self, ids: Sequence[str], situation: Situation, task: str, rng: np.random.Generator) -> None:
        """Similarities are cosines of the embeddings as they are, which people can compare from round to round."""
        self._ids, self._situation, self._task = ids, situation, task
        self._known = backgrounds(situation.spaces, rng)
        positives = np.union1d(situation.of_label(1), situation.reported)
        self._band = calibrated(situation.embedding_ND, positives, situation.unlabelled, rng)

    def of(self, pick: Pick) -> Reason:
        """E.g. "like x (0.91), which a reviewer called adult; model unsure (0.48); nothing like it labelled"."""
        parts, like = [], []
        if pick.seed is not None:
            space, similarity = self._closest(pick.place, pick.seed)
            like.append(Like(self._ids[pick.seed], similarity, self._label(pick.seed)))
            place = f"{self._ids[pick.seed]} ({similarity:.2f}{IN_SPACE.get(space, '')})"
            parts.append(f"like {place}, which {self._said_of(pick)}")
        elif pick.arm == PROBE:
            parts.append("drawn by chance, to see what nobody looks for")
        parts.append(self._model(pick))
        nearest = self._nearest_label(pick.place)
        if nearest is not None and nearest.video_id not in [one.video_id for one in like]:
            like.append(nearest)
        parts.append(self._surroundings(nearest))
        return Reason("; ".join(parts), tuple(like))

    def _closest(self, place: int, seed: int) -> tuple[str, float]:
        """The space in which the two are most alike, measured by what is usual there, and their cosine in it."""
        cosine = {name: float(rows[place] @ rows[seed]) for name, rows in self._situation.spaces.items()}
        best = max(cosine, key=lambda name: self._known[name].standard(cosine[name]))
        return best, round(cosine[best], 4)

    def _said_of(self, pick: Pick) -> str:
        label = self._label(pick.seed)
        if label is None:
            return "was reported"
        called = f"a reviewer called {self._called(label)}"
        return f"{called} against the model" if pick.arm == ERRORS else called

    def _model(self, pick: Pick) -> str:
        score = float(self._situation.score_N[pick.place])
        if np.isnan(score):
            return "model has not judged it"
        if UNSURE[0] <= score <= UNSURE[1]:
            return f"model unsure ({score:.2f})"
        how = "says" if SURE_NO < score < SURE_YES else "sure:"
        checked = ", to be checked" if pick.arm == LIKELY_ARM else ""
        return f"model {how} {self._called(int(score >= 0.5))} ({score:.2f}){checked}"

    def _surroundings(self, nearest: Like | None) -> str:
        if nearest is None:
            return "nothing labelled yet"
        if nearest.similarity < self._band.low:
            return "nothing like it labelled yet"
        return f"nearest label {nearest.video_id} ({nearest.similarity:.2f}), {self._called(nearest.label or 0)}"

    def _nearest_label(self, place: int) -> Like | None:
        labelled, rows = self._situation.labelled, self._situation.embedding_ND
        if not len(labelled):
            return None
        similarity_1, which_1 = highest(rows[[place]], rows[labelled])
        video = int(labelled[which_1[0]])
        return Like(self._ids[video], round(float(similarity_1[0]), 4), self._label(video))

    def _label(self, place: int | None) -> int | None:
        label = np.nan if place is None else self._situation.label_N[place]
        return None if np.isnan(label) else int(label)

    def _called(self, label: int) -> str:
        return CALLED.get(self._task, ("negative", "positive"))[label]


#: What each arm is for, for tables.
ARM_NAMES = {REPORTS: "like reports", POSITIVES: "like positives", ERRORS: "like errors"}
