"""Features are what the towers say of what the stream's decoder sees and hears; a folder half made is continued."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from engines.data.public.manifest import Row, write_dataset
from engines.manifest import Preprocessing
from engines.training.extract import Extractor, FrozenTowers, fingerprint
from engines.training.features import CLIPS, HEARING, read_header, shard_path
from tests.engines.training.synthetic import feature_set
from tests.media.rendering import render_sound, render_video, sine

pytestmark = pytest.mark.slow

SIZES = Preprocessing(
    frame_pixels=32, sample_rate_hz=16000, window_samples=8000, max_frames=8, max_windows=32, max_text_tokens=16
)
SPLITS = ("train", "val", "test", "train")
VERSIONS = {CLIPS, "augmented_0", "noise_20db", "noise_10db", "noise_0db"}


def see(frames_FCHW: Tensor) -> Tensor:
    """Mean colour of the left and of the right half."""
    halves = torch.stack(frames_FCHW.to(torch.float32).chunk(2, dim=3), dim=1)
    return halves.mean((3, 4)) / 255


def hear(windows_FS: Tensor) -> Tensor:
    """Power of each quarter."""
    return windows_FS.unflatten(1, (4, -1)).square().mean(2)[..., None]


TOWERS = FrozenTowers(see, hear, "a" * 64)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Video with sound, sound alone, a file that is no media, video with sound."""
    folder = tmp_path_factory.mktemp("dataset")
    render_video(folder / "0.mp4", audio_hz=440.0)
    render_sound(folder / "1.wav", sine(440, 2.0, 16_000))
    (folder / "2.mp4").write_text("not a video")
    render_video(folder / "3.mp4", audio_hz=880.0)
    files = ("0.mp4", "1.wav", "2.mp4", "3.mp4")
    rows = [Row(clip_id=f"c{n}", file=files[n], split=SPLITS[n], title="red") for n in range(4)]  # type: ignore[arg-type]
    write_dataset(folder, rows, made_with={}, licences={})
    return folder


@pytest.fixture(scope="module")
def extracted(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("features")
    assert extractor(dataset, out).run() == ["c1", "c2"]
    return out


def extractor(dataset: Path, out: Path, towers: FrozenTowers = TOWERS) -> Extractor:
    return Extractor(dataset, out, towers, SIZES, copies=1, noisy=True, shard_clips=3)


def test_features_come_from_what_was_decoded(extracted: Path) -> None:
    features = feature_set(extracted)
    batch = features.batch([0, 1, 2, 3])
    assert batch.vision_mask_NF.any(1).tolist() == [True, False, False, True]
    assert batch.audio_mask_NW.any(1).tolist() == [True, True, False, True]
    assert batch.vision_NFPC.shape[2:] == (2, 3) and batch.audio_NWPC.shape[2:] == (4, 1)
    assert 0 < float(batch.vision_NFPC[0][batch.vision_mask_NF[0]].mean()) < 1
    assert batch.audio_seconds_NW[1][batch.audio_mask_NW[1]].tolist() == pytest.approx([0.25, 0.75, 1.25, 1.75])
    power = batch.audio_NWPC[1][batch.audio_mask_NW[1]]
    assert float(power.std() / power.mean()) < 0.2  # a steady tone


def test_versions_hold_the_clips_that_they_are_for(extracted: Path) -> None:
    features = feature_set(extracted)
    assert set(features.versions) == VERSIONS
    assert [features.has("augmented_0", n) for n in range(4)] == [True, False, False, True]
    assert [features.has("noise_0db", n) for n in range(4)] == [False, False, True, False]
    rough, plain = features.batch([0], [("augmented_0", 0)]), features.batch([0])
    assert not torch.equal(rough.audio_NWPC, plain.audio_NWPC)


def test_nothing_that_was_decoded_stays(extracted: Path) -> None:
    assert not [path.name for path in extracted.iterdir() if path.suffix not in (".safetensors", ".json", ".jsonl")]


def test_a_folder_half_made_is_continued(dataset: Path, extracted: Path, tmp_path: Path) -> None:
    half = extractor(dataset, tmp_path)
    half.run(part=0, parts=2)
    assert not shard_path(tmp_path, CLIPS, 1).exists()
    made = shard_path(tmp_path, CLIPS, 0).stat().st_mtime_ns
    extractor(dataset, tmp_path).run()
    assert shard_path(tmp_path, CLIPS, 0).stat().st_mtime_ns == made
    for path in sorted(extracted.glob("*.safetensors")):
        one, two = load_file(path), load_file(tmp_path / path.name)
        assert one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one), path.name


def test_features_of_other_towers_are_not_mixed_in(dataset: Path, extracted: Path) -> None:
    other = FrozenTowers(see, hear, "b" * 64)
    with pytest.raises(ValueError, match="choose another folder"):
        extractor(dataset, extracted, other)


def test_frames_are_taken_over_from_features_with_another_hearing(
    dataset: Path, extracted: Path, tmp_path: Path
) -> None:
    def louder(windows_FS: Tensor) -> Tensor:
        return 2 * hear(windows_FS)

    tuned = tmp_path / "tuned.safetensors"
    tuned.write_bytes(b"weights")
    towers = FrozenTowers(see, louder, "c" * 64, hearing=tuned, published="a" * 64)
    Extractor(dataset, tmp_path / "out", towers, SIZES, seen_in=extracted, shard_clips=3).run()
    before, after = load_file(shard_path(extracted, CLIPS, 0)), load_file(shard_path(tmp_path / "out", CLIPS, 0))
    assert torch.equal(before["vision_features"], after["vision_features"])
    assert not torch.equal(before["audio_features"], after["audio_features"])
    assert (tmp_path / "out" / HEARING).read_bytes() == b"weights" and read_header(tmp_path / "out").hearing
    strange = FrozenTowers(see, louder, "c" * 64, hearing=tuned, published="e" * 64)
    with pytest.raises(ValueError, match="came frames seen with towers"):
        Extractor(dataset, tmp_path / "other", strange, SIZES, seen_in=extracted, shard_clips=3)
    other = Path(shutil.copytree(extracted, tmp_path / "shortened"))
    save_file({**before, "clips": before["clips"] + 1}, shard_path(other, CLIPS, 0))
    with pytest.raises(ValueError, match="came other clips in shard 0"):
        Extractor(dataset, tmp_path / "again", towers, SIZES, seen_in=other, shard_clips=3).run()


def test_clips_of_other_splits_are_passed_over(dataset: Path, tmp_path: Path) -> None:
    Extractor(dataset, tmp_path, TOWERS, SIZES, copies=1, splits=("val",), shard_clips=3).run()
    assert load_file(shard_path(tmp_path, CLIPS, 0))["clips"].tolist() == [1]
    assert load_file(shard_path(tmp_path, CLIPS, 1))["clips"].tolist() == []


def test_a_fingerprint_is_of_the_weights() -> None:
    layer = torch.nn.Linear(3, 2)
    before = fingerprint(layer)
    assert fingerprint(layer) == before
    layer.weight.data[0, 0] += np.float32(1e-3)
    assert fingerprint(layer) != before
