"""Categories: what towers know by themselves raises a score when the policy counts it, and the verdict says so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.calibration import Calibration, TaskCalibration
from engines.spec import graph_specs
from engines.taught import TAUGHT, Head, Taught
from streamer.categories import Categories, raised
from streamer.decide import decide
from streamer.evidence import Naming
from streamer.policy import Judgement, PolicyOptions
from streamer.records import TASKS, Evidence, Fused, Marks, Modality, Scores, Task, Verdict
from streamer.score import Scorer
from streamer.testing import ConstantRunner
from tests.stream.cases import LINEAGE, attention, case

PRIORS = {Modality.VISION: ("sexual", "violent"), Modality.AUDIO: ("violent",)}
CALIBRATION = Calibration(
    tasks={task: TaskCalibration(temperature=1.5, bias=0.4) for task in TASKS},
    categories={
        "adult": {
            "sexual": {"vision": TaskCalibration()},
            "violent": {"vision": TaskCalibration(temperature=2.0, bias=-1.0), "audio": TaskCalibration(bias=0.5)},
        }
    },
)
NAMING = Naming(
    {Modality.VISION: ("dog", "revolver", "tree"), Modality.AUDIO: ("Speech", "Gunshot, gunfire", "Music")},
    {Modality.AUDIO: {"violent": (1,)}},
)
ADULT = TASKS.index(Task.ADULT)


def marks(classes: list[list[int]], scores: list[list[float]], priors: list[list[float]]) -> Marks:
    return Marks(np.array(classes, np.int32), np.array(scores, np.float32), np.array(priors, np.float32))


def fused(
    sexual: tuple[float, float] = (0.01, 0.01), seen: float = 0.01, heard: tuple[float, ...] = (0.01, 0.01, 0.01)
) -> Fused:
    """Two frames of a dog and three windows of speech, of which the second holds a shot; the network sees nothing."""
    return Fused(
        logits_K=np.array([-1.0, -4.0, 0.5], np.float32),
        without_KM=np.array([[-1.0, -2.0, -1.5], [-4.5, -4.0, -3.5], [0.5, 0.5, 0.5]], np.float32),
        embedding_D=np.ones(1, np.float32),
        novelty={},
        views={},
        attention=attention(),
        vision_marks=marks([[0, 2], [0, 1]], [[0.9, 0.05], [0.15, 0.1]], [[sexual[0], seen], [sexual[1], 0.0]]),
        audio_marks=marks([[0, 2], [0, 1], [0, 1]], [[0.9, 0.5], [0.8, 0.4], [0.9, 0.1]], [[x] for x in heard]),
    )


def scored(what: Fused, **policy: object) -> Scores:
    counted = PolicyOptions(**policy).counted(CALIBRATION.categories)  # type: ignore[arg-type]
    runner = ConstantRunner(graph_specs(8, 8, 1)["fusion"])
    return Scorer(runner, Categories(CALIBRATION, PRIORS, counted)).score(what)


def verdict(found: Scores, task: Task = Task.ADULT, **policy: object) -> Verdict:
    judge = Judgement(PolicyOptions(**policy), dict.fromkeys(TASKS, 0.5), LINEAGE, NAMING)  # type: ignore[arg-type]
    verdicts = decide(judge, case(), found, latency_ms={}, engine_ms=1.0, decided_at="2026-01-01T00:00:00+00:00")
    return verdicts[TASKS.index(task)]


def sigmoid(x: float) -> float:
    return float(1 / (1 + np.exp(-x)))


def logit(p: float) -> float:
    return float(np.log(p / (1 - p)))


def test_each_category_has_the_score_of_its_highest_prior() -> None:
    categories = verdict(scored(fused(sexual=(0.2, 0.6), seen=0.3, heard=(0.1, 0.9, 0.2)))).categories
    assert set(categories) == {"seen", "heard", "sexual", "violent"}
    assert categories["sexual"] == pytest.approx(0.6, abs=1e-5)
    heard, seen = sigmoid(logit(0.9) + 0.5), sigmoid(logit(0.3) / 2 - 1)
    assert categories["violent"] == pytest.approx(max(heard, seen), abs=1e-5)


def test_a_shot_that_the_network_does_not_hear_carries_the_score() -> None:
    found = scored(fused(heard=(0.01, 0.95, 0.02)))
    said = verdict(found)
    expected = sigmoid(logit(0.95) + 0.5)
    assert said.score == pytest.approx(expected, abs=1e-5)
    assert said.logit == pytest.approx((logit(0.95) + 0.5 - 0.4) * 1.5, abs=1e-4)
    assert said.score == pytest.approx(sigmoid((said.logit or 0) / 1.5 + 0.4), abs=1e-5)
    assert said.evidence[0] == Evidence(
        modality=Modality.AUDIO,
        weight=pytest.approx(said.evidence[0].weight),
        start_ms=960,
        end_ms=1920,
        name="Gunshot, gunfire",
    )
    network = sigmoid(-4 / 1.5 + 0.4)
    assert said.evidence[0].weight == pytest.approx(1 - network / expected + network / expected * 0.02, abs=1e-4)
    assert sum(item.weight for item in said.evidence) <= 1 + 1e-6


def test_attribution_names_the_modality_that_the_category_rests_on() -> None:
    said = verdict(scored(fused(heard=(0.01, 0.95, 0.02))))
    unheard = max(-4.0, (logit(0.01) / 2 - 1 - 0.4) * 1.5, (logit(0.01) - 0.4) * 1.5)
    assert said.logit is not None
    assert said.attribution[Modality.AUDIO] == pytest.approx(said.logit - unheard, abs=1e-4)
    assert said.attribution[Modality.VISION] == said.attribution[Modality.TEXT] == 0
    assert said.categories["seen"] < 0.1 < 0.9 < said.categories["heard"]


def test_other_tasks_are_left_alone() -> None:
    found, calm = scored(fused(heard=(0.01, 0.95, 0.02))), scored(fused())
    for k, task in enumerate(TASKS):
        if task is not Task.ADULT:
            assert found.scores_K[k] == calm.scores_K[k] == found.network_K[k]
            assert found.carrier(k) is None
            assert set(verdict(found, task).categories) == {"seen", "heard"}


@pytest.mark.parametrize("counted", [(), ("sexual",)])
def test_a_category_that_the_policy_does_not_count_has_a_score_and_raises_none(counted: tuple[str, ...]) -> None:
    found = scored(fused(heard=(0.01, 0.95, 0.02)), adult={"categories": counted})
    said = verdict(found)
    assert said.score == pytest.approx(sigmoid(-4 / 1.5 + 0.4) if not counted else found.scores_K[ADULT], abs=1e-5)
    assert (said.score or 0) < 0.2 < said.categories["violent"]


def test_a_policy_that_counts_what_the_bundle_does_not_have_is_refused() -> None:
    with pytest.raises(ValueError, match=r"policy.adult.categories: came \['rude'\], the bundle has \['sexual', 'viol"):
        PolicyOptions(adult={"categories": ["rude", "sexual"]}).counted(CALIBRATION.categories)  # type: ignore[arg-type]


def test_without_a_modality_its_categories_are_not_known() -> None:
    still = fused(sexual=(0.9, 0.9))
    deaf = replace(
        still,
        audio_marks=Marks.none(0),
        attention=replace(still.attention, audio_KT=np.zeros((3, 0), np.float32), audio_spans_T2=np.zeros((0, 2))),
    )
    blind = replace(
        still,
        vision_marks=Marks.none(0),
        attention=replace(still.attention, vision_KT=np.zeros((3, 0), np.float32), vision_spans_T2=np.zeros((0, 2))),
    )
    assert set(verdict(scored(deaf)).categories) == {"sexual", "violent"}
    assert scored(deaf).attribution_KM[ADULT, 1] == 0
    assert set(verdict(scored(blind)).categories) == {"violent"}


def test_frames_that_share_a_category_are_one_span_under_its_name() -> None:
    said = verdict(scored(fused(sexual=(0.7, 0.99))))
    (carried,) = [item for item in said.evidence if item.name == "sexual"]
    assert (carried.modality, carried.start_ms, carried.end_ms) == (Modality.VISION, 0, 2500)
    said = verdict(scored(fused(sexual=(0.2, 0.99))))
    (carried,) = [item for item in said.evidence if item.name == "sexual"]
    assert (carried.start_ms, carried.end_ms) == (2500, 2500)


def test_spans_are_named_by_what_is_probable_enough() -> None:
    said = {item.start_ms: item for item in verdict(scored(fused())).evidence if item.start_ms is not None}
    assert said[2500].name is None, "a dog of 0.15 is none"
    assert said[0].name == "Speech; Music"
    assert all(item.name is None for item in verdict(scored(fused())).evidence if item.modality is Modality.TEXT)


def test_a_class_without_a_name_is_not_named() -> None:
    strange = marks([[7, 0]] * 2, [[0.9, 0.5]] * 2, [[0.0, 0.0]] * 2)
    assert NAMING.name(Modality.VISION, strange) == "dog"
    assert Naming().name(Modality.VISION, strange) is None
    assert NAMING.name(Modality.VISION, Marks.none(2)) is None


@given(st.lists(st.floats(0, 1, width=32), min_size=7, max_size=7))
def test_a_score_is_never_below_the_networks_nor_a_counted_category(numbers: list[float]) -> None:
    a, b, c, *heard = numbers[:6]
    found = scored(fused(sexual=(a, b), seen=c, heard=tuple(heard)))
    assert found.scores_K[ADULT] >= found.network_K[ADULT]
    for category in found.categories[ADULT]:
        assert found.scores_K[ADULT] >= category.score - 1e-6
    highest = max([found.network_K[ADULT], *(category.score for category in found.categories[ADULT])])
    assert found.scores_K[ADULT] == pytest.approx(highest, abs=1e-6)
    assert (raised(found.logits_K, found.categories) == found.logits_K).all()
    items = verdict(found).evidence
    assert [item.weight for item in items] == sorted((item.weight for item in items), reverse=True)
    assert all(0 <= item.weight <= 1 + 1e-6 for item in items)


#: As alike as can be to the one video that was labelled yes; the other modality says nothing.
HEAD = Head(
    {"vision": np.zeros(2, np.float32), "audio": np.zeros(2, np.float32)},
    {"vision": np.array([[1, 0]], np.float32), "audio": np.array([[0, 1]], np.float32)},
    np.array([6.0], np.float32),
    -3.0,
)
TAUGHT_TOO = Calibration(
    tasks=CALIBRATION.tasks,
    categories={"adult": {**CALIBRATION.categories["adult"], "vaping": {TAUGHT: TaskCalibration(bias=0.25)}}},
)


def taught(views: dict[Modality, tuple[float, float]], **policy: object) -> Scores:
    two = {modality: np.array(view, np.float16) for modality, view in views.items()}
    what = replace(fused(), embedding_D=np.ones(2, np.float32), views=two)
    counted = PolicyOptions(**policy).counted(TAUGHT_TOO.categories)  # type: ignore[arg-type]
    runner = ConstantRunner(graph_specs(8, 8, 1)["fusion"])
    return Scorer(runner, Categories(TAUGHT_TOO, PRIORS, counted, Taught({"vaping": HEAD}))).score(what)


def test_a_video_like_those_that_people_labelled_is_of_their_category() -> None:
    found = taught({Modality.VISION: (1, 0), Modality.AUDIO: (0, 1)})
    said = verdict(found)
    assert said.categories["vaping"] == said.score == pytest.approx(sigmoid(6 - 3 + 0.25), abs=1e-5)
    alone = sigmoid(6 / 2 - 3 + 0.25)
    assert found.without_KM[ADULT, 0] == found.without_KM[ADULT, 1] == pytest.approx(alone, abs=1e-5), "the other half"
    assert said.attribution[Modality.VISION] == said.attribution[Modality.AUDIO] > 0 == said.attribution[Modality.TEXT]


@pytest.mark.parametrize(
    ("modality", "view", "end_ms"), [(Modality.VISION, (1, 0), 2500), (Modality.AUDIO, (0, 1), 2880)]
)
def test_evidence_is_all_that_was_seen_or_heard(modality: Modality, view: tuple[float, float], end_ms: int) -> None:
    said = verdict(taught({modality: view}))
    item = next(item for item in said.evidence if item.name == "vaping")
    assert (item.modality, item.start_ms, item.end_ms) == (modality, 0, end_ms)
    assert item.weight == pytest.approx(1 - sigmoid(-4 / 1.5 + 0.4) / (said.score or 1), abs=1e-4)


def test_what_looks_otherwise_is_not_called_by_its_name() -> None:
    said = verdict(taught({Modality.VISION: (0, 1)}))
    assert said.categories["vaping"] == pytest.approx(sigmoid(-3 + 0.25), abs=1e-5)
    assert all(item.name != "vaping" for item in said.evidence)


def test_a_video_without_the_senses_is_not_judged_by_them() -> None:
    found = taught({Modality.TEXT: (1, 0)})
    assert [category.name for category in found.categories[ADULT]] == ["sexual", "violent"]


def test_what_people_taught_counts_only_where_the_policy_says_so() -> None:
    found = taught({Modality.VISION: (1, 0)}, adult={"categories": ["sexual"]})
    assert found.scores_K[ADULT] == found.network_K[ADULT] < 0.5
    assert verdict(found).categories["vaping"] == pytest.approx(sigmoid(0.25), abs=1e-5)


@pytest.mark.parametrize("lacking", [Modality.AUDIO, Modality.TEXT])
def test_where_all_that_is_read_speaks_against_it_evidence_is_still_of_what_is_read(lacking: Modality) -> None:
    """Less is known of a video without either sense, and so it is likelier of the category: that names no third one."""
    other = Modality.TEXT if lacking is Modality.AUDIO else Modality.AUDIO
    zero, one = np.zeros(2, np.float32), np.array([[1, 0]], np.float32)
    read = {Modality.VISION.value: zero, other.value: zero}
    against = Head(read, dict.fromkeys(read, one), np.array([-1.0], np.float32), 0.5)
    views = {Modality.VISION: np.array([1, 0], np.float16), other: np.array([1, 0], np.float16)}
    what = replace(fused(), embedding_D=np.ones(2, np.float32), views=views)
    runner = ConstantRunner(graph_specs(8, 8, 1)["fusion"])
    found = Scorer(runner, Categories(TAUGHT_TOO, PRIORS, {}, Taught({"vaping": against}))).score(what)
    (category,) = [one for one in found.categories[ADULT] if one.name == "vaping"]
    assert category.modality in views and verdict(found).score is not None


def test_words_that_speak_for_a_category_are_one_piece_of_evidence() -> None:
    zero, one = np.zeros(2, np.float32), np.array([[1, 0]], np.float32)
    words = Head({"text": zero}, {"text": one}, np.array([6.0], np.float32), -3.0)
    what = replace(fused(), embedding_D=np.ones(2, np.float32), views={Modality.TEXT: np.array([1, 0], np.float16)})
    runner = ConstantRunner(graph_specs(8, 8, 1)["fusion"])
    said = verdict(Scorer(runner, Categories(TAUGHT_TOO, PRIORS, {}, Taught({"vaping": words}))).score(what))
    (item,) = [item for item in said.evidence if item.modality is Modality.TEXT]
    network = sigmoid(-4 / 1.5 + 0.4) / (said.score or 1)
    assert item.name == "vaping" and item.start_ms is None
    assert item.weight == pytest.approx(1 - network + network * float(attention().text_K[ADULT]), abs=1e-4)
    assert sum(one.weight for one in said.evidence) <= 1 + 1e-6
