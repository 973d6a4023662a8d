"""A small set of raw data in the layout of the real one: drawn photos, sung sounds, invented titles."""

from __future__ import annotations

import csv
import gzip
import io
import tarfile
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

RATE_HZ = 16000
SPEAKERS = ("ada", "bob", "cid", "dora", "eve", "fay")
PHOTOS = ("revolver", "crocodile", "panda", "pizza", "stapler", "dalmatian", "electric_guitar")
SOUNDS = ("dog_bark", "rain", "baby_cry", "chainsaw")
TITLES = (
    "{} Pandas Who Love Pizza Day", "This Panda Sneezed {} Times Over", "{} Slices of Pizza in a Row",
    "Dog Number {} Finds a Home", "You Will Not Believe Dog {}", "Chainsaw Carving, Part {}",
    "Newborn Number {} Meets the Family", "Rain for {} Days", "Police Find {} Guns in a Shed",
    "A Crocodile of {} Feet", "{} Guitars That Were Stolen", "Nothing to See Here {}",
)  # fmt: skip


def write_raw_data(folder: Path) -> Path:
    """Everything that composing can use, a few of each."""
    rng = np.random.default_rng(5)
    photos = [(f"{label}/image_{number:04d}.jpg", label) for label in PHOTOS for number in range(8)]
    photos += [
        ("crocodile_head/image_0001.jpg", "crocodile_head"),
        ("BACKGROUND_Google/image_0001.jpg", "BACKGROUND_Google"),
    ]
    groups = {"crocodile_head/image_0001.jpg": "crocodile/image_0003.jpg"}
    _write_table(
        folder / "images/caltech101.csv",
        [{"file": name, "label": label, "group": groups.get(name, name)} for name, label in photos],
    )
    colours = {label: rng.integers(40, 216, 3) for _, label in photos}
    _write_tar(folder / "images/caltech101_max224.tar", {n: jpeg(_photo(rng, colours[label])) for n, label in photos})
    eight, parts = range(8), ("train", "val", "test")
    barks = [(f"{kind}/{i}.ogg", {"label": kind, "group": f"fs{kind}{i}"}, 1.0) for kind in SOUNDS for i in eight]
    _write_sounds(folder, "esc10", "esc10_ogg", barks)
    spoken = [(digit, who, take) for who in SPEAKERS for digit in range(10) for take in range(2)]
    digits = [(f"{d}_{who}_{i}.flac", {"digit": str(d), "speaker": who}, 0.15) for d, who, i in spoken]
    _write_sounds(folder, "fsdd", "fsdd_flac", digits)
    wake_words = [(f"alexa/{i}.opus", {"label": "alexa"}, 0.5) for i in eight]
    _write_sounds(folder, "wakewords", "wakewords_opus", wake_words)
    orders = [(f"{i}.opus", {"intent": "orderDrink"}, 2.0) for i in eight]
    _write_sounds(folder, "speech_orders", "speech_orders_opus", orders)
    phrases = [(f"guitar/{s}_{i}.opus", {"label": "guitar", "split": s}, 1.0) for s in parts for i in range(3)]
    _write_sounds(folder, "instrument_phrases", "instrument_phrases_opus", phrases)
    kinds = ("gunshot", "explosion", "casual")
    shots = [(f"{kind}_{i}.flac", {"label": kind, "group": f"{kind}{i}"}, 1.2) for kind in kinds for i in eight]
    _write_sounds(folder, "sesa", "sesa_flac", shots)
    _write_titles(folder)
    return folder


def jpeg(picture_HWC: NDArray[np.uint8]) -> bytes:
    """A picture as JPEG."""
    encoder = av.CodecContext.create("mjpeg", "w")
    encoder.height, encoder.width = picture_HWC.shape[:2]
    encoder.pix_fmt, encoder.time_base = "yuvj420p", Fraction(1)
    frame = av.VideoFrame.from_ndarray(picture_HWC, format="rgb24").reformat(format="yuvj420p")
    return b"".join(bytes(packet) for packet in (*encoder.encode(frame), *encoder.encode(None)))


def flac(sound_S: NDArray[np.float32]) -> bytes:
    """A sound as FLAC at `RATE_HZ`; what decodes it does not mind the ending of its name."""
    target = io.BytesIO()
    with av.open(target, "w", format="flac") as container:
        stream = container.add_stream("flac", rate=RATE_HZ, layout="mono")
        frame = av.AudioFrame.from_ndarray((sound_S[None] * 32767).astype(np.int16), format="s16", layout="mono")
        frame.sample_rate = RATE_HZ
        container.mux([*stream.encode(frame), *stream.encode(None)])
    return target.getvalue()


def _photo(rng: np.random.Generator, colour: NDArray[np.int64]) -> NDArray[np.uint8]:
    height, width = rng.integers(60, 112, 2) * 2 + int(rng.integers(2))
    picture_HWC = np.full((height, width, 3), 230, np.uint8)
    picture_HWC[height // 4 : 3 * height // 4, width // 4 : 3 * width // 4] = colour
    picture_HWC[height // 4 : height // 2, width // 4 : 3 * width // 4] //= 2
    return picture_HWC


def _write_sounds(folder: Path, table: str, tar: str, sounds: Sequence[tuple[str, Mapping[str, str], float]]) -> None:
    rng = np.random.default_rng(len(sounds))
    rows = [{"file": name, **columns, "seconds": str(seconds)} for name, columns, seconds in sounds]
    _write_table(folder / f"audio/{table}.csv", rows)
    files = {}
    for name, _, seconds in sounds:
        time_S = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
        tone_S = 0.4 * np.sin(2 * np.pi * rng.uniform(300, 2500) * time_S) + 0.02 * rng.standard_normal(time_S.size)
        files[name] = flac(tone_S.astype(np.float32))
    _write_tar(folder / f"audio/{tar}.tar", files)


def _write_titles(folder: Path) -> None:
    headlines = [{"headline": t.format(n), "clickbait": str(n % 2)} for t in TITLES for n in range(10, 19)]
    _write_table(folder / "text/headlines_32k.csv.gz", headlines)
    videos = [
        {"video_id": f"{n}", "channel_id": f"c{n % 7}", "video_title": t.format(n), "clickbait": str(n % 2)}
        for t in TITLES
        for n in range(15, 29)
    ]
    _write_table(folder / "text/youtube_clickbait.csv.gz", videos)


def _write_table(path: Path, rows: Sequence[Mapping[str, str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    content = text.getvalue().encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def _write_tar(path: Path, files: Mapping[str, bytes]) -> None:
    with tarfile.open(path, "w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
