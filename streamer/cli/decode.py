"""`earshot decode`: what would be looked at and listened to in media at hand."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from streamer.cli.common import errors_told, print_json

if TYPE_CHECKING:
    import numpy as np

    from streamer.records import Clip
    from streamer.sample import ClipShape
    from streamer.sandbox.host import Sandbox


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """One line of `earshot decode --json`."""

    file: str
    state: str
    reason: str | None = None
    video: dict[str, Any] | None = None
    audio: dict[str, Any] | None = None
    coverage: dict[str, Any] | None = None
    cpu_ms: float = 0.0


def decode(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Media files.", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document per file, on stdout.")] = False,
    save: Annotated[
        Path | None, typer.Option(help="Also write each clip as a safetensors file into this folder.")
    ] = None,
    seed: Annotated[
        str, typer.Option(help="Decides where the plan may choose; the same seed gives the same looks.")
    ] = "",
    bundle: Annotated[
        str | None,
        typer.Option(help="The bundle that says how large clips are: a name or a folder. None: the sizes of `world`."),
    ] = None,
    frame_pixels: Annotated[int | None, typer.Option(min=1, help="Side of a frame, instead of the bundle's.")] = None,
    window_samples: Annotated[int | None, typer.Option(min=1, help="Of a window, instead of the bundle's.")] = None,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds of wall clock that one file may take.")] = 60.0,
) -> None:
    """Show what Earshot would look at and listen to: frames, sound, coverage, cost. Judges nothing."""
    from streamer.decode.formats import DecodeOptions
    from streamer.logs import configure_logs
    from streamer.sandbox.host import Sandbox, SandboxOptions

    _check(files, save)
    configure_logs("warning", "auto")
    all_decoded = True
    with (
        errors_told(),
        Sandbox(SandboxOptions(), DecodeOptions(), _shape(bundle, frame_pixels, window_samples)) as sandbox,
    ):
        for outcome in _outcomes(sandbox, files, seed, timeout, save):
            all_decoded = all_decoded and outcome.state == "decoded"
            if as_json:
                print_json(outcome)
            else:
                typer.echo(_line(outcome))
    if not all_decoded:
        raise typer.Exit(1)


def _check(files: list[Path], save: Path | None) -> None:
    for file in files:
        if not file.exists():
            raise typer.BadParameter(f"{file}: there is no such file; give paths of media files")
        if file.is_dir():
            raise typer.BadParameter(f"{file}: this is a folder; give paths of media files")
    if save is not None:
        stems = [file.stem for file in files]
        twice = sorted({stem for stem in stems if stems.count(stem) > 1})
        if twice:
            raise typer.BadParameter(
                f"--save names each clip by its file's stem, and {twice[0]!r} came more than once; rename, or run twice"
            )
        save.mkdir(parents=True, exist_ok=True)


def _shape(bundle: str | None, frame_pixels: int | None, window_samples: int | None) -> ClipShape:
    """Without a bundle the built-in sizes, so that clips can be made before there is any bundle to train on them."""
    from streamer.sample import ClipShape

    shape = ClipShape()
    if bundle is not None:
        from streamer.assemble import clip_shape, load_bundle

        shape = clip_shape(load_bundle(bundle))
    return replace(
        shape, frame_pixels=frame_pixels or shape.frame_pixels, window_samples=window_samples or shape.window_samples
    )


def _outcomes(sandbox: Sandbox, files: list[Path], seed: str, timeout: float, save: Path | None) -> Iterator[Outcome]:
    """In the order of `files`; one child for each core at a time."""
    from rich.console import Console
    from rich.progress import track

    seed_bytes = hashlib.sha256(b"earshot decode " + seed.encode()).digest()
    console = Console(stderr=True)
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        outcomes = pool.map(lambda file: _outcome(sandbox, file, seed_bytes, timeout, save), files)
        quiet = not sys.stderr.isatty()
        yield from track(outcomes, "decode", total=len(files), console=console, disable=quiet, transient=True)


def _outcome(sandbox: Sandbox, file: Path, seed: bytes, timeout: float, save: Path | None) -> Outcome:
    from streamer.errors import SandboxFailedError, UndecodableError

    try:
        clip = sandbox.decode(str(file), seed, timeout)
    except UndecodableError as error:
        return Outcome(file=str(file), state="rejected", reason=f"{error.code}: {error}")
    except SandboxFailedError as error:
        return Outcome(file=str(file), state="rejected", reason=f"{error.reason}: {error}")
    if save is not None:
        _save(clip, save / f"{file.stem}.safetensors")
    return _decoded(file, clip)


def _decoded(file: Path, clip: Clip) -> Outcome:
    media = clip.media
    video = {
        "codec": media.video_codec,
        "width": media.width,
        "height": media.height,
        "rotation": media.rotation_degrees,
        "duration_seconds": clip.coverage.duration_seconds,
        "frames": [{"t_seconds": seconds} for seconds in clip.frame_seconds_T.tolist()],
    }
    audio = {"codec": media.audio_codec, "seconds": clip.coverage.audio_duration_seconds}
    return Outcome(
        file=str(file),
        state="decoded",
        video=video if clip.frames_TCHW is not None else None,
        audio=audio if clip.windows_TS is not None else None,
        coverage=msgspec.to_builtins(clip.coverage),
        cpu_ms=round(clip.decode_cpu_ms, 3),
    )


def _save(clip: Clip, path: Path) -> None:
    from safetensors.numpy import save_file

    tensors: dict[str, np.ndarray[Any, Any]] = {}
    if clip.frames_TCHW is not None:
        tensors |= {"frames_TCHW": clip.frames_TCHW, "frame_seconds_T": clip.frame_seconds_T}
    if clip.windows_TS is not None:
        tensors |= {"windows_TS": clip.windows_TS, "window_seconds_T": clip.window_seconds_T}
    save_file(tensors, path)


def _line(outcome: Outcome) -> str:
    """One line for people."""
    if outcome.coverage is None:
        return f"{outcome.file}: rejected: {outcome.reason}"
    parts = [f"{outcome.file}:"]
    if outcome.video is not None:
        video = outcome.video
        times = " ".join(f"{frame['t_seconds']:.2f}" for frame in video["frames"])
        parts.append(f"{video['codec']} {video['width']}x{video['height']}, looks at {times} s,")
    if outcome.audio is not None:
        parts.append(f"{outcome.audio['codec']}, hears {outcome.coverage['audio_seconds']:.1f} s,")
    parts.append(f"of {outcome.coverage['duration_seconds']:.1f} s, {outcome.cpu_ms:.0f} ms of CPU")
    if outcome.coverage["notes"]:
        parts.append(f"({'; '.join(outcome.coverage['notes'])})")
    return " ".join(parts)
