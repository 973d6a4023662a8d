"""Tuned hearing begins as the published layers, learns what is planted in maps, and becomes part of the tower."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from engines.data.public.manifest import Row, Span, write_dataset
from engines.models.pretrained import WINDOW_SAMPLES
from engines.models.pretrained.hearing import Hearing, as_published, load_hearing, read_learnt_from, save_hearing
from engines.models.pretrained.yamnet import Yamnet
from engines.models.starter import StarterAudio, heard
from engines.training.features import CLIPS, HEADER, FeatureHeader, shard_path, write_json
from engines.training.hearing import HearingOptions, tune_hearing
from engines.training.recipes import STARTER_PREPROCESSING
from engines.training.sound_maps import MAP_BANDS, MAP_TIME, SoundMaps

CHANNELS = 512
THINGS = ("bell", "dog")
OPTIONS = HearingOptions(epochs=15, batch_size=8, learning_rate=1e-2, layers_rate=2e-3)


@pytest.fixture(scope="module")
def published() -> Yamnet:
    torch.manual_seed(0)
    return Yamnet().requires_grad_(False).eval()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Maps of 48 clips of two windows, a third of them of another source; a bell and a dog have channels each."""
    rng = np.random.default_rng(0)
    maps = torch.from_numpy(rng.random((48, 2, MAP_TIME * MAP_BANDS, CHANNELS), np.float32))
    rows = []
    for n in range(48):
        has = [name for y, name in enumerate(THINGS) if n >> y & 1]
        for name in has:
            y = THINGS.index(name)
            maps[n, n % 2, :, 8 * y : 8 * y + 8] += 2
        spans = [Span(modality="audio", thing=name, start_seconds=0, end_seconds=1) for name in (*has, "hum")]
        split = "val" if n >= 32 else "train"
        source = "sesa" if n % 3 == 0 else "esc10"
        rows.append(Row(clip_id=f"c{n}", file=f"{n}.mp4", split=split, heard=tuple(spans), groups=(f"{source}:{n}",)))
    write_dataset(tmp_path, rows, made_with={}, licences={})
    header = FeatureHeader(
        towers="a" * 64,
        preprocessing=STARTER_PREPROCESSING,
        dataset="d",
        clips=48,
        shard_clips=48,
        versions=(CLIPS, "augmented_0"),
    )
    write_json(tmp_path / HEADER, header)
    mask, clips = torch.ones((48, 2), dtype=torch.bool), torch.arange(48)
    mask[5] = False
    save_file({"clips": clips, "audio_features": maps.half(), "audio_mask": mask}, shard_path(tmp_path, CLIPS, 0))
    some = {"clips": clips[:32], "audio_features": maps[:32].half(), "audio_mask": mask[:32]}
    save_file(some, shard_path(tmp_path, "augmented_0", 0))
    return tmp_path


def test_untuned_hearing_hears_as_published(published: Yamnet) -> None:
    windows_FS = 0.1 * torch.randn(3, WINDOW_SAMPLES)
    plain = heard(published, None, windows_FS)
    same = heard(published, as_published(published), windows_FS)
    assert torch.equal(plain[0], published(windows_FS)[0]) and torch.equal(plain[1], published(windows_FS)[1])
    assert torch.equal(plain[0], same[0]) and torch.equal(plain[1], same[1])


def test_the_tower_takes_tokens_from_tuned_layers_and_names_from_the_published(published: Yamnet) -> None:
    torch.manual_seed(1)
    audio = StarterAudio(8, hearing=True).eval()
    audio.backbone = published
    windows_FS = 0.1 * torch.randn(2, WINDOW_SAMPLES)
    before, names = audio.features(windows_FS), audio(windows_FS)[1]
    assert audio.hearing is not None
    audio.hearing.layers[0].weight.data.mul_(0.5)
    after = audio.features(windows_FS)
    assert not torch.equal(before[..., :1024], after[..., :1024])
    assert torch.equal(before[..., 1024:], after[..., 1024:]) and torch.equal(names, audio(windows_FS)[1])


def test_what_is_planted_is_learnt_and_the_same_seed_learns_the_same(published: Yamnet, folder: Path) -> None:
    maps = SoundMaps(folder)
    assert maps.things == ["bell", "dog", "hum"] and 5 not in maps.train
    first, again = as_published(published), as_published(published)
    history = tune_hearing(first, maps, OPTIONS)
    assert history[-1] > max(0.9, history[0])
    assert tune_hearing(again, maps, OPTIONS) == history
    assert all(torch.equal(one, two) for one, two in zip(first.parameters(), again.parameters(), strict=True))
    assert not any(parameter.requires_grad for parameter in first.parameters())


def test_layers_that_are_left_alone_stay_as_they_are(published: Yamnet, folder: Path) -> None:
    hearing = as_published(published)
    tune_hearing(hearing, SoundMaps(folder), OPTIONS, layers=False)
    for one, two in zip(hearing.parameters(), as_published(published).parameters(), strict=True):
        assert torch.equal(one, two)


def test_sources_that_may_not_be_learnt_from_are_left_out(folder: Path) -> None:
    maps = SoundMaps(folder, without=["sesa"])
    assert all(n % 3 for n in [*maps.train, *maps.val]) and len(maps.train) == 20


def test_rows_that_do_not_say_what_is_heard_are_refused(folder: Path) -> None:
    rows = [Row(clip_id=f"c{n}", file=f"{n}.mp4", split="train") for n in range(48)]
    write_dataset(folder, rows, made_with={}, licences={})
    with pytest.raises(ValueError, match="0 clips to train on and 0 to validate on"):
        SoundMaps(folder)


def test_maps_that_are_not_whole_are_refused(folder: Path) -> None:
    shard_path(folder, "augmented_0", 0).unlink()
    with pytest.raises(ValueError, match="version 'augmented_0' is not whole"):
        SoundMaps(folder)


def test_weights_come_back_as_they_were_saved(published: Yamnet, tmp_path: Path) -> None:
    hearing = as_published(published)
    learnt_from = {"dataset": "a" * 64, "without": "sesa"}
    save_hearing(hearing, tmp_path / "hearing.safetensors", learnt_from)
    assert read_learnt_from(tmp_path / "hearing.safetensors") == learnt_from
    read = load_hearing(tmp_path / "hearing.safetensors")
    assert all(torch.equal(tensor, read.state_dict()[name]) for name, tensor in hearing.state_dict().items())
    assert isinstance(read, Hearing) and not read.training


def test_a_file_that_is_no_hearing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "hearing.safetensors").write_bytes(msgspec.json.encode({"no": "weights"}))
    for read in (load_hearing, read_learnt_from):
        with pytest.raises(ValueError, match="make it by `earshot hearing`"):
            read(tmp_path / "hearing.safetensors")
