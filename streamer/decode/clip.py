"""A file -> a `Clip`. The only package that imports `av`; runs inside the sandbox child, one thread, one file."""

from __future__ import annotations

import importlib
import pkgutil

import av
import numpy as np

from streamer.decode.container import Account, choose_tracks, open_media, origin_seconds
from streamer.decode.formats import Code, DecodeOptions
from streamer.decode.picture import Picture, look
from streamer.decode.sound import Sound, listen
from streamer.errors import UndecodableError
from streamer.records import Clip, Coverage, Media
from streamer.sample import ClipShape, largest_gap_seconds

av.logging.set_level(av.logging.ERROR)


def ffmpeg_version() -> str:
    """The version of the FFmpeg libraries that decode, for lineage."""
    return str(av.ffmpeg_version_info)


def preload() -> None:
    """Imports what `av` would import at first use: a confined child can open no file, not even a module."""
    importlib.import_module("numpy.ma")
    importlib.import_module("numpy.random")
    for module in pkgutil.walk_packages(av.__path__, "av."):
        if module.name != "av.__main__":
            importlib.import_module(module.name)


def decode(media_fd: int, seed: bytes, shape: ClipShape, options: DecodeOptions, plan_id: str) -> Clip:
    """The clip of an open, regular file. Raises UndecodableError (poison) for anything the media did."""
    with av.logging.Capture() as log, open_media(media_fd, options) as container:
        account = Account(options.cpu_seconds, log, origin_seconds(container))
        name = container.format.name
        videos, audios = choose_tracks(container, account)
        sound = listen(container, audios, shape, seed, options, account)
        picture = look(container, videos, shape, seed, options, account)
    if picture is None and sound is None:
        raise _nothing(bool(videos or audios), account)
    return _clip(name, picture, sound, shape, plan_id, account)


def _nothing(had_tracks: bool, account: Account) -> UndecodableError:
    told = "; ".join(account.notes) or "nothing to see or hear"
    if account.blame is not None:
        return UndecodableError(account.blame, "its coded pictures are larger than a video's may be")
    if had_tracks:
        return UndecodableError(Code.DAMAGED, f"{len(account.damaged)} packets cannot be decoded: {told}")
    return UndecodableError(Code.UNSUPPORTED_CODEC if "codec" in told else Code.NO_MEDIA, told)


def _clip(
    name: str, picture: Picture | None, sound: Sound | None, shape: ClipShape, plan_id: str, account: Account
) -> Clip:
    frame_seconds_T = picture.seconds_T if picture else np.zeros(0)
    picture_seconds = picture.duration_seconds if picture else 0.0
    return Clip(
        frames_TCHW=picture.frames_TCHW if picture else None,
        frame_seconds_T=frame_seconds_T,
        windows_TS=sound.windows_TS if sound else None,
        window_seconds_T=sound.seconds_T if sound else np.zeros(0),
        window_span_seconds=shape.window_seconds,
        coverage=Coverage(
            plan_id=plan_id,
            duration_seconds=max(picture_seconds, sound.duration_seconds if sound else 0.0),
            frames=frame_seconds_T.size,
            largest_gap_seconds=largest_gap_seconds(frame_seconds_T.tolist(), picture_seconds),
            audio_seconds=sound.heard_seconds if sound else 0.0,
            audio_duration_seconds=sound.duration_seconds if sound else 0.0,
            damaged_packets=len(account.damaged),
            notes=tuple(account.notes),
        ),
        media=Media(
            container=name,
            video_codec=picture.codec if picture else None,
            width=picture.width if picture else 0,
            height=picture.height if picture else 0,
            rotation_degrees=picture.rotation_degrees if picture else 0,
            audio_codec=sound.codec if sound else None,
        ),
        decode_cpu_ms=account.spent_ms(),
    )
