"""A decoded frame of any geometry and colour -> an upright, letterboxed square of 8-bit RGB."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.records import Float32, UInt8

# AREA averages all pixels that fall on one; the other flags keep chroma and rounding at full precision. The 16-bit
# result is rounded down: FFmpeg's own default conversion to RGB lies 1.1 levels below the exact one, and so frames are
# within one level of either, on average (tests/media/test_pixels.py).
# libswscale/swscale.h: SWS_AREA or SWS_BICUBIC, with SWS_ACCURATE_RND, SWS_FULL_CHR_H_INP, SWS_FULL_CHR_H_INT.
_PRECISE = 0x40000 | 0x4000 | 0x2000
_SHRINK, _ENLARGE = 0x20 | _PRECISE, 0x4 | _PRECISE
_PQ, _HLG = 16, 18  # ITU-T H.273 transfer characteristics
_BT2020 = 9  # ITU-T H.273 colour primaries
_SDR_WHITE_NITS = 203.0  # ITU-R BT.2408: diffuse white of an HDR programme


@dataclass(frozen=True, slots=True)
class Orientation:
    """How stored pixels become upright: transpose, then mirror up-down, then left-right."""

    transpose: bool = False
    flip_rows: bool = False
    flip_columns: bool = False

    @property
    def rotation_degrees(self) -> int:
        """Counter-clockwise degrees in {-90, 0, 90, 180}, as FFmpeg tells them; mirrors are not told."""
        if self.transpose:
            return -90 if self.flip_columns else 90
        return 180 if self.flip_rows and self.flip_columns else 0


UPRIGHT = Orientation()


def orientation_from_matrix(matrix: bytes | None) -> Orientation | None:
    """The quarter turns and mirrors of an ISO 14496-12 display matrix; None when it is garbage or oblique.

    Args:
        matrix: nine little-endian 16.16 numbers (a, b, u, c, d, v, x, y, w); x' = a x + c y, y' = b x + d y.
    """
    if matrix is None:
        return UPRIGHT
    if len(matrix) != 36:
        return None
    a, b, _, c, d, *_ = (np.frombuffer(matrix, "<i4") / 65536.0).tolist()
    straight, turned = min(abs(a), abs(d)), min(abs(b), abs(c))
    if straight > 0.1 and max(abs(b), abs(c)) < 0.05 * straight:
        return Orientation(False, flip_rows=d < 0, flip_columns=a < 0)
    if turned > 0.1 and max(abs(a), abs(d)) < 0.05 * turned:
        return Orientation(True, flip_rows=b < 0, flip_columns=c < 0)
    return None


def fit(width: int, height: int, aspect: Fraction | None, frame_pixels: int) -> tuple[int, int]:
    """Width and height, in the stored orientation, of the picture inside the square.

    Args:
        aspect: sample aspect ratio; ratios beyond 1:16 are taken for garbage.
    """
    ratio = float(aspect) if aspect and Fraction(1, 16) <= aspect <= 16 else 1.0
    shown = width * ratio
    scale = frame_pixels / max(shown, height)
    return max(round(shown * scale), 1), max(round(height * scale), 1)


def square(frame: Any, reformatter: Any, orientation: Orientation, aspect: Fraction | None, frame_pixels: int) -> UInt8:
    """One `av.VideoFrame` as uint8 (3, S, S) RGB: centred, black around."""
    width, height = fit(frame.width, frame.height, aspect, frame_pixels)
    enlarges = width > frame.width or height > frame.height
    flags = _ENLARGE if enlarges else _SHRINK
    small = reformatter.reformat(frame, width, height, "gbrp16le", interpolation=flags, threads=1)
    deep_CHW = _rgb_from_gbrp(small)
    if frame.color_trc in (_PQ, _HLG):
        planes_CHW = _sdr_from_hdr(deep_CHW, int(frame.color_trc), int(frame.color_primaries))
    else:
        planes_CHW = (deep_CHW >> 8).astype(np.uint8)
    if orientation.transpose:
        planes_CHW = planes_CHW.transpose(0, 2, 1)
    if orientation.flip_rows:
        planes_CHW = planes_CHW[:, ::-1]
    if orientation.flip_columns:
        planes_CHW = planes_CHW[:, :, ::-1]
    out_CHW: UInt8 = np.zeros((3, frame_pixels, frame_pixels), np.uint8)
    _, height, width = planes_CHW.shape
    top, left = (frame_pixels - height) // 2, (frame_pixels - width) // 2
    out_CHW[:, top : top + height, left : left + width] = planes_CHW
    return out_CHW


def _rgb_from_gbrp(frame: Any) -> NDArray[np.uint16]:
    planes = [np.frombuffer(plane, "<u2").reshape(plane.height, -1)[:, : plane.width] for plane in frame.planes]
    return np.stack([planes[2], planes[0], planes[1]])


def _sdr_from_hdr(planes_CHW: NDArray[np.uint16], transfer: int, primaries: int) -> UInt8:
    """PQ or HLG code values -> BT.709 SDR: light, gamut, a shoulder above diffuse white, gamma."""
    signal_CHW = np.minimum(planes_CHW.astype(np.float32) / 65280.0, 1.0)  # swscale's white is 255 * 256
    light_CHW = _nits_from_pq(signal_CHW) if transfer == _PQ else _nits_from_hlg(signal_CHW)
    light_CHW = light_CHW / _SDR_WHITE_NITS
    if primaries == _BT2020:
        light_CHW = np.einsum("dc,chw->dhw", _BT709_FROM_BT2020, light_CHW)
    light_CHW = np.clip(light_CHW, 0.0, None)
    # Extended Reinhard, C = 0.5: straight up to half of diffuse white, then a shoulder that ends at 1.
    over_CHW = np.maximum(light_CHW - 0.5, 0.0)
    light_CHW = np.minimum(light_CHW, 0.5) + over_CHW / (1.0 + 2.0 * over_CHW)
    out_CHW: UInt8 = np.rint(255.0 * light_CHW ** (1 / 2.2)).astype(np.uint8)
    return out_CHW


_BT709_FROM_BT2020 = np.array(  # ITU-R BT.2087
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32
)


def _nits_from_pq(signal_CHW: Float32) -> Float32:
    """SMPTE ST 2084, EOTF."""
    root_CHW = signal_CHW ** np.float32(1 / 78.84375)
    ratio_CHW = np.maximum(root_CHW - 0.8359375, 0.0) / (18.8515625 - 18.6875 * root_CHW)
    nits_CHW: Float32 = 10000.0 * ratio_CHW ** np.float32(1 / 0.1593017578125)
    return nits_CHW


def _nits_from_hlg(signal_CHW: Float32) -> Float32:
    """ITU-R BT.2100 HLG: inverse OETF, then the OOTF of a 1000 nit display (gamma 1.2)."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene_CHW = np.where(signal_CHW <= 0.5, signal_CHW**2 / 3.0, (np.exp((signal_CHW - c) / a) + b) / 12.0)
    luma_HW = np.einsum("c,chw->hw", np.array([0.2627, 0.6780, 0.0593], np.float32), scene_CHW)
    nits_CHW: Float32 = (1000.0 * scene_CHW * np.maximum(luma_HW, 1e-6) ** 0.2).astype(np.float32)
    return nits_CHW
