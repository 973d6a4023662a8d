"""Our EfficientNet-Lite0 against the published network."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from engines.models.pretrained import load, sources
from engines.models.pretrained.efficientnet_lite import EfficientNetLite0

reference = pytest.importorskip("efficientnet_lite_pytorch")


@pytest.fixture(scope="module")
def ours() -> EfficientNetLite0:
    return load.efficientnet_lite0()


def test_logits_and_map_are_those_of_the_published_network(
    ours: EfficientNetLite0, pictures: NDArray[np.uint8]
) -> None:
    theirs = reference.EfficientNet.from_name("efficientnet-lite0")
    theirs.load_state_dict(torch.load(sources.EFFICIENTNET_LITE0.path(), weights_only=True))
    theirs.eval()
    frames_FCHW = torch.from_numpy(pictures).permute(0, 3, 1, 2)
    pixels_FCHW = (frames_FCHW.float() - 127) / 128
    with torch.no_grad():
        torch.testing.assert_close(ours.places(frames_FCHW), theirs.extract_features(pixels_FCHW), rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(ours(frames_FCHW)[1], theirs(pixels_FCHW), rtol=1e-4, atol=1e-4)


def test_tokens_are_quadrants_row_by_row(ours: EfficientNetLite0, pictures: NDArray[np.uint8]) -> None:
    frames_FCHW = torch.from_numpy(pictures[:2]).permute(0, 3, 1, 2)
    with torch.no_grad():
        features_FPC, map_FCHW = ours(frames_FCHW)[0], ours.places(frames_FCHW)
    assert features_FPC.shape == (2, 4, 1280)
    torch.testing.assert_close(features_FPC[:, 1], map_FCHW[:, :, :4, 3:].mean((2, 3)))
    torch.testing.assert_close(features_FPC[:, 2], map_FCHW[:, :, 3:, :4].mean((2, 3)))
