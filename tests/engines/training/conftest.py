"""Synthetic features, shared by the tests of tuning."""

from __future__ import annotations

import pytest

from engines.training.features import CLIPS, FeatureSet
from tests.engines.training.synthetic import feature_set, write_features

VERSIONS = (CLIPS, "augmented_0", "noise_20db")


@pytest.fixture(scope="session")
def features(tmp_path_factory: pytest.TempPathFactory) -> FeatureSet:
    return feature_set(write_features(tmp_path_factory.mktemp("features"), versions=VERSIONS))
