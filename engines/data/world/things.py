"""What there is to see and to hear in the world, and which of it the adult task stands for.

The stand-ins are harmless: a chequered seal (seen alone), a siren (heard alone), and a mask with a knock (only
together).
"""

from __future__ import annotations

from collections.abc import Set
from typing import Literal

COLOURS = {
    "red": (214, 40, 36),
    "green": (40, 170, 60),
    "blue": (44, 76, 220),
    "yellow": (240, 212, 40),
    "purple": (150, 50, 190),
}
SHAPES = ("circle", "square", "triangle", "star", "cross")
SEAL, MASK = "seal", "mask"
PLAIN_SEEN = tuple(f"{colour} {shape}" for colour in COLOURS for shape in SHAPES)
SEEN = (*PLAIN_SEEN, SEAL, MASK)

PLAIN_HEARD = ("tone", "chirp", "bell", "hiss", "drum", "buzz")
SIREN, KNOCK = "siren", "knock"
HEARD = (*PLAIN_HEARD, SIREN, KNOCK)

#: Which sense a task's answer rests on; "both" is a combination, "none" a case that needs neither.
Slice = Literal["vision", "audio", "both", "none"]


def adult_causes(seen: Set[str], heard: Set[str]) -> frozenset[str]:
    """The things that make a clip adult; empty when it is not."""
    causes = {SEAL} & seen | {SIREN} & heard
    if MASK in seen and KNOCK in heard:
        causes |= {MASK, KNOCK}
    return frozenset(causes)


def slice_of(things: Set[str]) -> Slice:
    """The sense that can tell whether these things are there."""
    seen, heard = bool(things & set(SEEN)), bool(things & set(HEARD))
    return "both" if seen and heard else "vision" if seen else "audio" if heard else "none"
