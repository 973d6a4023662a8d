"""Opens media that an enemy may have written, and chooses its tracks. Nothing but the open descriptor is ever read."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import av
from av.container import InputContainer
from av.stream import Discard, Disposition

from streamer.decode.formats import AUDIO_CODECS, CONTAINERS, VIDEO_CODECS, Code, DecodeOptions
from streamer.errors import UndecodableError

_NO_PICTURE = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
_FIRST_PACKETS = 32
# First bytes (offset, magic) of containers on the list: what starts so and cannot be opened is damaged, not foreign.
_MAGICS = (
    (4, b"ftyp"), (4, b"moov"), (4, b"mdat"), (4, b"free"), (0, b"\x1aE\xdf\xa3"), (0, b"RIFF"), (0, b"FLV"),
    (0, b"OggS"),
    (0, b"ID3"), (0, b"fLaC"), (0, b"#!AMR"), (0, b"\x30\x26\xb2\x75"), (0, b"\x00\x00\x01\xba"), (0, b"\x47\x40"),
    (0, b"\xff\xfb"), (0, b"\xff\xf1"), (0, b"FORM"), (0, b"GIF8"), (0, b".RMF"), (0, b"RF64"),
)  # fmt: skip


@dataclass(slots=True)
class Account:
    """CPU time that is left, and what has to be told of the media; shared by looking and listening."""

    limit_seconds: float
    log: list[tuple[int, str, str]]  # FFmpeg's error lines; emptied as they are read
    origin_seconds: float = 0.0  # presentation time of the start of the video; times of a Clip count from there
    blame: Code | None = None
    damaged: set[tuple[int, int]] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)
    begun_seconds: float = field(default_factory=time.process_time)

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def damage(self, stream: Any, packet: Any = None) -> None:
        """Counts a packet that cannot be read or decoded, once, however often it is met."""
        ticks = None if packet is None else packet.dts if packet.dts is not None else packet.pos
        self.damaged.add((stream.index, len(self.damaged) if ticks is None else ticks))
        # FFmpeg reports the pixel limit as invalid data; only its log tells.
        if any("max pixel" in message for _, _, message in self.log):
            self.blame = Code.TOO_MANY_PIXELS
        self.log.clear()

    def spent_ms(self) -> float:
        return 1e3 * (time.process_time() - self.begun_seconds)

    def is_spent(self) -> bool:
        """Whether the CPU time is gone; the first time that it is, this is noted."""
        if self.spent_ms() < 1e3 * self.limit_seconds:
            return False
        self.note(f"stopped after {self.limit_seconds:g} s of CPU time")
        return True


@contextmanager
def open_media(media_fd: int, options: DecodeOptions) -> Iterator[InputContainer]:
    """The container behind a descriptor. Raises UndecodableError for whatever the media did."""
    head = os.pread(media_fd, 16, 0)
    if not head:
        raise UndecodableError(Code.EMPTY, "the file has no bytes")
    try:
        container = _open(media_fd, options)
    except MemoryError as error:
        raise UndecodableError(Code.OUT_OF_MEMORY, "opening the media took more memory than a video may") from error
    except (av.FFmpegError, EOFError, ValueError) as error:
        raise _open_error(error, head) from error
    try:
        _check(container, options)
        yield container
    finally:
        container.close()


def _open(media_fd: int, options: DecodeOptions) -> InputContainer:
    # `fd:` is the only protocol, so no path and no address inside the media can be followed. `skip_frame=all` keeps
    # FFmpeg from decoding pictures while it probes: 63 ms -> 1 ms for
    # 1080p, and no bomb goes off before its size is known.
    return av.open(
        "fd:",
        container_options={
            "fd": str(media_fd),
            "protocol_whitelist": "fd",
            "format_whitelist": ",".join(sorted(CONTAINERS)),
            "max_streams": str(options.max_streams),
        },
        options={"max_pixels": str(options.max_pixels), "skip_frame": "all"},
        metadata_errors="ignore",
    )


def _open_error(error: Exception, head: bytes) -> UndecodableError:
    known = any(head[start:].startswith(magic) for start, magic in _MAGICS)
    if isinstance(error, av.error.ArgumentError) or not known:
        return UndecodableError(Code.UNSUPPORTED_CONTAINER, "this is no media container that Earshot reads")
    return UndecodableError(Code.DAMAGED, f"the container cannot be opened ({type(error).__name__})")


def _check(container: InputContainer, options: DecodeOptions) -> None:
    if not container.streams:
        raise UndecodableError(Code.NO_STREAMS, "the container holds no streams")
    seconds = (container.duration or 0) / av.time_base
    if seconds > options.max_duration_seconds:
        raise UndecodableError(
            Code.TOO_LONG, f"lasts {seconds:.0f} s by its header, the limit is {options.max_duration_seconds:.0f} s"
        )
    for stream in container.streams.video:
        context = stream.codec_context
        if context is not None and context.width * context.height > options.max_pixels:
            raise UndecodableError(
                Code.TOO_MANY_PIXELS,
                f"{context.width}x{context.height} pixels, the limit is {options.max_pixels} in all",
            )


def choose_tracks(container: InputContainer, account: Account) -> tuple[list[Any], list[Any]]:
    """Video and audio tracks that may be decoded, the best first: the default track, then in file order."""
    video = [stream for stream in container.streams.video if not stream.disposition & _NO_PICTURE]
    if len(video) < len(container.streams.video):
        account.note("cover art is not a picture track")
    chosen = []
    for kind, tracks, codecs in (("video", video, VIDEO_CODECS), ("audio", container.streams.audio, AUDIO_CODECS)):
        able = [track for track in tracks if _codec_name(track) in codecs]
        if len(able) < len(tracks):
            refused = sorted({_codec_name(track) for track in tracks} - codecs)
            account.note(f"{kind} codec not read: {', '.join(refused)}")
        if len(able) > 1:
            account.note(f"{len(able)} {kind} tracks, one taken")
        chosen.append(sorted(able, key=lambda track: not track.disposition & Disposition.default))
    return chosen[0], chosen[1]


def _codec_name(stream: Any) -> str:
    context = stream.codec_context
    return "none" if context is None else str(context.codec.canonical_name)


def prepare(stream: Any, options: DecodeOptions) -> None:
    """Limits on the decoder itself: those given to `av.open` bind only the probe."""
    context = stream.codec_context
    context.thread_count = 1
    names = ",".join({context.codec.name, context.codec.canonical_name})
    context.options = {"max_pixels": str(options.max_pixels), "codec_whitelist": names}


def keep_only(container: InputContainer, stream: Any) -> None:
    """Tells the demuxer to skip the data of every other stream."""
    for other in container.streams:
        other.discard = Discard.default if other.index == stream.index else Discard.all


def origin_seconds(container: InputContainer) -> float:
    """Presentation time of the start of the video: of its header, else the earliest of its first packets."""
    if container.start_time is not None:
        return float(container.start_time / av.time_base)
    starts = []
    try:
        first = itertools.islice(container.demux(), _FIRST_PACKETS)
        starts.extend(float(packet.pts * packet.time_base) for packet in first if packet.pts is not None)
        seek(container, container.streams[0], min(starts, default=0.0))
    except (av.FFmpegError, EOFError):
        pass  # the readers rewind for themselves, and count what they cannot read
    return min(starts, default=0.0)


def seek(container: InputContainer, stream: Any, seconds: float) -> None:
    """To the last keyframe at or before a presentation time; to the first byte if there is none.

    Raises av.FFmpegError when the container cannot do either.
    """
    try:
        container.seek(round(seconds / stream.time_base), stream=stream)
    except av.FFmpegError:  # MPEG-TS refuses a moment before its first decode time
        container.seek(0, stream=stream, unsupported_byte_offset=True)
