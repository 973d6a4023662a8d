"""The shipped starter bundle: whole, small enough for a repository, free of unsettled data, and what commands use."""

from __future__ import annotations

import numpy as np
import pytest

from engines.bundle import Bundle
from engines.opening import open_engines
from streamer.settings import load_settings

MOST_BYTES = 24_000_000


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return Bundle.load("starter")


def test_it_is_the_default(monkeypatch: pytest.MonkeyPatch, bundle: Bundle) -> None:
    monkeypatch.delenv("EARSHOT_ENGINE__BUNDLE")
    assert load_settings(None, {}).engine.bundle == bundle.name


def test_it_is_small_attributed_and_learnt_from_settled_data_only(bundle: Bundle) -> None:
    assert sum(path.stat().st_size for path in bundle.path.iterdir()) <= MOST_BYTES
    assert "sesa" in bundle.training["data"]["without"]
    assert all(notice.licence and notice.source for notice in bundle.notices)
    assert (bundle.path / "NOTICE").is_file()
    assert set(bundle.calibration.categories["adult"]) == {"sexual", "violent"}


def test_its_towers_mark_what_they_are_given(bundle: Bundle) -> None:
    rng, sizes = np.random.default_rng(1), bundle.preprocessing
    frames_FCHW = rng.integers(0, 256, (2, 3, sizes.frame_pixels, sizes.frame_pixels), dtype=np.uint8)
    windows_FS = (0.1 * rng.standard_normal((2, sizes.window_samples))).astype(np.float32)
    with open_engines(bundle) as engines:
        seen, heard = engines.vision({"frames_FCHW": frames_FCHW}), engines.audio({"windows_FS": windows_FS})
    for marks, priors in ((seen, 2), (heard, 1)):
        assert marks["priors_FR"].shape == (2, priors)
        assert ((marks["priors_FR"] >= 0) & (marks["priors_FR"] <= 1)).all()
        assert (np.diff(marks["class_scores_FI"], axis=1) <= 0).all()
