"""What is put into one clip, and where: all that rendering needs."""

from __future__ import annotations

import msgspec


class Shot(msgspec.Struct, frozen=True):
    """A photo from `start_seconds` to `end_seconds`; the next one starts where it ends."""

    source: str
    member: str
    thing: str
    start_seconds: float
    end_seconds: float


class Sound(msgspec.Struct, frozen=True):
    """A recording, heard for `seconds` from `start_seconds`: its loudest part of that length."""

    source: str
    member: str
    thing: str
    start_seconds: float
    seconds: float


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """One clip. seed: of all that rendering draws. bed: a class of noise where there is no recording under the events.

    event_db: events over the bed, in decibel of mean power. level_db: of the whole, under full scale. rotation_degrees:
    how a player has to turn the coded picture clockwise.
    """

    seed: tuple[int, ...]
    file: str
    width: int
    height: int
    frame_rate: int
    seconds: float
    shots: tuple[Shot, ...]
    sounds: tuple[Sound, ...] = ()
    bed: Sound | None = None
    noise: str = "pink"
    has_audio: bool = True
    event_db: float = 10.0
    level_db: float = -22.0
    lowpass_hz: float = 7000.0
    sample_rate_hz: int = 16000
    rotation_degrees: int = 0
