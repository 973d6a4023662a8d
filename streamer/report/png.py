"""Pixels to PNG data URIs with nothing but zlib, so that a page can hold its pictures.

H,W height and width in pixels. Format: PNG, third edition (W3C, 2025), sections 5 and 9.
"""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np
from numpy.typing import NDArray

from streamer.records import UInt8

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_RGB, _INDEXED = 2, 3
_FILTER_UP = 2


def png_from_rgb(pixels_HWC: UInt8) -> bytes:
    """A PNG of uint8 RGB pixels (H, W, 3)."""
    height, width, channels = pixels_HWC.shape
    if pixels_HWC.dtype != np.uint8 or channels != 3:
        raise ValueError(f"pixels_HWC: came {pixels_HWC.dtype}{pixels_HWC.shape}, expected uint8 (H, W, 3)")
    return _png(pixels_HWC.reshape(height, width * 3), width, _RGB, b"")


def png_from_indices(indices_HW: UInt8, palette_256C: UInt8) -> bytes:
    """A PNG of uint8 indices (H, W) into a palette of uint8 RGB colours (256, 3)."""
    palette = _chunk(b"PLTE", palette_256C.tobytes())
    return _png(indices_HW, indices_HW.shape[1], _INDEXED, palette)


def data_uri(png: bytes) -> str:
    """A PNG as an address that needs no request."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def shrink(pixels_CHW: UInt8, largest: int) -> UInt8:
    """RGB pixels (3, H, W) as (h, w, 3): averaged over whole blocks until the longer side is at most `largest`."""
    _, height, width = pixels_CHW.shape
    block = -(-max(height, width) // largest)
    if block == 1:
        return np.ascontiguousarray(pixels_CHW.transpose(1, 2, 0))
    rows, columns = height // block, width // block
    cut_CHW = pixels_CHW[:, : rows * block, : columns * block]
    mean_CHW = cut_CHW.reshape(3, rows, block, columns, block).mean(axis=(2, 4))
    return np.ascontiguousarray(mean_CHW.round().astype(np.uint8).transpose(1, 2, 0))


def _png(lines_HB: UInt8, width: int, colour: int, palette: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, lines_HB.shape[0], 8, colour, 0, 0, 0)
    pixels = zlib.compress(_filtered(lines_HB).tobytes(), 9)
    return _SIGNATURE + _chunk(b"IHDR", header) + palette + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")


def _filtered(lines_HB: UInt8) -> NDArray[np.uint8]:
    """Each line as its difference from the line above, modulo 256, after a byte that says so."""
    difference_HB = np.diff(lines_HB, axis=0, prepend=np.zeros((1, lines_HB.shape[1]), np.uint8))
    return np.insert(difference_HB, 0, _FILTER_UP, axis=1)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
