"""A fusion network that knows all but one task, and is tuned to that task label by label."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from engines.evaluation.metrics import average_precision
from engines.models.grounded import GroundedFusion
from engines.spec import TASKS
from engines.training import beforehand
from engines.training.beforehand import Beforehand, begun
from engines.training.features import TEST, TRAIN, VAL, FeatureSet
from engines.training.tuning.network import Tunable
from engines.training.tuning.refine import FusionHead, RefineOptions, Refiner, tokens_of
from tests.engines.training.synthetic import feature_set, sizes, word_vectors, write_features

OPTIONS = RefineOptions(steps=20, learning_rate=3e-3)


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory) -> FeatureSet:
    return feature_set(write_features(tmp_path_factory.mktemp("refine") / "features"))


@pytest.fixture(scope="module")
def model(features: FeatureSet) -> Tunable:
    torch.manual_seed(2)  # its random start decides how far twenty steps get
    return Tunable("vlmae", sizes(), word_vectors(), features)


def head(model: Tunable, features: FeatureSet, task: str = "clickbait", *, deaf: bool = False) -> FusionHead:
    fusion = model.body.get_submodule("fusion")
    assert isinstance(fusion, GroundedFusion)
    return FusionHead(Refiner(tokens_of(model, features, np.arange(160), deaf=deaf), fusion, task, OPTIONS))


def numbers(clips: np.ndarray) -> np.ndarray:
    return clips.astype(np.float32)[:, None]


def fitted(head: FusionHead, features: FeatureSet) -> FusionHead:
    train = features.indices(TRAIN)
    return head.fit(numbers(train), features.labels_NK[train, 0], np.random.default_rng(0))


def test_labels_are_learnt_and_the_start_stays_as_it_was(model: Tunable, features: FeatureSet) -> None:
    before = {name: one.clone() for name, one in model.state_dict().items()}
    test = features.indices(TEST)
    found = fitted(head(model, features), features).scores(numbers(test))
    assert average_precision(features.labels_NK[test, 0], found) > 0.8
    assert all(bool((one == before[name]).all()) for name, one in model.state_dict().items())


def test_who_is_deaf_does_not_learn_what_is_heard_alone(model: Tunable, features: FeatureSet) -> None:
    test = features.indices(TEST)
    found = fitted(head(model, features, deaf=True), features).scores(numbers(test))
    assert average_precision(features.labels_NK[test, 0], found) < 0.7


def test_equal_labels_give_equal_networks_and_others_another_embedding(model: Tunable, features: FeatureSet) -> None:
    test = numbers(features.indices(TEST))
    one, same = fitted(head(model, features), features), fitted(head(model, features), features)
    assert np.array_equal(one.embeddings(test), same.embeddings(test))
    assert np.allclose(np.linalg.norm(one.embeddings(test), axis=1), 1, atol=1e-5)
    clips = features.indices(TRAIN)[:40]
    other = one.fit(numbers(clips), features.labels_NK[clips, 0], np.random.default_rng(0))
    assert not np.allclose(one.embeddings(test), other.embeddings(test), atol=1e-3)


def test_a_head_without_labels_of_both_kinds_is_told(model: Tunable, features: FeatureSet) -> None:
    with pytest.raises(ValueError, match="came no labels"):
        head(model, features).scores(numbers(np.arange(3)))
    with pytest.raises(ValueError, match="came 3 labels of one kind"):
        head(model, features).fit(numbers(np.arange(3)), np.ones(3, np.float32), np.random.default_rng(0))


def test_nothing_of_the_hidden_task_and_of_other_clips_is_seen(features: FeatureSet) -> None:
    train, val = features.indices(TRAIN)[:30], features.indices(VAL)[:20]
    before = Beforehand("adult", train, val)
    seen = before.view(features)
    k = TASKS.index("adult")
    assert np.isnan(seen.targets_NK[:, k]).all()
    assert np.isnan(seen.labels_NK[:, k]).all()
    assert all(row.labels.adult is None for row in seen.rows)
    assert before.options.objective.tasks == (1.0, 0.0, 1.0)
    assert seen.indices(TRAIN).tolist() == train.tolist()
    assert seen.indices(VAL).tolist() == val.tolist()
    assert not np.isnan(features.labels_NK[:, k]).all()  # the features themselves stay as they are


def test_what_was_learnt_beforehand_is_kept_and_not_taken_for_others(
    features: FeatureSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beforehand, "EPOCHS", 1)
    path = tmp_path / "runs" / "start.safetensors"
    before = Beforehand("adult", features.indices(TRAIN)[:64], features.indices(VAL))
    first = begun(features, word_vectors(), before, path)
    assert [one.name for one in path.parent.iterdir()] == ["start.safetensors"]
    again = begun(features, word_vectors(), before, path, on_epoch=lambda _: pytest.fail("trained again"))
    wanted = first.state_dict()
    assert all(bool((one == wanted[name]).all()) for name, one in again.state_dict().items())
    with pytest.raises(ValueError, match="weights of other clips"):
        begun(features, word_vectors(), Beforehand("adult", before.train[:32], before.val), path)
