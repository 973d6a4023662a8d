from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from streamer.decode.clip import decode
from streamer.decode.formats import DecodeOptions
from streamer.records import Clip
from streamer.sample import ClipShape
from streamer.sandbox.host import Sandbox, SandboxOptions
from tests.media.zoo import ZOO

if ZOO is None:
    collect_ignore = ["test_zoo.py"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if ZOO is None:
        terminalreporter.write_line(
            "the codec zoo was not tested: set EARSHOT_DATA to a folder that holds zoo/, or put it into ../shared"
        )


SEED = b"a seed that no uploader knows"


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(SandboxOptions(), DecodeOptions(), ClipShape()) as sandbox:
        yield sandbox


@pytest.fixture
def decoded() -> Callable[..., Clip]:
    """Decodes in this process, without the sandbox."""

    def run(
        path: Path, shape: ClipShape | None = None, options: DecodeOptions | None = None, seed: bytes = SEED
    ) -> Clip:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            return decode(descriptor, seed, shape or ClipShape(), options or DecodeOptions(), "test")
        finally:
            os.close(descriptor)

    return run
