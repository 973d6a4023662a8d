"""What is kept of sound: transforms of features that leave people out, and attacks that measure how well they do."""

from __future__ import annotations

from enum import StrEnum


class AudioPrivacy(StrEnum):
    """How much of a sound is stored."""

    NONE = "none"
    SUMMARY = "summary"
    ANONYMISE = "anonymise"
