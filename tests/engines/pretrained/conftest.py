"""Tests of published weights need the packages that hold them; where they are absent the summary says so."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("torch")

from engines.models.pretrained.sources import SOURCES, MissingWeightsError
from tests.shared_data import find

PHOTOS = find("images/caltech101_max224.tar") or find("data/images/caltech101_max224.tar")
NEED_WEIGHTS = ["test_efficientnet_lite.py", "test_yamnet.py", "test_open_nsfw.py", "test_minilm.py", "test_names.py"]


def missing() -> str | None:
    """Why published weights cannot be tested; None when they can."""
    try:
        for source in SOURCES:
            source.path()
    except MissingWeightsError as error:
        return str(error)
    return None


MISSING = missing()
if MISSING is not None:
    collect_ignore = NEED_WEIGHTS


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if MISSING is not None:
        terminalreporter.write_line(f"the starter's published weights were not tested: {MISSING}")
    elif PHOTOS is None:
        terminalreporter.write_line("the starter's towers saw drawn pictures only: EARSHOT_DATA holds no photos")


@pytest.fixture(scope="session")
def pictures() -> NDArray[np.uint8]:
    """Eight pictures of 224 x 224: photos where the data folder has them, else drawn ones."""
    if PHOTOS is None:
        return drawn(np.random.default_rng(3), 8)
    return np.stack(list(photos(8)))


def drawn(rng: np.random.Generator, count: int) -> NDArray[np.uint8]:
    """Gradients, discs and stripes in colour, with a little noise: edges and areas as photos have them."""
    y_HW, x_HW = np.mgrid[:224, :224] / 224
    frames = []
    for _ in range(count):
        angle, waves = rng.uniform(0, np.pi), rng.uniform(3, 30)
        stripes_HW = np.sin(2 * np.pi * waves * (x_HW * np.cos(angle) + y_HW * np.sin(angle)))
        disc_HW = (x_HW - rng.uniform(0.2, 0.8)) ** 2 + (y_HW - rng.uniform(0.2, 0.8)) ** 2 < rng.uniform(0.01, 0.1)
        parts_HWC = [part[..., None] * rng.uniform(-90, 90, 3) for part in (stripes_HW, disc_HW, x_HW, y_HW)]
        frames.append(128 + sum(parts_HWC) + rng.normal(0, 8, (224, 224, 3)))
    return np.stack(frames).clip(0, 255).astype(np.uint8)


def photos(count: int) -> Iterator[NDArray[np.uint8]]:
    """Every so-many-th photo, letterboxed."""
    from PIL import Image

    assert PHOTOS is not None
    with tarfile.open(PHOTOS) as tar:
        members = [member for member in tar.getmembers() if member.isfile()]
        for member in members[:: len(members) // count][:count]:
            file = tar.extractfile(member)
            assert file is not None
            picture = Image.open(io.BytesIO(file.read())).convert("RGB")
            scale = 224 / max(picture.size)
            small = picture.resize((round(picture.width * scale), round(picture.height * scale)))
            frame = Image.new("RGB", (224, 224))
            frame.paste(small, ((224 - small.width) // 2, (224 - small.height) // 2))
            yield np.asarray(frame)
