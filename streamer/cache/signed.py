"""Bytes that nobody without the secret can forge, alter, move to another key or pass off as something else. Pure.

body | HMAC-SHA256 over purpose, cache key and body
"""

from __future__ import annotations

import hashlib
import hmac
import struct

_TAG_BYTES = 32


def signed(body: bytes, *, purpose: bytes, cache_key: str, secret: bytes) -> bytes:
    """The body with its tag. `purpose` keeps a tag made for one kind of value from being valid for another."""
    return body + _tag(body, purpose, cache_key, secret)


def verified(blob: bytes, *, purpose: bytes, cache_key: str, secret: bytes) -> bytes | None:
    """The body of what was signed with this purpose, key and secret; None for anything else whatever."""
    body, tag = blob[:-_TAG_BYTES], blob[-_TAG_BYTES:]
    return body if hmac.compare_digest(tag, _tag(body, purpose, cache_key, secret)) else None


def _tag(body: bytes, purpose: bytes, cache_key: str, secret: bytes) -> bytes:
    key = cache_key.encode()
    mac = hmac.new(secret, purpose + struct.pack("<I", len(key)) + key, hashlib.sha256)
    mac.update(body)
    return mac.digest()
