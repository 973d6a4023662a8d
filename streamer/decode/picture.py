"""A picture track -> the frames of a plan: seek, send one keyframe, flush it out, convert.

Decodes forward only where a look lies between keyframes, or where the media leaves no other way.
"""

from __future__ import annotations

import math
import mmap
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.sidedata.sidedata import Type as SideData
from av.video.reformatter import VideoReformatter

from streamer.decode.container import Account, keep_only, prepare, seek
from streamer.decode.formats import Code, DecodeOptions
from streamer.decode.index import read_timeline
from streamer.decode.pixels import UPRIGHT, Orientation, orientation_from_matrix, square
from streamer.records import Float64, UInt8
from streamer.sample import ClipShape, Run, SampleOptions, Timeline, plan_looks

# How far before the keyframe to seek, and whether to decode on until a frame comes. MPEG-TS seeks by decode time and
# may pass the keyframe; open GOPs and intra refresh give no frame from the keyframe's packet alone.
# They are the last resort, and start from whatever keyframe the seek finds.
_ATTEMPTS = ((0.0, False), (1.0, False), (1.0, True))
_PASSED_SECONDS = 0.2  # a keyframe so much later than its index says is another one


@dataclass(frozen=True, slots=True)
class Picture:
    """frames_TCHW: uint8 RGB; seconds_T: float64, ascending; size and rotation as coded."""

    frames_TCHW: UInt8
    seconds_T: Float64
    duration_seconds: float
    codec: str
    width: int
    height: int
    rotation_degrees: int


def look(
    container: InputContainer,
    tracks: list[Any],
    shape: ClipShape,
    seed: bytes,
    options: DecodeOptions,
    account: Account,
) -> Picture | None:
    """The first track that gives any frame; None when none does."""
    for track in tracks:
        prepare(track, options)
        keep_only(container, track)
        timeline = read_timeline(container, track, shape, options, account.origin_seconds)
        looker = _Looker(container, track, timeline, shape, account)
        looker.follow(shape, seed, options.sample)
        if looker.taken:
            return looker.picture()
        if account.blame is None and not _has_room(track):
            account.blame = Code.OUT_OF_MEMORY
    if tracks:
        account.note("the video track gave no frame")
    return None


def _has_room(track: Any) -> bool:
    """Whether a few pictures fit into the memory that is left: FFmpeg reports a lack of it as invalid data."""
    context = track.codec_context
    try:
        mmap.mmap(-1, max(4 * 3 * context.width * context.height, 1)).close()
    except OSError:
        return False
    return True


