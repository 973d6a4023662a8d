"""Class names, and the classes that our priors are made of."""

from __future__ import annotations

import pytest

from engines.models.pretrained import load
from engines.models.starter import SHOTS, WEAPONS


def test_priors_name_the_classes_that_they_take() -> None:
    images, sounds = load.image_class_names(), load.sound_class_names()
    assert {index: images[index] for index in WEAPONS} == dict(WEAPONS)
    assert {index: sounds[index] for index in SHOTS} == dict(SHOTS)


@pytest.mark.parametrize(("index", "name"), [(0, "tench"), (145, "king penguin"), (999, "toilet paper")])
def test_image_names_are_in_the_order_of_imagenet(index: int, name: str) -> None:
    assert load.image_class_names()[index] == name


@pytest.mark.parametrize(("index", "name"), [(0, "Speech"), (494, "Silence"), (520, "Field recording")])
def test_sound_names_are_in_the_order_of_audioset(index: int, name: str) -> None:
    assert load.sound_class_names()[index] == name
