"""Calls that are started together: in which order, and that none is left on its way when one of them fails."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pytest

from engines.bundle import Bundle
from engines.ort import OrtRunner
from engines.runner import Pending, RunnerError, run_together
from engines.spec import Array, GraphSpec
from streamer.testing import ConstantRunner


class Told(ConstantRunner):
    """Notes what happens to it, and fails where it is told to."""

    def __init__(self, spec: GraphSpec, log: list[str], fails: str = "") -> None:
        super().__init__(spec)
        self._log, self._fails = log, fails

    def start(self, inputs: Mapping[str, Array]) -> Pending:
        self._note("start", self.spec.name)
        outputs = self(inputs)

        def wait() -> dict[str, Array]:
            self._note("wait", self.spec.name)
            return outputs

        return wait

    def _note(self, what: str, name: str) -> None:
        self._log.append(f"{what} {name}")
        if what == self._fails:
            raise RunnerError(f"told to fail at {what} {name}")


def calls(bundle: Bundle, log: list[str], fails: str = "") -> Iterator[tuple[Told, dict[str, Array]]]:
    """One call each of vision, text and audio; text fails."""
    inputs: dict[str, dict[str, Array]] = {
        "vision": {"frames_FCHW": np.zeros((1, 3, *(bundle.preprocessing.frame_pixels,) * 2), np.uint8)},
        "text": {name: np.ones((1, 2), dtype) for name, dtype in (("ids_NL", "int64"), ("segments_NL", "int64"))}
        | {"mask_NL": np.ones((1, 2), np.bool_)},
        "audio": {"windows_FS": np.zeros((1, bundle.preprocessing.window_samples), np.float32)},
    }
    for name, given in inputs.items():
        log.append(f"make {name}")
        yield Told(bundle.graphs[name], log, fails if name == "text" else ""), given


def test_all_are_started_as_soon_as_their_inputs_are_there_and_before_any_is_waited_for(world_bundle: Bundle) -> None:
    log: list[str] = []
    outputs = run_together(calls(world_bundle, log))
    begun = [f"{what} {name}" for name in ("vision", "text", "audio") for what in ("make", "start")]
    assert log == [*begun, "wait vision", "wait text", "wait audio"]
    assert [next(iter(found)) for found in outputs] == ["tokens_FPD", "tokens_NLD", "tokens_FPD"]


def test_when_one_cannot_be_started_what_was_started_is_waited_for(world_bundle: Bundle) -> None:
    log: list[str] = []
    with pytest.raises(RunnerError, match="told to fail at start text"):
        run_together(calls(world_bundle, log, "start"))
    assert log[-2:] == ["start text", "wait vision"]


def test_when_one_fails_on_its_way_the_others_are_waited_for(world_bundle: Bundle) -> None:
    log: list[str] = []
    with pytest.raises(RunnerError, match="told to fail at wait text"):
        run_together(calls(world_bundle, log, "wait"))
    assert log[-1] == "wait audio"


def test_no_call_is_no_output() -> None:
    assert run_together([]) == []


def test_onnx_runtime_starts_what_it_would_compute(world_bundle: Bundle) -> None:
    sizes = world_bundle.preprocessing
    windows_FS = np.random.default_rng(0).uniform(-1, 1, (3, sizes.window_samples)).astype(np.float32)
    with OrtRunner(world_bundle.graph_path("audio"), world_bundle.graphs["audio"]) as runner:
        wait = runner.start({"windows_FS": windows_FS})
        wanted = runner({"windows_FS": windows_FS})
        windows_FS[:] = 0  # the inputs may change when the call is on its way
        for _ in range(2):
            assert {name: array.tobytes() for name, array in wait().items()} == {
                name: array.tobytes() for name, array in wanted.items()
            }
        with pytest.raises(ValueError, match="windows_FS"):
            runner.start({})