@dataclass(slots=True)
class _Looker:
    container: InputContainer
    track: Any
    timeline: Timeline
    shape: ClipShape
    account: Account
    taken: dict[float, UInt8] = field(default_factory=dict)
    orientation: Orientation = UPRIGHT
    size: tuple[int, int] = (0, 0)
    untimed: int = 0  # frames met by a reading from the beginning
    reformatter: VideoReformatter = field(default_factory=VideoReformatter)

    def follow(self, shape: ClipShape, seed: bytes, options: SampleOptions) -> None:
        """Takes the looks of a plan; if none of them works, reads the track from its beginning."""
        looks = options.looks(self.timeline.duration_seconds, shape)
        for run in plan_looks(self.timeline, looks, seed, options) if self.timeline.is_timed else ():
            if self.account.is_spent():
                return
            if not any(self._attempt(run, back_seconds, forward) for back_seconds, forward in _ATTEMPTS):
                self.account.note("a look was lost: its place in the track gives no frame")
        if not self.taken:
            self.account.note("no seek gives a frame: read from the beginning")
            # All frames are on the way now, so the looks between keyframes cost nothing more.
            self.untimed = 0
            free = replace(self.timeline, keyframe_seconds_K=np.zeros(1), megapixels=0.0)
            (run,) = plan_looks(free, looks, seed, options)
            self._attempt(Run(-math.inf, run.target_seconds), 0.0, forward=True)

    def picture(self) -> Picture:
        seconds = sorted(self.taken)
        return Picture(
            np.stack([self.taken[second] for second in seconds]),
            np.array(seconds, np.float64),
            max(self.timeline.duration_seconds, seconds[-1]),
            self.track.codec_context.codec.canonical_name,
            *self.size,
            self.orientation.rotation_degrees,
        )

    def _attempt(self, run: Run, back_seconds: float, forward: bool) -> bool:
        """Whether the run gave a frame. Never raises for the media's sake."""
        before = len(self.taken)
        context = self.track.codec_context
        try:
            self._decode(run, back_seconds, forward)
        except (av.FFmpegError, EOFError):
            self.account.damage(self.track)
        finally:
            context.skip_frame = "DEFAULT"
            context.flush_buffers()
        return len(self.taken) > before

    def _decode(self, run: Run, back_seconds: float, forward: bool) -> None:
        context = self.track.codec_context
        slack = 0.5 / self.timeline.frame_rate
        targets = list(run.target_seconds)
        last = None
        for packet in self._packets(run.keyframe_seconds, back_seconds, slack, forward):
            arrived = self._seconds(packet) >= targets[-1] - slack
            # Frames that no other refers to need not be decoded on the way: a third of its cost.
            context.skip_frame = "NONREF" if not (arrived or packet.is_keyframe or forward) else "DEFAULT"
            frames = self._send(packet)
            if arrived and not forward:
                frames += self._send(None)
            for frame in frames:
                self._take(frame, targets, slack)
                last = frame
            if not targets or (arrived and not forward):
                return
        for frame in self._send(None):
            self._take(frame, targets, slack)
            last = frame
        if targets and last is not None:  # the track ends before its header says
            self._take(last, [self._seconds(last)], slack)

    def _packets(self, keyframe_seconds: float, back_seconds: float, slack: float, forward: bool) -> Iterator[Any]:
        """Packets from the keyframe on; nothing when the seek went past it."""
        start_seconds = max(keyframe_seconds - back_seconds, -1.0) + self.account.origin_seconds
        seek(self.container, self.track, start_seconds)
        begun = keyframe_seconds == -math.inf
        for packet in self.container.demux(self.track):
            if not packet.size or self.account.is_spent():
                return
            if not begun and packet.is_keyframe:
                seconds = self._seconds(packet)
                begun = forward or seconds >= keyframe_seconds - slack
                if self.timeline.is_exact and not forward and seconds > keyframe_seconds + _PASSED_SECONDS:
                    return
            if begun:
                yield packet

    def _send(self, packet: Any) -> list[Any]:
        try:
            return list(self.track.codec_context.decode(packet))
        except (av.FFmpegError, EOFError):
            if packet is not None:
                self.account.damage(self.track, packet)
            return []

    def _seconds(self, timed: Any) -> float:
        """When a packet or frame is shown; without any time stamp, the frame after the last one looked at."""
        ticks = timed.pts if timed.pts is not None else timed.dts
        if ticks is None:
            return self.untimed / self.timeline.frame_rate
        return float(ticks * self.track.time_base) - self.account.origin_seconds

    def _take(self, frame: Any, targets: list[float], slack: float) -> None:
        seconds = max(self._seconds(frame), 0.0)
        self.untimed += 1
        if frame.is_corrupt or not targets or seconds < targets[0] - slack:
            return
        while targets and targets[0] - slack <= seconds:
            targets.pop(0)
        if seconds not in self.taken:
            if not self.taken:
                self._measure(frame)
            aspect = self.track.sample_aspect_ratio
            self.taken[seconds] = square(frame, self.reformatter, self.orientation, aspect, self.shape.frame_pixels)

    def _measure(self, frame: Any) -> None:
        side_data = frame.side_data.get(SideData.DISPLAYMATRIX)
        orientation = orientation_from_matrix(None if side_data is None else bytes(side_data))
        if orientation is None:
            self.account.note("display matrix is garbage: ignored")
        self.orientation = orientation or UPRIGHT
        self.size = (frame.width, frame.height)
