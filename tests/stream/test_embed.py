"""What the encoders give: tokens and marks, or an error that says what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from engines.calibration import Calibration, TaskCalibration
from engines.engine_set import EngineSet
from engines.known import Known, fitted
from engines.runner import Pending, RunnerError
from engines.spec import GRAPHS, Array, GraphSpec, graph_specs
from streamer.categories import Categories
from streamer.embed import Embedder
from streamer.errors import EngineFailedError
from streamer.records import TASKS, Case, Clip, Media, Modality
from streamer.score import Scorer
from streamer.testing import ConstantRunner
from tests.stream.cases import COVERAGE, case

SPECS = graph_specs(8, 20, 4, classes=("vision", "audio"), priors={"audio": 2})


class Late(ConstantRunner):
    """Says when it is started and when it is waited for; the one that fails does so when it is waited for."""

    def __init__(self, spec: GraphSpec, log: list[str], fails: str) -> None:
        super().__init__(spec, 0.5)
        self._log, self._fails = log, fails

    def start(self, inputs: Mapping[str, Array]) -> Pending:
        self._log.append(f"start {self.spec.name}")
        outputs = self(inputs)

        def wait() -> dict[str, Array]:
            self._log.append(f"wait {self.spec.name}")
            if self.spec.name == self._fails:
                raise RunnerError("a device fault")
            return outputs

        return wait


CATEGORIES = Categories(Calibration(tasks={task: TaskCalibration() for task in TASKS}))


def late(fails: str = "") -> tuple[EngineSet, list[str]]:
    log: list[str] = []
    return EngineSet(**{name: Late(SPECS[name], log, fails) for name in GRAPHS}), log


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


def test_the_encoders_are_started_together() -> None:
    engines, log = late()
    Embedder(engines, 4).embed([decoded(2, 3), decoded(1, 0)])
    assert log == [f"{what} {name}" for what in ("start", "wait") for name in ("vision", "audio", "text")]


def test_an_encoder_without_work_is_not_started() -> None:
    engines, log = late()
    (found,) = Embedder(engines, 4).embed([decoded(2, 0)]).tokens
    assert "start audio" not in log
    assert found[Modality.AUDIO].values_TPD.shape == (0, 1, 4)


@pytest.mark.parametrize("fails", ["vision", "audio", "text"])
def test_when_an_encoder_fails_nothing_is_left_on_its_way(fails: str) -> None:
    engines, log = late(fails)
    with pytest.raises(EngineFailedError, match="an encoder failed on 1 cases: a device fault"):
        Embedder(engines, 4).embed([decoded(2, 3)])
    assert {f"wait {name}" for name in ("vision", "audio", "text")} <= set(log)


def test_the_fusion_network_is_started_with_and_without_each_modality_before_it_is_waited_for() -> None:
    engines, log = late()
    embeddings = Embedder(engines, 4).embed([decoded(2, 3), decoded(0, 1)])
    log.clear()
    Scorer(engines.fusion, CATEGORIES).fuse(embeddings)
    assert log == ["start fusion"] * 4 + ["wait fusion"] * 4


def test_when_the_fusion_network_fails_it_says_so() -> None:
    engines, log = late("fusion")
    embeddings = Embedder(engines, 4).embed([decoded(2, 3)])
    with pytest.raises(EngineFailedError, match="fusion failed on 1 cases: a device fault"):
        Scorer(engines.fusion, CATEGORIES).fuse(embeddings)
    assert log.count("wait fusion") >= 4


def test_a_sense_that_a_video_lacks_says_nothing_of_how_new_it_is() -> None:
    clips_ND = np.random.default_rng(0).standard_normal((100, 4)).astype(np.float32)
    near, far = (fitted(clips_ND + middle, clips_ND + middle) for middle in (np.float32(0.5), np.float32(60)))
    engines, _ = late()
    embeddings = Embedder(engines, 4).embed([decoded(2, 3), decoded(0, 1), decoded(2, 0)])
    scorer = Scorer(engines.fusion, CATEGORIES, Known({"vision": near, "audio": far}))
    both, heard, seen = (case.novelty for case in scorer.fuse(embeddings).cases)
    assert set(both) == {Modality.VISION, Modality.AUDIO}
    assert (seen, heard) == ({Modality.VISION: both[Modality.VISION]}, {Modality.AUDIO: both[Modality.AUDIO]})
    assert both[Modality.AUDIO] != both[Modality.VISION]
    assert [case.novelty for case in Scorer(engines.fusion, CATEGORIES).fuse(embeddings).cases] == [{}] * 3
