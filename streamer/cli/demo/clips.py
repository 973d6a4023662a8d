"""The demo's uploads: clips of the procedural world, one for each part worth seeing, and files that are none."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from itertools import count
from pathlib import Path

import msgspec

import streamer
from engines.data.world import Truth as World
from engines.data.world import draw_truth, render_clip
from engines.data.world.things import KNOCK, MASK, SEEN
from streamer.cli.demo.upload import Upload, event_of, labels_told
from streamer.records import TASKS, Modality, Task
from streamer.report.shown import TrueSpan, Truth

#: A world that no shipped bundle was trained, calibrated or tested on.
SEED = 20_260

#: Roles in the order of their importance: a small demo has the first of them.
_ROLES: dict[str, Callable[[World], bool]] = {
    "silent": lambda clip: not clip.has_sound and clip.labels.clickbait == 0,
    "audio-only": lambda clip: not clip.has_picture and clip.labels.adult == 1,
    "portrait": lambda clip: _whole(clip) and clip.height > clip.width and clip.labels.relevance == 1,
    "adult-heard": lambda clip: _whole(clip) and clip.slices.adult == "audio",
    "adult-seen": lambda clip: _whole(clip) and clip.slices.adult == "vision",
    "adult-together": lambda clip: _whole(clip) and clip.slices.adult == "both",
    "half-together": lambda clip: _whole(clip) and clip.labels.adult == 0 and bool(_things(clip) & {MASK, KNOCK}),
    "promise-kept": lambda clip: _whole(clip) and clip.slices.clickbait == "audio" and clip.labels.clickbait == 0,
    "bait-for-ears": lambda clip: _whole(clip) and clip.slices.clickbait == "audio" and clip.labels.clickbait == 1,
    "bait-for-eyes": lambda clip: _whole(clip) and clip.slices.clickbait == "vision" and clip.labels.clickbait == 1,
    "query-heard": lambda clip: _whole(clip) and clip.slices.relevance == "audio" and clip.labels.relevance == 1,
    "query-missed": lambda clip: _whole(clip) and clip.labels.relevance == 0,
}
FEWEST_CLIPS = 3

#: Share of a file's bytes that is left of the truncated one; its index stood at the end.
_KEPT_SHARE = 0.6


def prepare_uploads(folder: Path, *, clips: int, on_clip: Callable[[], None]) -> list[Upload]:
    """Write what is missing of the demo's files under `folder` and tell what they are; `on_clip` after each clip.

    A folder's name follows from what is in it, so what an earlier run has rendered is used again.
    """
    cast = dict(_cast(clips))
    recipe = msgspec.json.encode([streamer.__version__, cast])
    folder = folder / sha256(recipe).hexdigest()[:12]
    folder.mkdir(parents=True, exist_ok=True)
    paths = {name: folder / f"{name}.mp4" for name in cast}
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:  # encoders work outside the interpreter lock
        for _ in pool.map(_render, cast.values(), paths.values()):
            on_clip()
    rendered = [_upload(paths[name], _told(clip), clip) for name, clip in cast.items()]
    return [*rendered, *_broken(folder, rendered[0].path)]


def _cast(clips: int) -> Iterator[tuple[str, World]]:
    """Names and clips: for each role the first clip of the world that fits, then clips as they come."""
    taken: set[int] = set()

    def first(fits: Callable[[World], bool]) -> World:
        clip = next(clip for index in count() if index not in taken and fits(clip := draw_truth(SEED, index)))
        taken.add(clip.index)
        return clip

    for name, fits in list(_ROLES.items())[:clips]:
        yield name, first(fits)
    for number in range(len(_ROLES), clips):
        yield f"clip-{number + 1:02d}", first(lambda _: True)


def _whole(clip: World) -> bool:
    return clip.has_picture and clip.has_sound


def _things(clip: World) -> set[str]:
    return {span.thing for span in (*clip.seen, *clip.heard)}


def _render(clip: World, path: Path) -> None:
    """A clip is there as a whole or not at all, whenever a run was cut off."""
    if path.exists():
        return
    partial = path.with_suffix(f".{os.getpid()}.part")
    render_clip(clip, partial)
    partial.replace(path)


def _broken(folder: Path, whole: Path) -> list[Upload]:
    truncated, text, missing = (folder / name for name in ("truncated.mp4", "text.mp4", "missing.mp4"))
    content = whole.read_bytes()
    truncated.write_bytes(content[: int(_KEPT_SHARE * len(content))])
    text.write_text("This is no video, whatever it is called.\n", "utf-8")
    missing.unlink(missing_ok=True)
    return [
        _upload(truncated, Truth("cut off: its index is missing", {})),
        _upload(text, Truth("a text file called .mp4", {})),
        _upload(missing, Truth("an object that isn't there", {})),
    ]


def _upload(path: Path, truth: Truth, clip: World | None = None) -> Upload:
    if clip is None:
        return Upload(path, truth, event_of(path, title="you will not believe this", query=None))
    event = event_of(path, title=clip.title, query=clip.query, description=clip.description, hashtags=clip.hashtags)
    return Upload(path, truth, event)


def _told(clip: World) -> Truth:
    """The truth in words and spans: what there is, and what that makes of the clip."""
    labels = {Task.CLICKBAIT: bool(clip.labels.clickbait), Task.ADULT: bool(clip.labels.adult)}
    if clip.labels.relevance is not None:
        labels[Task.RELEVANCE] = bool(clip.labels.relevance)
    spans = {
        task: tuple(
            TrueSpan(
                span.thing,
                Modality.VISION if span.thing in SEEN else Modality.AUDIO,
                span.start_seconds,
                span.end_seconds,
            )
            for span in getattr(clip.evidence, task)
        )
        for task in TASKS
    }
    return Truth(f"{_things_told(clip)}; {labels_told(labels)}", labels, spans)


def _things_told(clip: World) -> str:
    seen = ", ".join(span.thing for span in clip.seen) or "no picture"
    heard = ", ".join(span.thing for span in clip.heard) or ("silence" if clip.has_sound else "no sound")
    return f"{seen} + {heard}"
