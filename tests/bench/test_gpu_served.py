"""Cases of noise, and how fast engines serve them: on ONNX Runtime, with the engine threads of production."""

from __future__ import annotations

import time

import numpy as np
import pytest

from engines.bundle import Bundle
from engines.opening import open_engines
from streamer.batch import BatchOptions
from streamer.bench.gpu.cases import random_cases
from streamer.bench.gpu.served import naive_rate, open_judges, served_rate
from streamer.errors import EngineFailedError
from streamer.records import Case

WORLD = Bundle.load("world")


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    return random_cases(WORLD, 12, seed=3)


def test_random_cases_are_as_large_as_those_of_real_videos_and_of_no_two_alike(cases: list[Case]) -> None:
    sizes = WORLD.preprocessing
    for case in cases:
        assert case.clip is not None and case.clip.frames_TCHW is not None and case.clip.windows_TS is not None
        assert case.clip.frames_TCHW.shape == (sizes.max_frames, 3, sizes.frame_pixels, sizes.frame_pixels)
        assert 1 <= len(case.recall.text.ids_L) <= sizes.max_text_tokens
        assert case.recall.fused is None and not case.recall.tokens
    assert len({case.recall.fused_key for case in cases}) == len(cases)
    again, other = random_cases(WORLD, 1, seed=3)[0], random_cases(WORLD, 1, seed=4)[0]
    assert again.recall.keys == cases[0].recall.keys != other.recall.keys
    assert np.array_equal(again.clip.frames_TCHW, cases[0].clip.frames_TCHW)  # type: ignore[union-attr, arg-type]
    starter = random_cases(Bundle.load("starter"), 1, seed=0)[0].clip
    assert starter is not None and starter.windows_TS is not None
    assert (len(starter.frame_seconds_T), len(starter.windows_TS)) == (8, 31)


def test_rates_are_of_all_cases(cases: list[Case]) -> None:
    with open_judges(WORLD, lambda: open_engines(WORLD), 2) as judges:
        started = time.perf_counter()
        served = served_rate(judges, cases, BatchOptions(max_cases=4))
        naive = naive_rate(judges[0], cases)
        assert len(cases) / served + len(cases) / naive <= time.perf_counter() - started


def test_what_engines_fail_on_is_raised(cases: list[Case]) -> None:
    with open_judges(WORLD, lambda: open_engines(WORLD), 1) as judges:
        pass
    with pytest.raises(EngineFailedError, match="outside its `with` block"):
        served_rate(judges, cases, BatchOptions())
    with pytest.raises(EngineFailedError, match="outside its `with` block"):
        naive_rate(judges[0], cases)
