"""Stored features come back as they were stored, whatever the batch; a folder that is not whole is refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from engines.training.features import CLIPS, HEADER, FeatureSet, shard_path
from tests.engines.training.synthetic import HEARD, SHARD_CLIPS, STEPS, feature_set, tokenizer


def test_a_clip_comes_back_from_its_shard(features: FeatureSet) -> None:
    index = SHARD_CLIPS + 3
    stored = load_file(shard_path(features.folder, CLIPS, 1))
    batch = features.batch([index])
    X = int(stored["vision_mask"][3].sum())
    assert torch.equal(batch.vision_NFPC[0], stored["vision_features"][3, :X].float())
    assert torch.equal(batch.audio_seconds_NW[0], stored["audio_seconds"][3][stored["audio_mask"][3]])
    ids_L, _ = tokenizer().encode(features.rows[index].fields)
    assert batch.ids_NL[0].tolist() == ids_L.tolist()


def test_company_only_pads(features: FeatureSet) -> None:
    indices = [0, 4, 8, 70, 33]
    together = features.batch(indices)
    for n, index in enumerate(indices):
        alone = features.batch([index])
        for name in ("vision", "audio"):
            axes = "NF" if name == "vision" else "NW"
            mask = getattr(together, f"{name}_mask_{axes}")[n]
            features_XPC = getattr(together, f"{name}_{axes}PC")[n]
            alone_mask = getattr(alone, f"{name}_mask_{axes}")[0]
            assert torch.equal(features_XPC[mask], getattr(alone, f"{name}_{axes}PC")[0][alone_mask])
            assert not features_XPC[~mask].any()
        assert together.text_mask_NL[n].sum() == alone.text_mask_NL[0].sum()


def test_a_clip_without_sound_has_a_masked_place(features: FeatureSet) -> None:
    batch = features.batch([8])
    assert batch.audio_NWPC.shape == (1, 1, STEPS, HEARD)
    assert not batch.audio_mask_NW.any()


def test_sound_comes_from_the_version_that_is_asked_for(features: FeatureSet) -> None:
    train = int(features.indices("train")[0])
    plain, rough = features.batch([train]), features.batch([train], [("augmented_0", train)])
    assert torch.equal(plain.vision_NFPC, rough.vision_NFPC)
    assert not torch.equal(plain.audio_NWPC, rough.audio_NWPC)
    assert features.has("augmented_0", train) and not features.has("noise_20db", train)


def test_grades_become_targets_and_labels(features: FeatureSet) -> None:
    known_N = ~np.isnan(features.grades_N)
    assert known_N.any() and not known_N.all()
    assert (features.targets_NK[known_N, 2] == (features.grades_N[known_N] / 3).astype(np.float32)).all()
    assert (features.labels_NK[known_N, 2] == (features.grades_N[known_N] >= 2)).all()
    assert np.isnan(features.labels_NK[~known_N, 2]).all()
    assert set(np.unique(features.labels_NK[:, 0])) == {0.0, 1.0}


def test_a_folder_that_is_not_whole_is_refused(features: FeatureSet, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="earshot dataset features"):
        feature_set(tmp_path)
    folder = Path(shutil.copytree(features.folder, tmp_path / "copy"))
    shard_path(folder, CLIPS, 1).unlink()
    with pytest.raises(ValueError, match="not whole"):
        feature_set(folder)
    (folder / HEADER).write_text("{}")
    with pytest.raises(ValueError, match="no features here"):
        feature_set(folder)
