"""Tokens to one vector of each sense: padding left out, and what a video lacks."""

from __future__ import annotations

import numpy as np
import pytest

from streamer.records import Marks, Modality, Tokens
from streamer.views import pooled, views_of


def tokens(values_TPD: list[list[list[float]]], mask_TP: list[list[bool]] | None = None) -> Tokens:
    values = np.array(values_TPD, np.float16).reshape(len(values_TPD), -1, 2)
    mask = np.ones(values.shape[:2], np.bool_) if mask_TP is None else np.array(mask_TP)
    return Tokens(values, np.zeros((len(values), 2)), mask, Marks.none(len(values)))


def test_a_view_is_the_direction_of_the_mean_of_all_tokens_that_are_no_padding() -> None:
    found = tokens([[[6, 0], [0, 0]], [[0, 8], [500, 500]]], [[True, True], [True, False]])
    views = views_of(pooled({Modality.VISION: found}))
    assert views.keys() == {Modality.VISION}
    assert views[Modality.VISION].dtype == np.float16
    assert views[Modality.VISION] == pytest.approx([0.6, 0.8], abs=1e-3)


def test_half_precision_does_not_overflow_in_the_mean() -> None:
    found = tokens([[[60_000, 0]]] * 8)
    assert views_of(pooled({Modality.AUDIO: found}))[Modality.AUDIO] == pytest.approx([1, 0])


def test_senses_that_a_video_lacks_and_means_without_direction_are_left_out() -> None:
    silent = Tokens(np.zeros((0, 1, 2), np.float16), np.zeros((0, 2)), np.zeros((0, 1), np.bool_), Marks.none(0))
    dark = tokens([[[1, -1]], [[-1, 1]]])
    assert views_of(pooled({Modality.AUDIO: silent, Modality.VISION: dark})) == {}
