"""Features that hold everything -> features that may be kept."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from engines.models.starter import SOUND_FEATURES
from engines.privacy import AudioPrivacy
from engines.privacy.folder import leave_out
from engines.privacy.sound import audio_privacy
from engines.training.features import CLIPS, read_header, shard_path
from tests.engines.training.synthetic import feature_set, write_features

pytestmark = pytest.mark.train


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_features(tmp_path / "features", clips=10, heard=SOUND_FEATURES)


def test_sound_is_what_the_transform_leaves_and_the_rest_is_as_it_was(folder: Path, tmp_path: Path) -> None:
    leave_out(folder, tmp_path / "kept", AudioPrivacy.SUMMARY)
    before, after = (load_file(shard_path(at, CLIPS, 0)) for at in (folder, tmp_path / "kept"))
    mask_NW = after["audio_mask"]
    wanted = audio_privacy(AudioPrivacy.SUMMARY)(before["audio_features"][mask_NW].float()).half()
    assert torch.equal(after.pop("audio_features")[mask_NW], wanted)
    assert before.pop("audio_features").shape and all(torch.equal(before[name], after[name]) for name in before)
    assert feature_set(tmp_path / "kept").header.audio_privacy == AudioPrivacy.SUMMARY
    assert read_header(folder).audio_privacy == AudioPrivacy.NONE


def test_what_was_left_out_is_not_left_out_again(folder: Path, tmp_path: Path) -> None:
    leave_out(folder, tmp_path / "kept", AudioPrivacy.SUMMARY)
    with pytest.raises(ValueError, match="came features of published hearing with audio privacy 'summary'"):
        leave_out(tmp_path / "kept", tmp_path / "again", AudioPrivacy.ANONYMISE)


def test_a_folder_that_is_not_whole_leaves_nothing_that_could_be_read(folder: Path, tmp_path: Path) -> None:
    shard_path(folder, CLIPS, 0).unlink()
    with pytest.raises(ValueError, match="continue `earshot dataset features`"):
        leave_out(folder, tmp_path / "kept", AudioPrivacy.ANONYMISE)
    with pytest.raises(ValueError, match="no features here"):
        read_header(tmp_path / "kept")
