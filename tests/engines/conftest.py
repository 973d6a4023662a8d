"""Shared by the tests of the engines: the shipped bundle, a copy to break, and clips for its sizes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engines.bundle import Bundle
from engines.data.clips import Clip
from engines.manifest import MANIFEST


@pytest.fixture(scope="session")
def world_bundle() -> Bundle:
    return Bundle.load("world")


@pytest.fixture
def broken_bundle(world_bundle: Bundle, tmp_path: Path) -> Path:
    """A whole copy of the shipped bundle, to be broken."""
    return Path(shutil.copytree(world_bundle.path, tmp_path / "bundle"))


@pytest.fixture
def edit_manifest(broken_bundle: Path) -> Callable[..., None]:
    """Change `bundle.json` of the copy; unless told otherwise the stated id is made to fit again."""

    def edit(change: Callable[[dict[str, Any]], None], *, restate_id: bool = True) -> None:
        document = json.loads((broken_bundle / MANIFEST).read_bytes())
        change(document)
        if restate_id:
            document["id"] = stated_id(document)
        (broken_bundle / MANIFEST).write_text(json.dumps(document))

    return edit


def stated_id(document: dict[str, Any]) -> Any:
    """The id that such a manifest has to state; as it was when it is no manifest at all."""
    import msgspec

    from engines.manifest import Manifest

    try:
        return msgspec.convert({name: value for name, value in document.items() if name != "id"}, Manifest).id
    except (msgspec.ValidationError, ValueError):
        return document.get("id")


@pytest.fixture
def noise_clip(world_bundle: Bundle) -> Clip:
    """Five frames and four windows of noise."""
    rng = np.random.default_rng(0)
    sizes = world_bundle.preprocessing
    return Clip(
        rng.integers(0, 256, (5, 3, sizes.frame_pixels, sizes.frame_pixels), np.uint8),
        np.arange(5.0),
        rng.uniform(-0.1, 0.1, (4, sizes.window_samples)).astype(np.float32),
        0.96 * np.arange(4.0),
    )
