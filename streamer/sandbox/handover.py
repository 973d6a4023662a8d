"""How a clip crosses from the sandbox child to its parent: sealed shared memory, a checked header.

    | header length, 4 bytes | JSON header | ... 64 KiB | room for most_frames | room for max_windows |

The parent trusts nothing in it: the header must have the declared types, every count is checked against the room, and
pixels and samples are copied, so that nothing changes after the checks.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from dataclasses import dataclass
from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from streamer.decode.formats import Code
from streamer.errors import UndecodableError
from streamer.records import Clip, Coverage, Media
from streamer.sample import ClipShape

_HEADER_BYTES = 65_536
_LENGTH_BYTES = 4
_MFD_CLOEXEC, _MFD_ALLOW_SEALING = 1, 2
_F_ADD_SEALS, _SEAL_SEAL, _SEAL_SHRINK, _SEAL_GROW = 1033, 1, 2, 4  # linux/fcntl.h

Seconds = Annotated[float, msgspec.Meta(ge=0, le=1e7)]
Text = Annotated[str, msgspec.Meta(max_length=300)]


class Header(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the child says of its result; `code` is set when there is none."""

    code: Code | None = None
    text: Text = ""
    has_frames: bool = False
    has_windows: bool = False
    frame_seconds: list[Seconds] = []
    window_seconds: list[Seconds] = []
    coverage: Coverage | None = None
    media: Media | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """Where each part lies in the shared memory of a clip of `shape`."""

    shape: ClipShape

    @property
    def frames_bytes(self) -> int:
        return self.shape.most_frames * 3 * self.shape.frame_pixels**2

    @property
    def windows_offset(self) -> int:
        return _HEADER_BYTES + -(-self.frames_bytes // 4096) * 4096

    @property
    def size_bytes(self) -> int:
        return self.windows_offset + self.shape.max_windows * self.shape.window_samples * 4

    def frames(self, memory: mmap.mmap, count: int) -> NDArray[np.uint8]:
        size = self.shape.frame_pixels
        flat = np.frombuffer(memory, np.uint8, count * 3 * size * size, _HEADER_BYTES)
        return flat.reshape(count, 3, size, size)

    def windows(self, memory: mmap.mmap, count: int) -> NDArray[np.float32]:
        flat = np.frombuffer(memory, np.float32, count * self.shape.window_samples, self.windows_offset)
        return flat.reshape(count, self.shape.window_samples)


def create(layout: Layout) -> int:
    """A descriptor of zeroed shared memory. It is sealed: a child that shrinks it cannot fault its parent."""
    descriptor = os.memfd_create("earshot-clip", _MFD_CLOEXEC | _MFD_ALLOW_SEALING)
    os.ftruncate(descriptor, layout.size_bytes)
    fcntl.fcntl(descriptor, _F_ADD_SEALS, _SEAL_SHRINK | _SEAL_GROW | _SEAL_SEAL)
    return descriptor


def write_clip(memory: mmap.mmap, layout: Layout, clip: Clip) -> None:
    """Called by the child."""
    if clip.frames_TCHW is not None:
        layout.frames(memory, len(clip.frames_TCHW))[:] = clip.frames_TCHW
    if clip.windows_TS is not None:
        layout.windows(memory, len(clip.windows_TS))[:] = clip.windows_TS
    header = Header(
        has_frames=clip.frames_TCHW is not None,
        has_windows=clip.windows_TS is not None,
        frame_seconds=clip.frame_seconds_T.tolist(),
        window_seconds=clip.window_seconds_T.tolist(),
        coverage=clip.coverage,
        media=clip.media,
    )
    _write_header(memory, header)


def write_error(memory: mmap.mmap, code: Code, text: str) -> None:
    """Called by the child."""
    _write_header(memory, Header(code=code, text="".join(c for c in text if c.isprintable())[:300]))


def _write_header(memory: mmap.mmap, header: Header) -> None:
    encoded = msgspec.json.encode(header)
    if len(encoded) > _HEADER_BYTES - _LENGTH_BYTES:
        raise ValueError(f"header of {len(encoded)} bytes, room for {_HEADER_BYTES - _LENGTH_BYTES}")
    memory[_LENGTH_BYTES : _LENGTH_BYTES + len(encoded)] = encoded
    memory[:_LENGTH_BYTES] = len(encoded).to_bytes(_LENGTH_BYTES, "little")  # last: no length, no result


def read_clip(descriptor: int, layout: Layout, cpu_ms: float) -> Clip:
    """Called by the parent once the child is gone.

    Raises UndecodableError (poison) with the child's code, or `crashed` when what it left is not a valid result.
    """
    with mmap.mmap(descriptor, layout.size_bytes, prot=mmap.PROT_READ) as memory:
        try:
            header = _read_header(memory)
            if header.code is not None:
                raise UndecodableError(header.code, header.text)
            return _clip(memory, layout, header, cpu_ms)
        except (msgspec.MsgspecError, ValueError) as error:
            text = f"the decoder left no valid result ({type(error).__name__})"
            raise UndecodableError(Code.CRASHED, text) from error


def _read_header(memory: mmap.mmap) -> Header:
    length = int.from_bytes(memory[:_LENGTH_BYTES], "little")
    if not 0 < length <= _HEADER_BYTES - _LENGTH_BYTES:
        raise ValueError(f"header length {length}")
    return msgspec.json.decode(memory[_LENGTH_BYTES : _LENGTH_BYTES + length], type=Header)


def _clip(memory: mmap.mmap, layout: Layout, header: Header, cpu_ms: float) -> Clip:
    num_frames, num_windows = len(header.frame_seconds), len(header.window_seconds)
    if num_frames > layout.shape.most_frames or num_windows > layout.shape.max_windows:
        raise ValueError(f"{num_frames} frames, {num_windows} windows: more than the plan holds")
    if header.coverage is None or header.media is None:
        raise ValueError("no coverage")
    windows_TS = layout.windows(memory, num_windows).copy() if header.has_windows else None
    if windows_TS is not None and not (np.abs(windows_TS) <= 1.0).all():
        raise ValueError("samples beyond [-1, 1]")
    return Clip(
        frames_TCHW=layout.frames(memory, num_frames).copy() if header.has_frames else None,
        frame_seconds_T=_ascending(header.frame_seconds),
        windows_TS=windows_TS,
        window_seconds_T=_ascending(header.window_seconds),
        window_span_seconds=layout.shape.window_seconds,
        coverage=header.coverage,
        media=header.media,
        decode_cpu_ms=cpu_ms,
    )


def _ascending(seconds: list[float]) -> NDArray[np.float64]:
    seconds_T = np.array(seconds, np.float64)
    if (np.diff(seconds_T) < 0).any():
        raise ValueError("times that go back")
    return seconds_T
