"""A picture track -> the frames of a plan: seek, send one keyframe, flush it out, convert. Decodes forward only where it must."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.sidedata.sidedata import Type as SideData
from av.video.reformatter import VideoReformatter

from streamer.decode.container import Account, keep_only, origin_seconds, prepare
from streamer.decode.index import read_timeline
from streamer.formats import DecodeOptions
from streamer.pixels import UPRIGHT, Orientation, orientation_from_matrix, square
from streamer.records import Float64, UInt8
from streamer.sample import ClipShape, Run, Timeline, plan_looks


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
    container: InputContainer, tracks: list[Any], shape: ClipShape, seed: bytes, options: DecodeOptions, account: Account
) -> Picture | None:
    """The first track that gives any frame; None when none does."""
    for track in tracks:
        prepare(track, options)
        keep_only(container, track)
        timeline = read_timeline(container, track, shape.max_frames, options)
        looker = _Looker(container, track, timeline, shape, account)
        looker.follow(plan_looks(timeline, shape.max_frames, seed, options.sample))
        if looker.taken:
            return looker.picture()
    if tracks:
        account.note("the video track gave no frame")
    return None


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
    reformatter: VideoReformatter = field(default_factory=VideoReformatter)

    def follow(self, runs: tuple[Run, ...]) -> None:
        """Takes the looks of a plan; if none of them works, reads the track from its beginning."""
        for run in runs:
            if self.account.is_spent():
                return
            if not self._run(run):
                self.account.note("a look was lost: its place in the track gives no frame")
        if not self.taken:
            self.account.note("seeking gives no frame: read from the beginning")
            targets = tuple(sorted(target for run in runs for target in run.target_seconds))
            self._run(Run(-1.0, targets))

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

    def _run(self, run: Run) -> bool:
        before = len(self.taken)
        context = self.track.codec_context
        try:
            self._decode(run)
        except (av.FFmpegError, EOFError):
            self.account.damaged_packets += 1
        finally:
            context.skip_frame = "DEFAULT"
            context.flush_buffers()
        return len(self.taken) > before

    def _decode(self, run: Run) -> None:
        context = self.track.codec_context
        slack = 0.5 / self.timeline.frame_rate
        targets = list(run.target_seconds)
        for packet in self._packets_from(run.keyframe_seconds, slack):
            seconds = self._seconds(packet)
            at_last = seconds >= targets[-1] - slack
            # Frames that no other refers to need not be decoded on the way: a third of its cost.
            context.skip_frame = "DEFAULT" if at_last or packet.is_keyframe else "NONREF"
            frames = self._send(packet)
            if at_last:
                frames += self._send(None)
            for frame in frames:
                self._take(frame, targets, slack)
            if at_last and not targets:
                return
            if at_last:
                context.flush_buffers()

    def _packets_from(self, keyframe_seconds: float, slack: float) -> Iterator[Any]:
        """Packets from the keyframe on, the first of them a keyframe where the container tells."""
        start = keyframe_seconds + origin_seconds(self.container)
        self.container.seek(round(start / self.track.time_base), stream=self.track)
        begun = False
        for packet in self.container.demux(self.track):
            if not packet.size or self.account.is_spent():
                return
            begun = begun or (packet.is_keyframe and self._seconds(packet) >= keyframe_seconds - slack)
            if begun:
                yield packet

    def _send(self, packet: Any) -> list[Any]:
        try:
            return list(self.track.codec_context.decode(packet))
        except (av.FFmpegError, EOFError):
            self.account.damaged_packets += packet is not None
            return []

    def _seconds(self, timed: Any) -> float:
        ticks = timed.pts if timed.pts is not None else timed.dts
        return float((ticks or 0) * self.track.time_base) - origin_seconds(self.container)

    def _take(self, frame: Any, targets: list[float], slack: float) -> None:
        seconds = max(self._seconds(frame), 0.0)
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
