"""What is put into one row of a batch that no recording has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from engines.spec import Array

#: float32 below its least normal number, 1.2e-38: slow or zero, as hardware has it.
DENORMAL = 1e-40
#: The row of a batch of three that is made extreme.
ROW = 1
ROWS = 3

_NO_NUMBERS = {"NaN": float("nan"), "infinity": float("inf"), "-infinity": float("-inf")}

Fill = Callable[[dict[str, Array], np.random.Generator], None]


@dataclass(frozen=True)
class Case:
    """`fill` makes `ROW` of a graph's inputs extreme, in place. is_number: all that it puts there is finite."""

    graph: str
    name: str
    fill: Fill
    is_number: bool = True


def cases() -> list[Case]:
    """All that is tried."""
    return [*_pictures(), *_sounds(), *_words(), *_tokens()]


def _set(name: str, value: float) -> Fill:
    """All of a row of one input becomes one value."""

    def fill(inputs: dict[str, Array], _: np.random.Generator) -> None:
        inputs[name][ROW] = value

    return fill


def _some(name: str, value: float) -> Fill:
    """One number of a row becomes another."""

    def fill(inputs: dict[str, Array], _: np.random.Generator) -> None:
        inputs[name][ROW].flat[0] = value

    return fill


def _nothing(*names: str) -> Fill:
    """Masks of a row that have nothing."""

    def fill(inputs: dict[str, Array], _: np.random.Generator) -> None:
        for name in names:
            inputs[name][ROW] = False

    return fill


def _pictures() -> list[Case]:
    def checks(inputs: dict[str, Array], _: np.random.Generator) -> None:
        frame_CHW = inputs["frames_FCHW"][ROW]
        frame_CHW[:] = 255 * (np.indices(frame_CHW.shape[1:]).sum(0) % 2)

    values = {"black": 0, "white": 255}
    found = [Case("vision", name, _set("frames_FCHW", value)) for name, value in values.items()]
    return [*found, Case("vision", "a chequer of single pixels", checks)]


def _sounds() -> list[Case]:
    def square(inputs: dict[str, Array], _: np.random.Generator) -> None:
        wave_S = inputs["windows_FS"][ROW]
        wave_S[:] = np.where(np.arange(len(wave_S)) // 16 % 2, 1.0, -1.0)

    def noise(inputs: dict[str, Array], rng: np.random.Generator) -> None:
        wave_S = inputs["windows_FS"][ROW]
        wave_S[:] = rng.choice([-1.0, 1.0], len(wave_S))

    values = {"silence": 0.0, "all 1": 1.0, "all -1": -1.0, "denormals": DENORMAL}
    found = [Case("audio", name, _set("windows_FS", value)) for name, value in values.items()]
    for name, value in _NO_NUMBERS.items():
        found += [
            Case("audio", f"{name} throughout", _set("windows_FS", value), is_number=False),
            Case("audio", f"one {name}", _some("windows_FS", value), is_number=False),
        ]
    return [*found, Case("audio", "a square wave at full scale", square), Case("audio", "noise at full scale", noise)]


def _words() -> list[Case]:
    def longest(inputs: dict[str, Array], _: np.random.Generator) -> None:
        inputs["mask_NL"][ROW] = True

    def one(inputs: dict[str, Array], _: np.random.Generator) -> None:
        inputs["mask_NL"][ROW, 1:] = False

    return [
        Case("text", "all places taken", longest),
        Case("text", "a single token", one),
        Case("text", "one token again and again", _set("ids_NL", 1)),
        Case("text", "no token at all", _nothing("mask_NL")),
    ]


def _tokens() -> list[Case]:
    masks = {"picture": "vision_mask_NV", "sound": "audio_mask_NA", "words": "text_mask_NL"}
    found = [Case("fusion", f"no {name}", _nothing(mask)) for name, mask in masks.items()]
    found += [
        Case("fusion", f"{name} alone", _nothing(*(mask for other, mask in masks.items() if other != name)))
        for name in masks
    ]
    found.append(Case("fusion", "nothing at all", _nothing(*masks.values())))
    for name in ("vision_NVD", "audio_NAD", "text_NLD"):
        values = {"zeros": 0.0, "denormals": DENORMAL}
        found += [Case("fusion", f"{name} of {told}", _set(name, value)) for told, value in values.items()]
        found += [
            Case("fusion", f"one {told} in {name}", _some(name, value), is_number=False)
            for told, value in _NO_NUMBERS.items()
        ]
    return found
