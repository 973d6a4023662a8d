"""Which tests need a GPU with TensorRT, and what is said where they cannot run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


def machine_fault() -> str | None:
    """Why TensorRT cannot run here; None when it can."""
    from engines.gpu import machine

    return machine.machine_fault()


class GpuTests:
    """A plugin of pytest: tests marked `gpu` run where TensorRT does; elsewhere the run says how many did not, and why.

    Works with pytest-xdist as well, whose workers collect and whose first process speaks.
    """

    def __init__(self, ask: Callable[[], str | None] = machine_fault) -> None:
        self._ask = ask
        self._left_out = 0
        self._fault: str | None = None

    @pytest.hookimpl(trylast=True)  # what -m and -k have left out already is not ours to speak of
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Leave out what cannot run. The driver is asked only where there is something to run."""
        chosen = [item for item in items if item.get_closest_marker("gpu")]
        if chosen and (fault := self._ask()):
            self._left_out, self._fault = len(chosen), fault
            items[:] = [item for item in items if item not in chosen]
            config.hook.pytest_deselected(items=chosen)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """A worker tells the first process."""
        told: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
        if told is not None:
            told["gpu_left_out"], told["gpu_fault"] = self._left_out, self._fault

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """The first process hears it; every worker has collected the same."""
        told: dict[str, Any] = getattr(node, "workeroutput", {})
        if told.get("gpu_left_out"):
            self._left_out, self._fault = told["gpu_left_out"], told["gpu_fault"]

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """One line, whatever was asked to be quiet."""
        if self._left_out:
            tests = "GPU test" if self._left_out == 1 else "GPU tests"
            terminalreporter.write_line(f"{self._left_out} {tests} did not run: {self._fault}", yellow=True)
