"""What the encoders give: tokens and marks, or an error that says what is wrong with them."""

from __future__ import annotations

import numpy as np
import pytest

from engines.engine_set import EngineSet
from engines.spec import graph_specs
from streamer.embed import Embedder
from streamer.errors import EngineFailedError
from streamer.records import Case, Clip, Media, Modality
from streamer.testing import ConstantRunner
from tests.stream.cases import COVERAGE, case

SPECS = graph_specs(8, 20, 4, classes=("vision", "audio"), priors={"audio": 2})


def embedder(value: float) -> Embedder:
    """Encoders that say `value` everywhere."""
    vision, audio, text = (ConstantRunner(SPECS[name], value) for name in ("vision", "audio", "text"))
    return Embedder(EngineSet(vision=vision, audio=audio, text=text, fusion=ConstantRunner(SPECS["fusion"])), 4)


def decoded(frames: int, windows: int) -> Case:
    """A case with a clip of that many frames and windows."""
    clip = Clip(
        frames_TCHW=np.zeros((frames, 3, 8, 8), np.uint8) if frames else None,
        frame_seconds_T=np.arange(float(frames)),
        windows_TS=np.zeros((windows, 20), np.float32) if windows else None,
        window_seconds_T=np.arange(float(windows)),
        window_span_seconds=1.0,
        coverage=COVERAGE,
        media=Media(container="mp4"),
        decode_cpu_ms=1.0,
    )
    known = case()
    return Case(**{name: getattr(known, name) for name in known.__slots__} | {"clip": clip})


def test_every_video_gets_the_marks_of_its_own_frames_and_windows() -> None:
    found = embedder(0.5).embed([decoded(2, 3), decoded(0, 1), decoded(4, 0)]).tokens
    seen = [item[Modality.VISION].marks for item in found]
    heard = [item[Modality.AUDIO].marks for item in found]
    assert [len(marks.classes_TI) for marks in seen] == [2, 0, 4]
    assert [len(marks.priors_TR) for marks in heard] == [3, 1, 0]
    assert seen[0].priors_TR.shape == (2, 0)
    assert heard[0].priors_TR.tolist() == [[0.5, 0.5]] * 3
    assert [item[Modality.TEXT].marks.classes_TI.shape for item in found] == [(1, 0)] * 3


def test_a_sum_of_probabilities_may_be_rounded_above_one() -> None:
    (found,) = embedder(1.0000002).embed([decoded(1, 1)]).tokens
    assert found[Modality.AUDIO].marks.priors_TR.tolist() == [[1.0, 1.0]]


@pytest.mark.parametrize("value", [1.01, -0.1])
def test_what_is_no_probability_is_the_engines_fault(value: float) -> None:
    with pytest.raises(EngineFailedError, match=r"priors_TR=float32\(1, .*no index or no probability"):
        embedder(value).embed([decoded(1, 1)])


def test_what_is_not_finite_is_the_engines_fault() -> None:
    with pytest.raises(EngineFailedError, match="not finite"):
        embedder(1e9).embed([decoded(1, 1)])
