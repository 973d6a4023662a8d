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


def test_it_tells_clips_like_its_own_from_noise(bundle: Bundle) -> None:
    assert bundle.known is not None
    assert {name: len(sense.row_NV) for name, sense in bundle.known.senses.items()} == {"vision": 4858, "audio": 4536}
    noise_D = np.random.default_rng(0).standard_normal(bundle.embedding_size).astype(np.float32)
    for name, sense in bundle.known.senses.items():
        assert len(sense.far_M) > 600
        assert sense.novelty(sense.mean_D[None] + 3 * noise_D)[0] > 0.99
        back_DV = np.linalg.pinv(sense.change_DV)
        row_XV = sense.row_NV[::500].astype(np.float32)
        assert (sense.novelty(row_XV @ back_DV + sense.mean_D) < 0.9).mean() > 0.8, name


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
