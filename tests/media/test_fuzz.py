"""Bytes of valid files, mutated: the parent never dies, never hangs, keeps nothing; all end in a clip or a code."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest

from streamer.decode.formats import Code
from streamer.errors import UndecodableError
from streamer.sandbox.host import Sandbox
from tests.examples import examples
from tests.media.conftest import SEED
from tests.media.rendering import picture, render_sound, render_video, sine

CASES = examples(500)
DEADLINE_SECONDS = 20.0
MAX_GROWTH_BYTES = 48 << 20
SIZES = (b"\x00\x00\x00\x00", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x00\x00\x00\x01", b"\x80\x00\x00\x00")


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """One small file for each container that uploads mostly come in."""
    folder = tmp_path_factory.mktemp("seeds")
    small: dict[str, int] = {"width": 64, "height": 48, "count": 10, "gop": 4}
    frames = [picture(index, 64, 48) for index in range(10)]
    paths = [
        render_video(folder / "a.mp4", **small, frames=frames, audio_hz=440.0),
        render_video(
            folder / "b.mp4", **small, frames=frames, container_options={"movflags": "frag_keyframe+empty_moov"}
        ),
        render_video(folder / "c.mkv", **small, frames=frames, audio_hz=440.0),
        render_video(folder / "d.webm", **small, frames=frames, codec="libvpx-vp9", options={"cpu-used": "8"}),
        render_video(folder / "e.avi", **small, frames=frames, codec="mpeg4"),
        render_video(folder / "f.ts", **small, frames=frames),
        render_video(folder / "g.flv", **small, frames=frames),
        render_sound(folder / "h.ogg", sine(440, 0.5, 16_000), codec="libopus"),
        render_sound(folder / "i.wav", sine(440, 0.2, 16_000)),
        render_sound(folder / "j.mp3", sine(440, 0.5, 16_000), codec="libmp3lame"),
        render_sound(folder / "k.flac", sine(440, 0.2, 16_000), codec="flac"),
    ]
    return [path.read_bytes() for path in paths]


def mutated(dice: random.Random, seeds: list[bytes]) -> bytes:
    content = bytearray(dice.choice(seeds))
    for _ in range(dice.randint(1, 4)):
        # Headers decide most, so half of all changes fall into the first and last kilobyte.
        limit = dice.choice((1024, len(content)))
        at = dice.randrange(min(limit, len(content)))
        at = len(content) - 1 - at if dice.random() < 0.3 else at
        kind = dice.randrange(5)
        if kind == 0:
            del content[max(at, 16) :]
        elif kind == 1:
            content[at] ^= 1 << dice.randrange(8)
        elif kind == 2:
            content[at : at + 4] = dice.choice(SIZES)
        elif kind == 3:
            content[at : at + dice.randint(1, 64)] = dice.randbytes(dice.randint(0, 64))
        else:
            other = dice.choice(seeds)
            begin = dice.randrange(len(other))
            content[at:at] = other[begin : begin + dice.randint(1, 512)]
    return bytes(content)


def cases(seeds: list[bytes], folder: Path) -> Iterator[Path]:
    dice = random.Random(20_261_118)
    for index in range(CASES):
        path = folder / f"{index}.bin"
        path.write_bytes(mutated(dice, seeds))
        yield path


def outcome(sandbox: Sandbox, path: Path) -> str:
    try:
        clip = sandbox.decode(str(path), SEED, DEADLINE_SECONDS)
    except UndecodableError as error:
        assert error.code in set(Code)
        return error.code
    finally:
        path.unlink()
    for frame_seconds_T in (clip.frame_seconds_T, clip.window_seconds_T):
        assert np.isfinite(frame_seconds_T).all()
    return "decoded"


@pytest.mark.slow
def test_mutated_media(seeds: list[bytes], tmp_path: Path, sandbox: Sandbox) -> None:
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda content: outcome(sandbox, content), _written(seeds, tmp_path)))
        process = psutil.Process()
        before = (process.num_fds(), len(process.children(recursive=True)))
        memory_bytes = process.memory_info().rss
        outcomes = Counter(pool.map(lambda path: outcome(sandbox, path), cases(seeds, tmp_path)))
        after = (process.num_fds(), len(process.children(recursive=True)))
        grown_bytes = process.memory_info().rss - memory_bytes
    assert after == before
    assert grown_bytes < MAX_GROWTH_BYTES
    assert sum(outcomes.values()) == CASES
    assert outcomes[Code.TIMED_OUT] == 0, outcomes
    # Both ends are met: mutations that do nothing and mutations that break all would prove little.
    assert outcomes["decoded"] > CASES // 10, outcomes
    assert CASES - outcomes["decoded"] > CASES // 10, outcomes


def _written(seeds: list[bytes], folder: Path) -> list[Path]:
    paths = [folder / f"seed-{index}" for index in range(len(seeds))]
    for path, content in zip(paths, seeds, strict=True):
        path.write_bytes(content)
    return paths
