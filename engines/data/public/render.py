"""A planned clip as an MP4 file: H.264, and AAC unless it is silent. Equal recipes give equal bytes with one FFmpeg."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from engines.data.public.picture import draw_frames, read_photo
from engines.data.public.recipe import Recipe, Shot, Sound
from engines.data.public.sound import MIX_RATE_HZ, draw_sound, read_sound
from engines.data.public.sources import Media

#: Sine and cosine of the angles that pictures are turned by.
_TURNS = {90: (1, 0), 180: (0, -1), 270: (-1, 0)}
_RECORDINGS_KEPT = 256


class Renderer:
    """Renders clips from the raw data of a folder. One for each process."""

    def __init__(self, data: Path) -> None:
        self._media = Media(data)
        self._recording = lru_cache(_RECORDINGS_KEPT)(self._read_recording)

    def render(self, recipe: Recipe, folder: Path) -> None:
        """Write the clip, unless it is there already; under its name only when it is whole."""
        path = folder / recipe.file
        if path.exists():
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        self._write(recipe, part)
        part.replace(path)

    def _write(self, recipe: Recipe, path: Path) -> None:
        rng = np.random.default_rng([*recipe.seed, 13])
        with av.open(str(path), "w", format="mp4", options={"fflags": "+bitexact"}) as container:
            # x264's tree of macroblocks, on from `veryfast` up, gives other bytes each time with its assembly
            options = {"preset": "superfast", "crf": str(rng.integers(21, 29)), "g": str(rng.integers(12, 60))}
            video = container.add_stream("libx264", rate=recipe.frame_rate, options=options)
            turned = recipe.rotation_degrees in (90, 270)
            video.width, video.height = (recipe.width, recipe.height)[:: -1 if turned else 1]
            video.pix_fmt = "yuv420p"
            video.codec_context.thread_count = 1  # more would make the bytes depend on the machine
            audio = None
            if recipe.has_audio:
                layout = "stereo" if rng.random() < 0.4 else "mono"
                audio = container.add_stream(
                    "aac", rate=recipe.sample_rate_hz, layout=layout, options={"aac_coder": "fast"}
                )
                audio.bit_rate = int(rng.integers(48, 129)) * 1000
            for frame in draw_frames(recipe, self._photo, rng):
                frame.pts = None
                container.mux(video.encode(frame))
            container.mux(video.encode())
            if audio is not None:
                self._write_sound(recipe, container, audio, rng)
        if recipe.rotation_degrees:
            turn_picture(path, recipe.rotation_degrees)

    def _write_sound(
        self, recipe: Recipe, container: av.container.OutputContainer, audio: av.AudioStream, rng: np.random.Generator
    ) -> None:
        sound_S = draw_sound(recipe, self._recording, rng)
        frame = av.AudioFrame.from_ndarray(sound_S[None], format="fltp", layout="mono")
        frame.sample_rate = MIX_RATE_HZ
        resampler = av.AudioResampler(format="fltp", layout=audio.layout, rate=recipe.sample_rate_hz)
        for piece in (*resampler.resample(frame), *resampler.resample(None)):
            container.mux(audio.encode(piece))
        container.mux(audio.encode())

    def _photo(self, shot: Shot) -> NDArray[np.uint8]:
        return read_photo(self._media.content(shot.source, shot.member), f"{shot.source}/{shot.member}")

    def _read_recording(self, sound: Sound) -> NDArray[np.float32]:
        return read_sound(self._media.content(sound.source, sound.member), f"{sound.source}/{sound.member}")


def turn_picture(path: Path, degrees: int) -> None:
    """Say in an MP4 file that players turn its picture clockwise (matrix of the track, ISO/IEC 14496-12 8.3.2)."""
    cosine, sine = _TURNS[degrees][1], _TURNS[degrees][0]
    matrix = [round(value * 65536) for value in (cosine, sine, 0, -sine, cosine, 0, 0, 0)] + [1 << 30]
    content = bytearray(path.read_bytes())
    at = content.find(b"tkhd")
    while at >= 0:
        start = at + 4 + 4 + (20 if content[at + 4] == 0 else 32) + 16
        width = content[start + 36 : start + 40]
        if width != bytes(4):  # a track of sound has none
            content[start : start + 36] = b"".join(value.to_bytes(4, "big", signed=True) for value in matrix)
        at = content.find(b"tkhd", at + 4)
    path.write_bytes(content)
