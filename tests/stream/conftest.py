"""Clips of the procedural world that every test of the stream may use."""

from __future__ import annotations

from pathlib import Path

import pytest

from engines.data.world import render_world
from streamer.logs import configure_logs


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A few real videos. Events over few distinct videos are cheap: after the first look the cache has them."""
    folder = tmp_path_factory.mktemp("clips")
    return [folder / truth.file for truth in render_world(folder, clips=3, seed=5)]


@pytest.fixture(autouse=True)
def _logs() -> None:
    """As in production, whatever a command has set before.

    Left to itself, structlog prints all variables of all frames of a traceback, for seconds.
    """
    configure_logs("info", "console")
