"""The plan: pure, seeded, within its budget, and never blind at the ends."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.sample import (
    BLOCKS_PER_WINDOW,
    ClipShape,
    Run,
    SampleOptions,
    Timeline,
    largest_gap_seconds,
    plan_looks,
    plan_windows,
)
from tests.examples import examples

OPTIONS = SampleOptions()
SEED = b"0123456789abcdef"
SHAPE = ClipShape()


def every(gop_seconds: float, duration: float, *, rate: float = 30.0, megapixels: float = 2.07) -> Timeline:
    return Timeline(duration, np.arange(0.0, duration, gop_seconds), rate, megapixels)


def times(runs: tuple[Run, ...]) -> list[float]:
    return sorted(target for run in runs for target in run.target_seconds)


def cost_ms(runs: tuple[Run, ...], timeline: Timeline) -> float:
    way = sum(max(run.target_seconds) - run.keyframe_seconds for run in runs) * timeline.frame_rate
    keyframe_ms, way_ms = OPTIONS.keyframe_ms_per_megapixel, OPTIONS.way_ms_per_megapixel
    return timeline.megapixels * (len(runs) * keyframe_ms + way * way_ms)


timelines = st.builds(
    every,
    st.floats(0.03, 20.0),
    st.floats(0.1, 600.0),
    rate=st.floats(1.0, 120.0),
    megapixels=st.floats(0.01, 9.0),
)


@given(timelines, st.integers(1, 16), st.binary(min_size=16, max_size=16))
def test_looks_are_few_ascending_and_reachable(timeline: Timeline, max_frames: int, seed: bytes) -> None:
    runs = plan_looks(timeline, max_frames, seed, OPTIONS)
    looks = times(runs)
    assert 1 <= len(looks) <= max_frames
    assert len(set(looks)) == len(looks)
    for run in runs:
        assert run.keyframe_seconds in timeline.keyframe_seconds_K
        assert all(run.keyframe_seconds <= target <= timeline.duration_seconds for target in run.target_seconds)
    assert runs == plan_looks(timeline, max_frames, seed, OPTIONS)


@given(st.floats(0.1, 60.0), st.floats(0.03, 60.0), st.binary(min_size=16, max_size=16))
def test_first_and_last_second_are_looked_at(duration: float, gop_seconds: float, seed: bytes) -> None:
    """At 320x240 every way of a minute fits the budget, so nothing may yield."""
    looks = times(plan_looks(every(gop_seconds, duration, megapixels=0.0768), 8, seed, OPTIONS))
    assert looks[0] < 1.0
    assert looks[-1] >= duration - 1.0 - 1e-6


@given(st.floats(2.0, 12.0), st.binary(min_size=16, max_size=16))
def test_a_single_keyframe_does_not_hide_the_end(duration: float, seed: bytes) -> None:
    looks = times(plan_looks(Timeline(duration, np.zeros(1), 30.0, 2.07), 8, seed, OPTIONS))
    assert looks[-1] >= duration - 1.0 - 1e-6


@given(timelines, st.binary(min_size=16, max_size=16))
def test_the_budget_holds(timeline: Timeline, seed: bytes) -> None:
    runs = plan_looks(timeline, 8, seed, OPTIONS)
    whole_ms = timeline.duration_seconds * timeline.frame_rate * timeline.megapixels * OPTIONS.way_ms_per_megapixel
    keyframes_ms = 8 * timeline.megapixels * OPTIONS.keyframe_ms_per_megapixel
    allowed_ms = max(OPTIONS.budget_ms, OPTIONS.budget_share * whole_ms) + OPTIONS.last_look_ms
    assert cost_ms(runs, timeline) <= max(allowed_ms, keyframes_ms + OPTIONS.last_look_ms) + 1e-6


@pytest.mark.parametrize(("seconds", "looks"), [(0.0, 8), (4.0, 8), (32.0, 8), (32.1, 9), (60.0, 15), (1e4, 32)])
def test_a_long_video_gets_more_looks(seconds: float, looks: int) -> None:
    assert OPTIONS.looks(seconds, SHAPE) == looks


def test_how_often_is_an_option_and_how_much_at_most_the_bundle_says() -> None:
    assert SampleOptions(seconds_per_look=2.0).looks(60.0, SHAPE) == 30
    assert SampleOptions(seconds_per_look=1e9).looks(1e4, SHAPE) == 8
    assert OPTIONS.looks(1e4, ClipShape(max_frames=3, most_frames=3)) == 3
    with pytest.raises(ValueError, match="most_frames: came 7, expected max_frames, 8, or more"):
        ClipShape(most_frames=7)


def test_the_last_second_yields_where_keyframes_leave_larger_gaps_anyway() -> None:
    """30 s of 1080p with a keyframe in 250 frames: 121 frames to the last second would cost more than all looks."""
    timeline = every(250 / 30, 30.0, megapixels=2.0736)
    runs = plan_looks(timeline, 8, SEED, OPTIONS)
    assert cost_ms(runs, timeline) <= 900 * 2.0736 * OPTIONS.way_ms_per_megapixel / 12
    assert times(runs)[:4] == pytest.approx([0.0, 8.333, 16.667, 25.0], abs=1e-3)


@given(st.floats(4.0, 300.0), st.binary(min_size=16, max_size=16))
def test_dense_keyframes_leave_no_large_gap(duration: float, seed: bytes) -> None:
    looks = times(plan_looks(every(0.5, duration), 8, seed, OPTIONS))
    assert len(looks) == 8
    assert largest_gap_seconds(looks, duration) <= 2 * duration / 6 + 1.0


@given(
    st.floats(2.0, 6.0),
    st.lists(st.floats(0.1, 5.9), max_size=6),
    st.sampled_from([8.0, 12.0, 30.0]),
    st.binary(min_size=16, max_size=16),
)
def test_what_is_seen_for_a_quarter_of_a_short_video_is_looked_at(
    duration: float, cuts: list[float], rate: float, seed: bytes
) -> None:
    """Wherever its keyframes are: no gap is longer than one and a half of eight parts, and the way between frames."""
    keyframes = sorted({0.0, *(cut for cut in cuts if cut < duration)})
    looks = times(plan_looks(Timeline(duration, np.array(keyframes), rate, 0.06), 8, seed, OPTIONS))
    assert largest_gap_seconds(looks, duration) <= 1.7 * duration / 8 + 1.5 / rate


def test_the_seed_moves_the_looks() -> None:
    plans = {tuple(times(plan_looks(every(0.5, 60.0), 8, bytes([n]) * 16, OPTIONS))) for n in range(20)}
    assert len(plans) == 20


@pytest.mark.parametrize("keyframes", [[], [5.0], [-0.06, 3.0], [0.0, 1e9]])
def test_odd_indexes(keyframes: list[float]) -> None:
    timeline = Timeline(10.0, np.array(keyframes), 0.0, 0.0)
    assert plan_looks(timeline, 8, SEED, OPTIONS)


def test_largest_gap_counts_the_ends() -> None:
    assert largest_gap_seconds([], 7.0) == 7.0
    assert largest_gap_seconds([3.0, 4.0], 9.0) == 5.0


# --------------------------------------------------------------------------------------------------------------


def quiet_track(num_samples: int) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    block = SHAPE.window_samples // BLOCKS_PER_WINDOW
    return np.full(-(-num_samples // block), 1e-6, np.float32)


@given(st.integers(1, SHAPE.max_windows * SHAPE.window_samples))
def test_windows_tile_a_track_that_fits(num_samples: int) -> None:
    starts_T = plan_windows(quiet_track(num_samples), num_samples, SHAPE, SEED)
    assert starts_T.tolist() == list(range(0, num_samples, SHAPE.window_samples))


@settings(max_examples=examples(50))
@given(
    st.integers(SHAPE.max_windows * SHAPE.window_samples + 1, 3600 * 16_000),
    st.floats(0.0, 1.0),
    st.binary(min_size=16, max_size=16),
)
def test_a_short_burst_in_a_long_track_is_heard(num_samples: int, where: float, seed: bytes) -> None:
    loudness_B = quiet_track(num_samples)
    burst = min(int(where * loudness_B.size), loudness_B.size - 1)
    loudness_B[burst] = 1e-2
    starts_T = plan_windows(loudness_B, num_samples, SHAPE, seed)
    assert 0 < len(starts_T) <= SHAPE.max_windows
    assert (np.diff(starts_T) >= SHAPE.window_samples).all()
    assert starts_T[0] >= 0
    assert starts_T[-1] + SHAPE.window_samples <= num_samples
    block = SHAPE.window_samples // BLOCKS_PER_WINDOW
    begun, ended = burst * block, min((burst + 1) * block, num_samples)
    assert any(start <= begun and ended <= start + SHAPE.window_samples for start in starts_T.tolist())


def test_the_seed_moves_the_windows_and_they_spread() -> None:
    num_samples = 600 * 16_000
    plans = [plan_windows(quiet_track(num_samples), num_samples, SHAPE, bytes([n]) * 16) for n in range(10)]
    assert len({tuple(plan.tolist()) for plan in plans}) == 10
    for plan in plans:
        assert np.diff(plan).max() < num_samples / 6
