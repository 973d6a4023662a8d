"""Policy: from scores to actions, states and evidence; the same input gives the same verdict and id."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from streamer.decide import decide, decide_unseen
from streamer.policy import Judgement, TaskPolicy
from streamer.records import Action, Float32, Float64, Marks, Modality, Scores, State, Task, Verdict
from tests.stream.cases import attention, case, event, judgement, scores


def verdicts(judge: Judgement, found: Scores, **changes: object) -> dict[Task, Verdict]:
    decided = decide(
        judge,
        case(**changes),
        found,
        latency_ms={"total": 5.0},
        engine_ms=2.0,
        decided_at="2026-01-01T00:00:00+00:00",
    )
    return {verdict.task: verdict for verdict in decided}


def heard(audio_KT: Float32, audio_spans_T2: Float64) -> Scores:
    """The scores of a video with this sound."""
    found = scores()
    changed = replace(found.fused.attention, audio_KT=audio_KT, audio_spans_T2=audio_spans_T2)
    marks = Marks.none(len(audio_spans_T2))
    return replace(found, fused=replace(found.fused, attention=changed, audio_marks=marks))


def test_each_task_is_answered_by_its_own_side_of_the_threshold() -> None:
    mild = verdicts(judgement(), scores(clickbait=0.1, adult=0.1, relevance=0.9))
    assert {verdict.action for verdict in mild.values()} == {Action.ALLOW}
    bad = verdicts(judgement(), scores(clickbait=0.6, adult=0.99, relevance=0.2))
    assert bad[Task.CLICKBAIT].action == Action.REVIEW
    assert bad[Task.ADULT].action == Action.BLOCK
    assert bad[Task.RELEVANCE].action == Action.REVIEW


def test_a_verdict_says_how_new_the_video_is_by_each_sense_and_by_both() -> None:
    for verdict in verdicts(judgement(), scores()).values():
        assert verdict.novelty_by == {Modality.VISION: 0.5, Modality.AUDIO: 0.25}
        assert verdict.novelty == 0.5**2
    found = scores()
    unknown = replace(found, fused=replace(found.fused, novelty={}))
    assert {(one.novelty, len(one.novelty_by)) for one in verdicts(judgement(), unknown).values()} == {(None, 0)}


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_higher_score_never_gets_a_milder_action(one: float, other: float) -> None:
    judge = judgement(adult=TaskPolicy(review=0.3, restrict=0.6, block=0.9))
    order = tuple(Action)
    low, high = sorted((one, other))
    assert order.index(judge.action(Task.ADULT, low)) <= order.index(judge.action(Task.ADULT, high))


def test_thresholds_in_the_wrong_order_are_refused_with_the_values() -> None:
    with pytest.raises(ValidationError, match=r"review=0.9, restrict=0.5"):
        TaskPolicy(review=0.9, restrict=0.5)
    with pytest.raises(ValidationError, match="more extreme"):
        TaskPolicy(flag="below", review=0.2, block=0.8)


def test_a_required_modality_that_is_missing_asks_for_a_person() -> None:
    quiet = heard(np.zeros((3, 0), np.float32), np.zeros((0, 2)))
    verdict = verdicts(judgement(require=["audio"]), quiet)[Task.ADULT]
    assert verdict.state == State.MISSING_MODALITY
    assert verdict.action == Action.REVIEW
    assert verdict.missing_modalities == (Modality.AUDIO,)
    assert "audio" in (verdict.reason or "")
    assert verdicts(judgement(), quiet)[Task.ADULT].state == State.DECIDED


def test_too_large_a_gap_is_below_coverage() -> None:
    verdict = verdicts(judgement(max_gap_seconds=1.0), scores())[Task.ADULT]
    assert (verdict.state, verdict.action) == (State.BELOW_COVERAGE, Action.REVIEW)
    assert verdict.reason == "1.5 s unseen, the policy allows 1.0 s"


def test_evidence_is_the_heaviest_spans_of_the_task() -> None:
    verdict = verdicts(judgement(), scores(adult=0.9))[Task.ADULT]
    assert [(item.modality, item.start_ms, item.end_ms) for item in verdict.evidence] == [
        (Modality.VISION, 2500, 2500),
        (Modality.AUDIO, 0, 960),
        (Modality.TEXT, None, None),
    ]


def test_neighbours_that_carry_the_score_are_one_span() -> None:
    weights_KT = np.array([[0.2, 0.15, 0.01]] * 3, np.float32)
    evidence = verdicts(judgement(), heard(weights_KT, attention().audio_spans_T2))[Task.ADULT].evidence
    spans = [(item.start_ms, item.end_ms, round(item.weight, 3)) for item in evidence if item.modality == "audio"]
    assert spans == [(0, 1920, 0.35)]


def test_categories_are_what_each_sense_says_alone() -> None:
    verdict = verdicts(judgement(), scores())[Task.ADULT]
    assert {name: round(part, 3) for name, part in verdict.categories.items()} == {"seen": 0.5, "heard": 0.4}


def test_the_id_depends_on_event_content_bundle_policy_and_task_and_on_nothing_else() -> None:
    first = verdicts(judgement(), scores())
    again = verdicts(judgement(), scores(adult=0.99))
    assert [verdict.verdict_id for verdict in first.values()] == [verdict.verdict_id for verdict in again.values()]
    assert len({verdict.verdict_id for verdict in first.values()}) == len(first)
    other_policy = verdicts(judgement(version="other"), scores())
    other_event = verdicts(judgement(), scores(), event_id="e2")
    for task, verdict in first.items():
        assert verdict.verdict_id not in (other_policy[task].verdict_id, other_event[task].verdict_id)


def test_what_could_not_be_judged_is_a_verdict_that_says_so() -> None:
    unseen = decide_unseen(
        judgement(),
        event(),
        State.UNDECODABLE,
        "damaged: no frame decodes",
        content_sha256="f" * 64,
        latency_ms={},
        source=None,
        decided_at="2026-01-01T00:00:00+00:00",
    )
    assert [verdict.task for verdict in unseen] == list(event().tasks)
    for verdict in unseen:
        assert (verdict.score, verdict.logit, verdict.action) == (None, None, Action.REVIEW)
        assert verdict.reason == "damaged: no frame decodes"
        assert verdict.lineage.content_sha256 == "f" * 64
