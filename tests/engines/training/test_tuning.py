"""Training of arms: it learns what each modality holds, repeats itself, goes on where it stopped, and can be shared."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from engines.models.arms import ARMS
from engines.spec import SEGMENTS, TASKS
from engines.training.features import FeatureSet
from engines.training.tuning.hiding import HidingOptions, hidden_batch
from engines.training.tuning.judge import AS_UPLOADED, MISSING, SHUFFLED, exchanged, logits, task_quality
from engines.training.tuning.loop import TuneOptions, tune
from engines.training.tuning.network import Tunable
from engines.training.tuning.objective import ObjectiveOptions, positive_weights, summed_loss
from engines.training.tuning.state import trained
from tests.engines.training.synthetic import sizes, word_vectors

pytestmark = pytest.mark.slow

QUICK = TuneOptions(epochs=3, batch_size=16, patience=9)
PLAIN = HidingOptions(audio=0, vision=0, text=0, title=0, features=0, places=4, rough=0)


def model(arm: str, features: FeatureSet, seed: int = 0) -> Tunable:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Tunable(arm, sizes(), word_vectors(), features)


@pytest.mark.parametrize("arm", ARMS)
def test_an_arm_reads_its_modalities_and_no_other(features: FeatureSet, arm: str) -> None:
    network = model(arm, features).eval()
    for name, parameter in network.named_parameters():
        if "gate" in name:
            parameter.data.fill_(0.5)
    batch = features.batch(range(6))
    plain_NK = network(batch)
    changed = {
        "vision": replace(batch, vision_NFPC=batch.vision_NFPC.flip(-1)),
        "audio": replace(batch, audio_NWPC=batch.audio_NWPC.flip(-1)),
        "text": replace(batch, ids_NL=batch.ids_NL.flip(0)),
    }
    for modality, other in changed.items():
        assert torch.equal(network(other), plain_NK) == (modality not in ARMS[arm].reads), modality


@pytest.mark.parametrize("arm", ARMS)
def test_padding_and_company_change_no_logit(features: FeatureSet, arm: str) -> None:
    network = model(arm, features)
    indices = np.array([0, 4, 8, 13, 70])
    together_NK = logits(network, features, indices)
    for n, index in enumerate(indices):
        assert np.abs(logits(network, features, np.array([index])) - together_NK[n]).max() < 1e-4


@pytest.mark.parametrize("arm", ["vl", "vlmae", "mbt", "concat", "full"])
def test_an_arm_learns_what_its_modalities_hold(features: FeatureSet, arm: str) -> None:
    network = model(arm, features)
    options = TuneOptions(epochs=15, batch_size=16, patience=15, learning_rate=2e-3)
    tune(network, features, options, seed=1)
    test = features.indices("test")
    logits_NK = logits(network, features, test)
    heard = task_quality("clickbait", logits_NK, features, test)
    assert task_quality("relevance", logits_NK, features, test) > 0.5
    if arm == "vl":
        assert heard < 0.75
    else:
        assert heard > 0.85
        for condition in (SHUFFLED, MISSING):
            deaf_NK = logits(network, features, test, condition)
            assert task_quality("clickbait", deaf_NK, features, test) < heard - 0.1


def test_who_is_judged_without_sound_as_well_claims_nothing_of_what_only_sound_tells(features: FeatureSet) -> None:
    clickbait, test = TASKS.index("clickbait"), features.indices("test")
    truth_N = torch.from_numpy(features.labels_NK[test, clickbait])

    def surprise(silent: float) -> float:
        network = model("vlmae", features)
        options = replace(QUICK, epochs=8, learning_rate=2e-3, hiding=PLAIN, silent=silent)
        tune(network, features, options, seed=1)
        deaf_N = torch.from_numpy(logits(network, features, test, MISSING)[:, clickbait])
        return float(functional.binary_cross_entropy_with_logits(deaf_N, truth_N))

    assert surprise(silent=1.0) < surprise(silent=0.0)


def test_equal_seeds_give_equal_weights_and_others_do_not(features: FeatureSet) -> None:
    ends = []
    for seed in (3, 3, 4):
        network = model("vlmae", features)
        tune(network, features, replace(QUICK, epochs=1), seed=seed)
        ends.append(trained(network))
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])
    assert any(not torch.equal(ends[0][name], ends[2][name]) for name in ends[0])


def test_a_run_that_was_stopped_ends_as_if_it_had_not_been(features: FeatureSet, tmp_path: Path) -> None:
    class StoppedError(Exception):
        pass

    def stop(epoch: object) -> None:
        raise StoppedError

    whole = model("vlmae", features)
    progress = tune(whole, features, QUICK, seed=5)
    path = tmp_path / "state.safetensors"
    for _ in range(2):
        with pytest.raises(StoppedError):
            tune(model("vlmae", features), features, QUICK, seed=5, state=path, on_epoch=stop)
    resumed = model("vlmae", features)
    assert tune(resumed, features, QUICK, seed=5, state=path).history == progress.history
    assert all(torch.equal(trained(whole)[name], trained(resumed)[name]) for name in trained(whole))


def test_the_state_of_another_run_is_refused(features: FeatureSet, tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    tune(model("text", features), features, replace(QUICK, epochs=1), seed=5, state=path)
    with pytest.raises(ValueError, match="another run"):
        tune(model("text", features), features, replace(QUICK, epochs=1), seed=6, state=path)


def test_training_ends_when_validation_no_longer_gains(features: FeatureSet) -> None:
    network = model("text", features)
    progress = tune(network, features, TuneOptions(epochs=40, batch_size=32, patience=2, learning_rate=3e-3), seed=1)
    assert len(progress.history) < 40
    assert len(progress.history) - 1 - progress.best_epoch == 2


def test_what_is_hidden_depends_on_the_clip_and_not_on_its_company(features: FeatureSet) -> None:
    options = HidingOptions(audio=0.5, vision=0.5, text=0.5, features=0.3, places=2, rough=0.5)
    together = hidden_batch(features, range(12), options, seed=1, epoch=2).batch
    alone = hidden_batch(features, [7], options, seed=1, epoch=2).batch
    F = alone.vision_mask_NF.shape[1]
    assert torch.equal(together.vision_NFPC[7, :F], alone.vision_NFPC[0])
    assert torch.equal(together.vision_mask_NF[7, :F], alone.vision_mask_NF[0])
    later = hidden_batch(features, [7], options, seed=1, epoch=3).batch
    assert not torch.equal(later.vision_NFPC, alone.vision_NFPC)


def test_as_much_is_hidden_as_was_asked_for(features: FeatureSet) -> None:
    indices = [n for n in range(150) if features.batch([n]).audio_mask_NW.any()]
    batch = hidden_batch(features, indices, replace(PLAIN, audio=0.4, features=0.25, places=3), seed=0, epoch=0).batch
    assert 0.3 < 1 - batch.audio_mask_NW.any(1).float().mean() < 0.5
    assert batch.vision_NFPC.shape[2] == 3
    assert 0.2 < (batch.audio_NWPC[:, :2] == 0).float().mean() < 0.3
    plain, untouched = hidden_batch(features, indices, PLAIN, seed=0, epoch=0).batch, features.batch(indices)
    assert torch.equal(plain.vision_NFPC, untouched.vision_NFPC)
    assert torch.equal(plain.audio_mask_NW, untouched.audio_mask_NW)


def test_rough_sound_takes_the_place_of_the_original(features: FeatureSet) -> None:
    train = features.indices("train")[:8].tolist()
    batch = hidden_batch(features, train, replace(PLAIN, rough=1.0), seed=0, epoch=0).batch
    assert torch.equal(batch.audio_NWPC, features.batch(train, [("augmented_0", index) for index in train]).audio_NWPC)


def test_a_clip_is_exchanged_for_another() -> None:
    indices = np.arange(10, 31)
    others = exchanged(indices)
    assert (others != indices).all() and sorted(others) == sorted(indices)
    assert (exchanged(indices) == others).all()


def test_the_loss_counts_known_targets_only() -> None:
    options = ObjectiveOptions(balance=0)
    logits_NK = torch.tensor([[0.0, 2.0, 1.0], [1.0, -1.0, 3.0]])
    targets_NK = torch.tensor([[1.0, float("nan"), 0.5], [0.0, 1.0, float("nan")]])
    known_K = (~targets_NK.isnan()).sum(0)
    loss = summed_loss(logits_NK, targets_NK, torch.ones(3), known_K, options)
    bce = torch.nn.functional.binary_cross_entropy_with_logits
    parts = [
        bce(logits_NK[:, 0], targets_NK[:, 0]),
        bce(logits_NK[1, 1], targets_NK[1, 1]),
        bce(logits_NK[0, 2], targets_NK[0, 2]),
    ]
    assert float(loss) == pytest.approx(float(sum(parts)) / 3, rel=1e-5)
    halves = [summed_loss(logits_NK[n : n + 1], targets_NK[n : n + 1], torch.ones(3), known_K, options) for n in (0, 1)]
    assert float(sum(halves)) == pytest.approx(float(loss), rel=1e-5)


def test_rare_positives_weigh_more() -> None:
    targets_NK = np.array([[1, 0, 0.3]] + [[0, 0, 1.0]] * 3, np.float32)
    assert positive_weights(targets_NK, 1.0).tolist() == pytest.approx([3.0, 1.0, 1.0])
    assert positive_weights(targets_NK, 0.5).tolist() == pytest.approx([3**0.5, 1.0, 1.0])


def test_conditions_name_what_they_change(features: FeatureSet) -> None:
    network = model("vl", features)
    test = features.indices("test")
    plain_NK = logits(network, features, test, AS_UPLOADED)
    for condition in (SHUFFLED, MISSING, "noise_20db"):
        assert (logits(network, features, test, condition) == plain_NK).all()
    assert plain_NK.shape == (len(test), len(TASKS))


def test_who_sees_no_title_was_promised_nothing(features: FeatureSet) -> None:
    clips = features.indices("train").tolist()
    shown = hidden_batch(features, clips, HidingOptions(title=0.0, text=0.0), seed=1, epoch=0)
    untitled = hidden_batch(features, clips, HidingOptions(title=1.0, text=0.0), seed=1, epoch=0)
    clickbait, adult = TASKS.index("clickbait"), TASKS.index("adult")
    known_N = ~shown.targets_NK[:, clickbait].isnan()
    assert shown.targets_NK[known_N, clickbait].max() == 1
    assert (untitled.targets_NK[known_N, clickbait] == 0).all()
    assert torch.equal(untitled.targets_NK[:, adult].nan_to_num(), shown.targets_NK[:, adult].nan_to_num())
    assert not (untitled.batch.text_mask_NL & (untitled.batch.segments_NL == SEGMENTS.index("title"))).any()


def test_nothing_is_known_of_relevance_to_a_query_that_is_hidden(features: FeatureSet) -> None:
    clips = features.indices("train").tolist()
    mute = hidden_batch(features, clips, HidingOptions(text=1.0), seed=1, epoch=0)
    asked_N = (mute.batch.segments_NL == SEGMENTS.index("query")).any(1)
    assert mute.targets_NK[asked_N, TASKS.index("relevance")].isnan().all()
