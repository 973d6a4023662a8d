"""Our open_nsfw against the published graph."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray

from engines.models.pretrained import load, sources
from engines.models.pretrained.open_nsfw import MEAN_RGB


def test_probabilities_are_those_of_the_published_graph(pictures: NDArray[np.uint8]) -> None:
    session = onnxruntime.InferenceSession(str(sources.OPEN_NSFW.path()))
    pixels_FHWC = pictures.astype(np.float32) - np.array(MEAN_RGB, np.float32)
    (theirs_F2,) = session.run(None, {session.get_inputs()[0].name: np.ascontiguousarray(pixels_FHWC[..., ::-1])})
    with torch.no_grad():
        ours_F = load.open_nsfw()(torch.from_numpy(pictures).permute(0, 3, 1, 2)).numpy()
    assert ours_F == pytest.approx(theirs_F2[:, 1], abs=1e-5)
    assert np.ptp(ours_F) > 1e-4, "pictures that score alike would hide a wrong channel order"
