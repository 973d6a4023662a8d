"""Where the keyframes of a track are: from the container's index, else by reading through the packets, else guessed."""

from __future__ import annotations

from typing import Any

import av
import numpy as np
from av.container import InputContainer

from streamer.decode.container import seek
from streamer.decode.formats import DecodeOptions
from streamer.records import Float64
from streamer.sample import ClipShape, Timeline


def read_timeline(
    container: InputContainer, track: Any, shape: ClipShape, options: DecodeOptions, origin: float
) -> Timeline:
    """What can be known of a picture track without decoding it. `origin`: presentation time of its second zero."""
    header_seconds = _header_seconds(container, track)
    rate = float(track.average_rate or track.guessed_rate or 30)
    rate = min(max(rate, 1.0), 240.0)
    context = track.codec_context
    megapixels = context.width * context.height / 1e6
    found = _from_index(track, header_seconds, origin)
    if found is None and container.size <= options.max_scan_bytes:
        found = _from_packets(container, track, origin)
    if found is None:
        guesses = 4 * options.sample.looks(header_seconds, shape)
        guesses_K = np.linspace(0.0, header_seconds, guesses, endpoint=False)
        return Timeline(header_seconds, guesses_K, rate, megapixels, is_exact=False)
    keyframes_K, last_seconds, num_samples = found
    if not keyframes_K.size:  # no times, or no keyframes: reading on from the beginning is all there is
        return Timeline(max(num_samples / rate, last_seconds), np.zeros(1), rate, megapixels, is_timed=False)
    duration = last_seconds + 1.0 / rate
    if num_samples > 1 and last_seconds > 0:
        rate = min(max((num_samples - 1) / last_seconds, 1.0), 240.0)
    return Timeline(duration, keyframes_K, rate, megapixels)


def _header_seconds(container: InputContainer, track: Any) -> float:
    if track.duration:
        return max(float(track.duration * track.time_base), 0.0)
    return max((container.duration or 0) / av.time_base, 0.0)


def _from_index(track: Any, header_seconds: float, origin: float) -> tuple[Float64, float, int] | None:
    """Keyframe times, time of the last sample, number of samples (0: the index lists keyframes only)."""
    entries = [(entry.timestamp, entry.is_keyframe) for entry in track.index_entries if not entry.is_discard]
    keyframe_ticks = [ticks for ticks, is_keyframe in entries if is_keyframe]
    if not keyframe_ticks:
        return None
    # Index times are decode times; the first frame is shown `start_time`, and all others later by the same span.
    shift = max((track.start_time or 0) - entries[0][0], 0)
    base = float(track.time_base)
    last_seconds = (entries[-1][0] + shift) * base - origin
    if last_seconds < 0.9 * header_seconds - 1.0 or len(entries) < 2:
        return None
    complete = len(keyframe_ticks) < len(entries)
    keyframes_K = (np.array(keyframe_ticks, np.float64) + shift) * base - origin
    return keyframes_K, max(last_seconds, header_seconds if not complete else 0.0), len(entries) if complete else 0


def _from_packets(container: InputContainer, track: Any, origin: float) -> tuple[Float64, float, int] | None:
    """The same by reading all packets; without keyframe times when the packets bear no times."""
    base = float(track.time_base)
    keyframes, last_seconds, count = [], 0.0, 0
    try:
        seek(container, track, origin - 1.0)
        for packet in container.demux(track):
            count += packet.size > 0
            ticks = packet.pts if packet.pts is not None else packet.dts
            if ticks is None:
                continue
            seconds = ticks * base - origin
            last_seconds = max(last_seconds, seconds)
            if packet.is_keyframe:
                keyframes.append(seconds)
    except (av.FFmpegError, EOFError):
        pass  # what was read before the damage is of use
    return (np.array(keyframes, np.float64), last_seconds, count) if count else None
