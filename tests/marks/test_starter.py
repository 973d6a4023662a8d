"""A starter network becomes a bundle that is small, names things, and says what its network says."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from engines.bundle import Bundle  # noqa: E402
from engines.calibration import Calibration  # noqa: E402
from engines.export import export_bundle  # noqa: E402
from engines.manifest import NOTICE, Preprocessing  # noqa: E402
from engines.models.pretrained import FRAME_PIXELS, SAMPLE_RATE_HZ, WINDOW_SAMPLES  # noqa: E402
from engines.models.pretrained.sources import SOURCES  # noqa: E402
from engines.models.starter import StarterNetwork, StarterSizes  # noqa: E402
from engines.spec import TASKS  # noqa: E402
from engines.tokenizer import word_pipeline  # noqa: E402
from engines.training.checkpoint import StarterCard, save_checkpoint  # noqa: E402
from engines.verify import LOGIT_TOLERANCE, verify_bundle  # noqa: E402

pytestmark = [pytest.mark.train, pytest.mark.slow]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The starter as it is built, with random weights and a few words."""
    torch.manual_seed(0)
    words = [f"word{index}" for index in range(30)]
    sizes = StarterSizes(vocabulary_size=len(words) + 2, word_features=64)
    card = StarterCard(
        name="starter",
        sizes=sizes,
        preprocessing=Preprocessing(
            frame_pixels=FRAME_PIXELS,
            sample_rate_hz=SAMPLE_RATE_HZ,
            window_samples=WINDOW_SAMPLES,
            max_frames=8,
            max_windows=32,
            max_text_tokens=64,
        ),
        tokenizer=word_pipeline(words).to_str(),
        calibration=Calibration.identity(),
        thresholds=dict.fromkeys(TASKS, 0.5),
        training={},
    )
    path = tmp_path_factory.mktemp("checkpoint") / "checkpoint.safetensors"
    save_checkpoint(path, StarterNetwork(sizes), card)
    return path


@pytest.fixture(scope="module")
def bundle(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("starter")
    bundle_id = export_bundle(checkpoint, folder)
    bundle = Bundle.load(folder)
    assert bundle.id == bundle_id
    return bundle


def test_it_is_small_and_names_things(bundle: Bundle) -> None:
    assert bundle.size_bytes < 18_000_000, "4 MB of words come on top, and 24 MB are what there is"
    assert len(bundle.classes["vision"]) == 1000 and len(bundle.classes["audio"]) == 521
    assert {bundle.classes["audio"][index] for index in bundle.members["audio"]["violent"]} >= {"Gunshot, gunfire"}
    assert {bundle.classes["vision"][index] for index in bundle.members["vision"]["violent"]} >= {"revolver"}
    own = bundle.calibration.categories["adult"]
    assert {name: set(senses) for name, senses in own.items()} == {"sexual": {"vision"}, "violent": {"vision", "audio"}}
    assert bundle.priors == {"vision": ("sexual", "violent"), "audio": ("violent",)}
    notice = (bundle.path / NOTICE).read_text()
    assert all(source.sha256 in notice and source.licence in notice for source in SOURCES)
    assert "Copyright 2016, Yahoo Inc." in notice


def test_it_says_what_its_network_says(bundle: Bundle, checkpoint: Path) -> None:
    parities = verify_bundle(bundle, checkpoint, batches=1, seed=0)
    assert {name: parity.worst for name, parity in parities.items() if parity.worst > LOGIT_TOLERANCE} == {}
    assert parities["fusion"].flips == 0
